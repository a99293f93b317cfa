import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Keyv } from 'keyv';
import { Agent, type Dispatcher } from 'undici';
import { listenOn } from './ports.js';
import { macrotasks } from './until-idle.js';

/** The rows of a store. They outlive the process. */
export type Disk = Map<string, unknown>;

const REQUEST_STARTED = 'http.server.request.start';
const RESPONSE_FINISHED = 'http.server.response.finish';

/**
 * The store, outgoing requests and callbacks of one process. It counts each write, request and answer as a step. At the
 * n-th step it crashes like a killed process: from then on nothing is written, sent or answered.
 */
export class SimulatedProcess {
  /** The steps so far, in order. */
  readonly steps: string[] = [];
  readonly store: Keyv;
  readonly dispatcher: Dispatcher;
  readonly server: Server = createServer();
  /** Resolves at the crash. */
  readonly crashed: Promise<void>;
  readonly #disk: Disk;
  readonly #crashesAt: number;
  readonly #agent = new Agent();
  readonly #closed = once(this.server, 'close');
  #hasCrashed = false;
  #onCrash = (): void => {};

  private constructor(disk: Disk, crashesAt: number) {
    this.#disk = disk;
    this.#crashesAt = crashesAt;
    this.crashed = new Promise((resolve) => {
      this.#onCrash = resolve;
    });
    this.store = new Keyv({ store: rowsOn(disk, this) });
    this.dispatcher = this.#agent.compose((dispatch) => (request, handler) => {
      if (!this.step(`before ${request.method}`)) return true;
      return dispatch(
        request,
        untilCrash(handler, () => this.step(`${request.method} was answered`)),
      );
    });
  }

  /** Starts a process that listens on a port. */
  static async start(disk: Disk, port: number, crashesAt = Infinity): Promise<SimulatedProcess> {
    const process = new SimulatedProcess(disk, crashesAt);
    await listenOn(process.server, port);
    diagnostics.subscribe(REQUEST_STARTED, process.#onRequest);
    diagnostics.subscribe(RESPONSE_FINISHED, process.#onResponse);
    return process;
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed;
  }

  /** @returns whether the process still runs after this step */
  step(name: string): boolean {
    if (this.#hasCrashed) return false;
    this.steps.push(name);
    if (this.steps.length === this.#crashesAt) this.#crash();
    return !this.#hasCrashed;
  }

  /** Ends the process unless it has crashed. Resolves when its port is free. */
  async end(): Promise<void> {
    this.#crash();
    await this.#closed;
  }

  readonly #onRequest = (message: unknown): void => this.#serverStep(message, 'a request came');
  readonly #onResponse = (message: unknown): void => this.#serverStep(message, 'a request was answered');

  #serverStep(message: unknown, name: string): void {
    if (typeof message === 'object' && message !== null && 'server' in message && message.server === this.server) {
      this.step(name);
    }
  }

  #crash(): void {
    if (this.#hasCrashed) return;
    this.#hasCrashed = true;
    diagnostics.unsubscribe(REQUEST_STARTED, this.#onRequest);
    diagnostics.unsubscribe(RESPONSE_FINISHED, this.#onResponse);
    this.server.close();
    this.server.closeAllConnections();
    void this.#agent.destroy();
    // The owner lock is judged by its process id. That is the id of this process, which still runs.
    for (const key of this.#disk.keys()) if (key.includes(':owner:')) this.#disk.delete(key);
    this.#onCrash();
  }
}

/** A store for Keyv whose writes take a few turns of the event loop. A write that a crash interrupts never finishes. */
function rowsOn(disk: Disk, process: SimulatedProcess): object {
  const write = async <T>(key: string, change: () => T): Promise<T> => {
    const isCounted = key.includes(':subscription:');
    if (isCounted ? !process.step('before a write') : process.hasCrashed) return never();
    // Code that does not wait for the write runs ahead of it.
    await macrotasks(5);
    if (process.hasCrashed) return never();
    const result = change();
    return isCounted && !process.step('after a write') ? never() : result;
  };
  return {
    get: async (key: string) => disk.get(key),
    set: (key: string, value: unknown) => write(key, () => disk.set(key, value).has(key)),
    delete: (key: string) => write(key, () => disk.delete(key)),
    clear: async () => disk.clear(),
    async *iterator() {
      yield* disk;
    },
  };
}

/** Wraps a handler so that it gets the response only while the process runs. */
function untilCrash(handler: Dispatcher.DispatchHandler, isRunning: () => boolean): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (...args) => handler.onRequestStart?.(...args),
    onResponseStart: (...args) => {
      if (isRunning()) handler.onResponseStart?.(...args);
    },
    onResponseData: (...args) => handler.onResponseData?.(...args),
    onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
    onResponseError: (...args) => handler.onResponseError?.(...args),
  };
}

function never(): Promise<never> {
  return new Promise<never>(() => {});
}
