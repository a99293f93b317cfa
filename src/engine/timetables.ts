import { DueHeap } from './due-heap.js';
import type { Timetable } from './engine.js';

/** Milliseconds until work that failed runs again, if it has set no time itself. */
const RETRY_MS = 60_000;

/** Options of {@link Timetables}. */
export interface TimetablesOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Receives the errors of runs, with the name of the timetable and the key. */
  readonly onError: (error: unknown, work: { readonly name: string; readonly key: string }) => void;
}

type Run = (key: string) => void | Promise<void>;

/** Runs due work by key. The work of a key runs again only after its last run has settled. */
export class Timetables {
  readonly #options: TimetablesOptions;
  readonly #timetables = new Map<string, DueWork>();

  constructor(options: TimetablesOptions) {
    this.#options = options;
  }

  /** @throws Error if there is a timetable of that name */
  create(name: string, run: Run): Timetable {
    if (this.#timetables.has(name)) throw new Error(`There is a timetable "${name}" already.`);
    const timetable = new DueWork(name, run, this.#options);
    this.#timetables.set(name, timetable);
    return timetable;
  }

  /** Runs the work that is due. An error of one run does not stop the others. */
  runDue(now: number): void {
    for (const timetable of this.#timetables.values()) timetable.runDue(now);
  }
}

class DueWork implements Timetable {
  readonly #name: string;
  readonly #run: Run;
  readonly #options: TimetablesOptions;
  readonly #heap = new DueHeap();
  /** Keys whose work runs. The value tells whether the key came due again meanwhile. */
  readonly #running = new Map<string, boolean>();

  constructor(name: string, run: Run, options: TimetablesOptions) {
    this.#name = name;
    this.#run = run;
    this.#options = options;
  }

  get size(): number {
    return this.#heap.size;
  }

  has(key: string): boolean {
    return this.#heap.has(key) || this.#running.has(key);
  }

  set(key: string, at: number | undefined): void {
    if (this.#running.has(key)) this.#running.set(key, false);
    this.#heap.set(key, at);
  }

  bringForwardTo(at: number): void {
    this.#heap.bringForwardTo(at);
  }

  runDue(now: number): void {
    for (const key of this.#heap.takeDue(now)) {
      if (this.#running.has(key)) this.#running.set(key, true);
      else this.#start(key);
    }
  }

  #start(key: string): void {
    try {
      const running = this.#run(key);
      // Work that has ended needs no promise: a tick may start thousands.
      if (running !== undefined) void this.#settle(key, running);
    } catch (error) {
      this.#onFailed(key, error);
    }
  }

  async #settle(key: string, running: Promise<void>): Promise<void> {
    this.#running.set(key, false);
    try {
      await running;
      if (this.#running.get(key) === true) this.#heap.set(key, this.#options.now());
    } catch (error) {
      this.#onFailed(key, error);
    } finally {
      this.#running.delete(key);
    }
  }

  #onFailed(key: string, error: unknown): void {
    const { now, onError } = this.#options;
    if (!this.#heap.has(key)) this.#heap.set(key, now() + RETRY_MS);
    onError(error, { name: this.#name, key });
  }
}
