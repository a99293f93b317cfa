import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setImmediate as macrotask } from 'node:timers/promises';
import { Keyv } from 'keyv';
import { Agent, type Dispatcher } from 'undici';

/** What outlives a process: the rows of its store. */
export type Disk = Map<string, unknown>;

const CAME = 'http.server.request.start';
const ANSWERED = 'http.server.response.finish';

/**
 * All that one life of a process has of the world outside: its store, its requests, its callbacks. At its n-th step all of it
 * is cut off at once, as it is from a killed process: nothing more is written, sent or answered.
 */
export class Life {
  /** What it has done so far, in order. */
  readonly steps: string[] = [];
  readonly store: Keyv;
  readonly dispatcher: Dispatcher;
  readonly server: Server = createServer();
  /** Resolves when it is cut off. */
  readonly over: Promise<void>;
  readonly #disk: Disk;
  readonly #endsAt: number;
  readonly #agent = new Agent();
  readonly #closed = once(this.server, 'close');
  #isOver = false;
  #onOver = (): void => {};

  private constructor(disk: Disk, endsAt: number) {
    this.#disk = disk;
    this.#endsAt = endsAt;
    this.over = new Promise((resolve) => {
      this.#onOver = resolve;
    });
    this.store = new Keyv({ store: rowsOn(disk, this) });
    this.dispatcher = this.#agent.compose((dispatch) => (request, handler) => {
      if (!this.step(`before ${request.method}`)) return true;
      return dispatch(
        request,
        untilOver(handler, () => this.step(`${request.method} was answered`)),
      );
    });
  }

  /** A life that answers at a port; it ends at its n-th step, or when it is told to. */
  static async begin(disk: Disk, port: number, endsAt = Infinity): Promise<Life> {
    const life = new Life(disk, endsAt);
    life.server.listen(port, '127.0.0.1');
    await once(life.server, 'listening');
    diagnostics.subscribe(CAME, life.#came);
    diagnostics.subscribe(ANSWERED, life.#answered);
    return life;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @returns whether it goes on after this step */
  step(what: string): boolean {
    if (this.#isOver) return false;
    this.steps.push(what);
    if (this.steps.length === this.#endsAt) this.#cutOff();
    return !this.#isOver;
  }

  /** Resolves when nothing of it is left, and its port is free. */
  async end(): Promise<void> {
    this.#cutOff();
    await this.#closed;
  }

  readonly #came = (message: unknown): void => this.#stepOfServer(message, 'a request came');
  readonly #answered = (message: unknown): void => this.#stepOfServer(message, 'a request was answered');

  #stepOfServer(message: unknown, what: string): void {
    if (typeof message === 'object' && message !== null && 'server' in message && message.server === this.server) {
      this.step(what);
    }
  }

  #cutOff(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    diagnostics.unsubscribe(CAME, this.#came);
    diagnostics.unsubscribe(ANSWERED, this.#answered);
    this.server.close();
    this.server.closeAllConnections();
    void this.#agent.destroy();
    // Whether the owner of a store is alive is told by its process, which is this one.
    for (const key of this.#disk.keys()) if (key.includes(':owner:')) this.#disk.delete(key);
    this.#onOver();
  }
}

/** A store of Keyv's whose writes take a moment. After the end of a life none is ever finished. */
function rowsOn(disk: Disk, life: Life): object {
  const write = async <T>(key: string, change: () => T): Promise<T> => {
    const isCounted = key.includes(':subscription:');
    if (isCounted ? !life.step('before a write') : life.isOver) return never();
    // Whoever does not wait for it does what comes next before it is written.
    for (let turn = 0; turn < 5; turn += 1) await macrotask();
    if (life.isOver) return never();
    const done = change();
    return isCounted && !life.step('after a write') ? never() : done;
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

/** A handler that hears of an answer only where a life goes on. */
function untilOver(handler: Dispatcher.DispatchHandler, goesOn: () => boolean): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (...given) => handler.onRequestStart?.(...given),
    onResponseStart: (...given) => {
      if (goesOn()) handler.onResponseStart?.(...given);
    },
    onResponseData: (...given) => handler.onResponseData?.(...given),
    onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
    onResponseError: (...given) => handler.onResponseError?.(...given),
  };
}

function never(): Promise<never> {
  return new Promise<never>(() => {});
}
