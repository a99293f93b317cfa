import type { Engine, Timetable } from '../../engine/engine.js';

/** A run that takes longer does not hold back the others, in milliseconds: a handler may never return. */
const MAX_LOCK_MS = 300_000;

/** Dependencies of taking turns. */
export interface SuspectLockOptions {
  readonly engine: Pick<Engine, 'timetable'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Lets one run at a time begin, of all those that may end the process: if it does, it is clear which one it was. */
export class SuspectLock {
  readonly #options: SuspectLockOptions;
  readonly #due: Timetable;
  readonly #listeners: (() => void)[] = [];
  #holder: string | undefined;

  constructor(options: SuspectLockOptions) {
    this.#options = options;
    this.#due = options.engine.timetable((key) => this.release(key));
  }

  /** Calls the listener whenever the turn is free again. */
  onRelease(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** @returns whether it has the turn now */
  tryAcquire(key: string): boolean {
    if (this.#holder !== undefined) return false;
    this.#holder = key;
    this.#due.set(key, this.#options.now() + MAX_LOCK_MS);
    return true;
  }

  /** Gives the turn back; nothing happens where another one has it by now. */
  release(key: string): void {
    if (this.#holder !== key) return;
    this.#holder = undefined;
    this.#due.set(key, undefined);
    for (const listener of this.#listeners) listener();
  }
}
