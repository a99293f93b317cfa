import { setImmediate as macrotask } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { joined } from './concat-bytes.js';
import type { Document, Wanted } from '../feed-document.js';
import { excerpt } from '../feed-limits.js';
import { Assembly } from './batches.js';
import type { Answer, Question } from './parse-worker.js';
import { newThread } from './worker-code.js';

/** The limits of a thread. */
export interface ThreadLimits {
  /** MiB of heap. */
  readonly heapMb: number;
  /** Milliseconds for a document, from when the thread has it until all of it was received. */
  readonly documentMs: number;
  /** Milliseconds for which a thread is kept that has nothing to do. */
  readonly idleMs: number;
}

interface Reading {
  readonly document: Document;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly assembly: Assembly;
  readonly limit: NodeJS.Timeout;
}

/**
 * A thread that reads documents, one at a time. It is started for the first one, and ends when there was none for a while.
 * It never keeps the process up.
 */
export class ParseThread {
  readonly #limits: ThreadLimits;
  #worker: Worker | undefined;
  #reading: Reading | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(limits: ThreadLimits) {
    this.#limits = limits;
  }

  get isBusy(): boolean {
    return this.#reading !== undefined;
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
  read(wanted: Wanted, document: Document): Promise<unknown> {
    clearTimeout(this.#idle);
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => void this.#tooSlow(reading), this.#limits.documentMs).unref();
      const reading: Reading = { document, resolve, reject, assembly: new Assembly(), limit };
      this.#reading = reading;
      try {
        this.#worker ??= this.#started();
      } catch (cause) {
        this.#lose(cause);
        return;
      }
      void this.#ask(reading, wanted);
    });
  }

  async #ask(reading: Reading, wanted: Wanted): Promise<void> {
    try {
      // The bytes may lie in a buffer of others: a copy goes to the thread, which does not copy it again.
      const bytes = await joined([reading.document.bytes]);
      if (this.#reading !== reading) return;
      const question: Question = { type: 'read', wanted, document: { ...reading.document, bytes } };
      this.#worker?.postMessage(question, [bytes.buffer]);
    } catch (cause) {
      if (this.#reading === reading) this.#lose(cause);
    }
  }

  #started(): Worker {
    const { heapMb: maxOldGenerationSizeMb } = this.#limits;
    const worker = newThread({ resourceLimits: { maxOldGenerationSizeMb }, name: 'websub-subscriber' });
    const lost = (cause: unknown): void => {
      if (worker === this.#worker) this.#lose(cause);
    };
    worker.on('message', (answer: Answer) => {
      if (worker === this.#worker) void this.#take(answer);
    });
    worker.on('messageerror', lost);
    worker.on('error', lost);
    worker.on('exit', (code) => lost(new Error(`The thread ended with ${code}`)));
    // A listener for messages keeps the process up: so this comes last.
    worker.unref();
    return worker;
  }

  async #take(answer: Answer): Promise<void> {
    const reading = this.#reading;
    if (reading === undefined) return;
    if (answer.type === 'failed') {
      this.#end(reading)?.reject(errorOf(answer));
      return;
    }
    try {
      reading.assembly.add(answer.rows);
    } catch (cause) {
      return this.#lose(cause);
    }
    if (answer.isLast) {
      this.#end(reading)?.resolve(reading.assembly.value);
      return;
    }
    // Messages that have come are all received before anything else has its turn: so there is never more than one.
    await macrotask();
    const question: Question = { type: 'next' };
    if (this.#reading === reading) this.#worker?.postMessage(question);
  }

  async #tooSlow(reading: Reading): Promise<void> {
    // The answer may be there, and this thread have been too busy to take it.
    await macrotask();
    const { documentMs } = this.#limits;
    const ended = this.#end(reading);
    if (ended === undefined) return;
    this.#dismiss();
    const seconds = documentMs / 1000;
    ended.reject(new RangeError(`${named(ended.document)} took longer than ${seconds} s to parse, and was given up`));
  }

  /** The thread is no more, or could not be started. The next document gets another one. */
  #lose(cause: unknown): void {
    const ended = this.#reading === undefined ? undefined : this.#end(this.#reading);
    this.#dismiss();
    if (ended === undefined) return;
    const { message, code } = detailsOf(cause);
    const what = named(ended.document);
    ended.reject(
      code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? new RangeError(`${what} takes more than ${this.#limits.heapMb} MiB to parse, and was given up`, { cause })
        : new Error(`${what} could not be parsed now: the thread for it failed (${message})`, { cause }),
    );
  }

  /** Ends a reading, unless that was done. */
  #end(reading: Reading): Reading | undefined {
    if (this.#reading !== reading) return undefined;
    clearTimeout(reading.limit);
    this.#reading = undefined;
    this.#idle = setTimeout(() => this.#dismiss(), this.#limits.idleMs).unref();
    return reading;
  }

  #dismiss(): void {
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

function named({ bytes, baseUrl }: Document): string {
  return `A document of ${Math.ceil(bytes.byteLength / 1024)} KiB (${excerpt(baseUrl)})`;
}

function detailsOf(cause: unknown): { readonly message: string; readonly code: unknown } {
  const { message = String(cause), code }: { message?: string; code?: unknown } = Object(cause);
  return { message, code };
}
