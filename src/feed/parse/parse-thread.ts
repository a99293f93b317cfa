import { setImmediate as macrotask } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { concatBytes } from './concat-bytes.js';
import type { FeedDocument, ReaderName } from '../feed-document.js';
import { excerpt } from '../feed-error.js';
import { BatchAssembler } from './batches.js';
import type { WorkerResponse, WorkerRequest } from './parse-worker.js';
import { startWorker } from './worker-code.js';

/** Limits of a parse thread. */
export interface ThreadLimits {
  /** Heap limit, in MiB. */
  readonly heapMb: number;
  /** Milliseconds for a document, from sending it to the thread until its last batch is received. */
  readonly documentMs: number;
  /** Milliseconds after which an idle thread is stopped. */
  readonly idleMs: number;
}

interface ParseTask {
  readonly document: FeedDocument;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly assembler: BatchAssembler;
  readonly timer: NodeJS.Timeout;
}

/**
 * Parses documents in a worker thread, one at a time. The thread starts with the first document and stops when idle. It
 * never keeps the process alive.
 */
export class ParseThread {
  readonly #limits: ThreadLimits;
  #worker: Worker | undefined;
  #task: ParseTask | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(limits: ThreadLimits) {
    this.#limits = limits;
  }

  get isBusy(): boolean {
    return this.#task !== undefined;
  }

  /** Whether the thread is running. */
  get isStarted(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Parses a document. Do not call while the thread is busy.
   *
   * @throws SyntaxError or RangeError when parsing on the main thread would throw it
   * @throws RangeError when parsing takes too much memory or time
   * @throws Error when no thread can be started; a later call may succeed
   */
  read(reader: ReaderName, document: FeedDocument): Promise<unknown> {
    clearTimeout(this.#idle);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => void this.#timeOut(task), this.#limits.documentMs).unref();
      const task: ParseTask = { document, resolve, reject, assembler: new BatchAssembler(), timer };
      this.#task = task;
      try {
        this.#worker ??= this.#startWorker();
      } catch (cause) {
        this.#fail(cause);
        return;
      }
      void this.#send(task, reader);
    });
  }

  async #send(task: ParseTask, reader: ReaderName): Promise<void> {
    try {
      // The bytes may be part of a shared buffer. The copy is transferred to the thread without another copy.
      const bytes = await concatBytes([task.document.bytes]);
      if (this.#task !== task) return;
      const request: WorkerRequest = { type: 'read', reader, document: { ...task.document, bytes } };
      this.#worker?.postMessage(request, [bytes.buffer]);
    } catch (cause) {
      if (this.#task === task) this.#fail(cause);
    }
  }

  #startWorker(): Worker {
    const { heapMb: maxOldGenerationSizeMb } = this.#limits;
    const worker = startWorker({ resourceLimits: { maxOldGenerationSizeMb }, name: 'websub-subscriber' });
    const onFailure = (cause: unknown): void => {
      if (worker === this.#worker) this.#fail(cause);
    };
    worker.on('message', (response: WorkerResponse) => {
      if (worker === this.#worker) void this.#handle(response);
    });
    worker.on('messageerror', onFailure);
    worker.on('error', onFailure);
    worker.on('exit', (code) => onFailure(new Error(`it exited with code ${code}`)));
    // Must come last: a message listener keeps the process alive.
    worker.unref();
    return worker;
  }

  async #handle(response: WorkerResponse): Promise<void> {
    const task = this.#task;
    if (task === undefined) return;
    if (response.type === 'failed') {
      this.#finish(task)?.reject(errorOf(response));
      return;
    }
    try {
      task.assembler.add(response.rows);
    } catch (cause) {
      return this.#fail(cause);
    }
    if (response.isLast) {
      this.#finish(task)?.resolve(task.assembler.value);
      return;
    }
    // The event loop handles all received messages before other work. Requesting the next batch only now limits them to
    // one.
    await macrotask();
    const request: WorkerRequest = { type: 'next' };
    if (this.#task === task) this.#worker?.postMessage(request);
  }

  async #timeOut(task: ParseTask): Promise<void> {
    // The response may already be here, while this thread was too busy to handle it.
    await macrotask();
    const { documentMs } = this.#limits;
    const finished = this.#finish(task);
    if (finished === undefined) return;
    this.#stopWorker();
    const seconds = documentMs / 1000;
    finished.reject(
      new RangeError(`${describeDocument(finished.document)} was not parsed: parsing takes longer than ${seconds} s`),
    );
  }

  /** Handles a thread that ended or could not start. The next document gets a new thread. */
  #fail(cause: unknown): void {
    const finished = this.#task === undefined ? undefined : this.#finish(this.#task);
    this.#stopWorker();
    if (finished === undefined) return;
    const { message, code } = detailsOf(cause);
    const description = describeDocument(finished.document);
    finished.reject(
      code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? new RangeError(`${description} was not parsed: parsing takes more than ${this.#limits.heapMb} MiB`, {
            cause,
          })
        : new Error(`${description} was not parsed: the worker thread failed (${message})`, { cause }),
    );
  }

  /** Ends a task; returns undefined when it has already ended. */
  #finish(task: ParseTask): ParseTask | undefined {
    if (this.#task !== task) return undefined;
    clearTimeout(task.timer);
    this.#task = undefined;
    this.#idle = setTimeout(() => this.#stopWorker(), this.#limits.idleMs).unref();
    return task;
  }

  #stopWorker(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate().catch(() => {});
  }
}

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  if (name === 'SyntaxError') return new SyntaxError(message);
  return name === 'RangeError' ? new RangeError(message) : new Error(message);
}

function describeDocument({ bytes, baseUrl }: FeedDocument): string {
  return `The document of ${Math.ceil(bytes.byteLength / 1024)} KiB (${excerpt(baseUrl)})`;
}

function detailsOf(cause: unknown): { readonly message: string; readonly code: unknown } {
  const { message = String(cause), code }: { message?: string; code?: unknown } = Object(cause);
  return { message, code };
}
