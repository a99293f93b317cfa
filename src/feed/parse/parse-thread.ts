import { setImmediate as macrotask } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { concatBytes } from './concat-bytes.js';
import type { FeedDocument, ReaderName } from '../feed-document.js';
import { excerpt } from '../feed-limits.js';
import { BatchAssembler } from './batches.js';
import type { WorkerResponse, WorkerRequest } from './parse-worker.js';
import { startWorker } from './worker-code.js';

/** The limits of a thread. */
export interface ThreadLimits {
  /** MiB of heap. */
  readonly heapMb: number;
  /** Milliseconds for a document, from when the thread has it until all of it was received. */
  readonly documentMs: number;
  /** Milliseconds for which a thread is kept that has nothing to do. */
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
 * A thread that reads documents, one at a time. It is started for the first one, and ends when there was none for a while.
 * It never keeps the process up.
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

  /** Whether there is a thread now. */
  get isStarted(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Reads a document. Not to be called while the thread is busy.
   *
   * @throws SyntaxError or RangeError where reading it in this thread would
   * @throws RangeError where it takes too much memory or time
   * @throws Error where there is no thread to be had: later there may be one
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
      // The bytes may lie in a buffer of others: a copy goes to the thread, which does not copy it again.
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
    const lost = (cause: unknown): void => {
      if (worker === this.#worker) this.#fail(cause);
    };
    worker.on('message', (answer: WorkerResponse) => {
      if (worker === this.#worker) void this.#handle(answer);
    });
    worker.on('messageerror', lost);
    worker.on('error', lost);
    worker.on('exit', (code) => lost(new Error(`The thread ended with ${code}`)));
    // A listener for messages keeps the process up: so this comes last.
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
    // Messages that have come are all received before anything else has its turn: so there is never more than one.
    await macrotask();
    const request: WorkerRequest = { type: 'next' };
    if (this.#task === task) this.#worker?.postMessage(request);
  }

  async #timeOut(task: ParseTask): Promise<void> {
    // The answer may be there, and this thread have been too busy to take it.
    await macrotask();
    const { documentMs } = this.#limits;
    const ended = this.#finish(task);
    if (ended === undefined) return;
    this.#stopWorker();
    const seconds = documentMs / 1000;
    ended.reject(
      new RangeError(`${describeDocument(ended.document)} took longer than ${seconds} s to parse, and was given up`),
    );
  }

  /** The thread is no more, or could not be started. The next document gets another one. */
  #fail(cause: unknown): void {
    const ended = this.#task === undefined ? undefined : this.#finish(this.#task);
    this.#stopWorker();
    if (ended === undefined) return;
    const { message, code } = detailsOf(cause);
    const what = describeDocument(ended.document);
    ended.reject(
      code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? new RangeError(`${what} takes more than ${this.#limits.heapMb} MiB to parse, and was given up`, { cause })
        : new Error(`${what} could not be parsed now: the thread for it failed (${message})`, { cause }),
    );
  }

  /** Ends a reading, unless that was done. */
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
  return `A document of ${Math.ceil(bytes.byteLength / 1024)} KiB (${excerpt(baseUrl)})`;
}

function detailsOf(cause: unknown): { readonly message: string; readonly code: unknown } {
  const { message = String(cause), code }: { message?: string; code?: unknown } = Object(cause);
  return { message, code };
}
