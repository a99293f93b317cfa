import { embeddedEngine, type EmbeddedEngine } from '../../src/engine/embedded-engine.js';
import type { Logger } from '../../src/logger.js';
import { start } from '../../src/runtime/lifecycle/start-service.js';
import type { ServiceReference, StartOptions, SubscriberRuntime } from 'websub-subscriber';

/** A logged line. */
export interface Line {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A world whose clock goes on only when it is told to, and which remembers what was logged. */
export class FakeWorld {
  readonly lines: Line[] = [];
  readonly logger: Logger = {
    debug: this.#record('debug'),
    info: this.#record('info'),
    warn: this.#record('warn'),
    error: this.#record('error'),
    fatal: this.#record('fatal'),
  };
  /** Where chance has a say: from 0 to 1. */
  random = (): number => 0.5;
  #now: number;
  #engine: EmbeddedEngine | undefined;
  readonly #jobs = new Map<string, () => void>();

  /** @param now epoch milliseconds at the beginning */
  constructor(now = Date.parse('2030-01-01T00:00:00Z')) {
    this.#now = now;
  }

  get now(): number {
    return this.#now;
  }

  /** Starts services on a free port. */
  start(
    services: ServiceReference | readonly ServiceReference[],
    options: StartOptions = {},
  ): Promise<SubscriberRuntime> {
    return start(
      services,
      { port: 0, store: 'memory', logger: this.logger, handleSignals: false, ...options },
      {
        now: () => this.#now,
        random: () => this.random(),
        engine: (given) => this.#engineOf(given.now),
        env: {},
      },
    );
  }

  /** Lets time pass and runs what came due meanwhile, as late as that. */
  pass(milliseconds: number): void {
    this.#now += milliseconds;
    this.#engine?.tick();
  }

  /** Runs what is done on every turn of a cron expression. */
  turn(cronTime: string): void {
    this.#jobs.get(cronTime)?.();
  }

  /** The lines whose message has the text in it. */
  logged(text: string): readonly Line[] {
    return this.lines.filter(({ message }) => message.includes(text));
  }

  /** The embedded engine, with nobody else to wind it. */
  #engineOf(now: () => number): EmbeddedEngine {
    let hasStarted = false;
    const engine = embeddedEngine({ now });
    this.#engine = {
      ...engine,
      every: (cronTime, run) => void this.#jobs.set(cronTime, run),
      tick: () => {
        if (hasStarted) engine.tick();
      },
      start: () => {
        hasStarted = true;
      },
      stop: () => {
        hasStarted = false;
      },
    };
    return this.#engine;
  }

  #record(level: keyof Logger): Logger['info'] {
    return (fields: object | string, message?: string): void => {
      const isText = typeof fields === 'string';
      this.lines.push({ level, fields: isText ? {} : { ...fields }, message: isText ? fields : (message ?? '') });
    };
  }
}

/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {};
  let reject: Deferred<T>['reject'] = () => {};
  const promise = new Promise<T>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
