import { embeddedEngine, type EmbeddedEngine, type EmbeddedEngineOptions } from '../../src/engine/embedded-engine.js';

/**
 * A clock that moves only when a test moves it, with an engine that runs on it. Pass it as the seams of `start()`.
 *
 * A test of one class that reads the time and has no engine needs no clock object: `() => now` is shorter.
 */
export class ManualClock {
  /** Epoch milliseconds. Setting it runs no due work: see {@link advance}. */
  time: number;
  #engine: EmbeddedEngine | undefined;
  readonly #jobs = new Map<string, () => void | Promise<void>>();

  constructor(time = Date.parse('2030-01-01T00:00:00Z')) {
    this.time = time;
  }

  readonly now = (): number => this.time;

  /** The embedded engine without timers. It looks for due work only in {@link advance}, while it is started. */
  readonly engine = (options: EmbeddedEngineOptions): EmbeddedEngine => {
    let isStarted = false;
    const engine = embeddedEngine(options);
    this.#engine = {
      ...engine,
      every: (_name, cronTime, run) => void this.#jobs.set(cronTime, run),
      tick: () => {
        if (isStarted) engine.tick();
      },
      start: () => {
        isStarted = true;
      },
      stop: () => {
        isStarted = false;
      },
    };
    return this.#engine;
  };

  /** Moves the clock forward, then runs the work that has become due. */
  advance(milliseconds: number): void {
    this.time += milliseconds;
    this.#engine?.tick();
  }

  /** Runs the job of a cron expression once. */
  runCron(cronTime: string): void {
    void this.#jobs.get(cronTime)?.();
  }
}
