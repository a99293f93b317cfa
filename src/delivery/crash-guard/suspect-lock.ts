import type { Engine, Timetable } from '../../engine/engine.js';

/** Milliseconds after which the lock is released, because a handler may never return. */
const MAX_LOCK_MS = 300_000;

/** Dependencies of {@link SuspectLock}. */
export interface SuspectLockOptions {
  readonly engine: Pick<Engine, 'timetable'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Lets only one suspect run at a time, so that the next crash can be attributed to it. */
export class SuspectLock {
  readonly #options: SuspectLockOptions;
  readonly #due: Timetable;
  readonly #listeners: (() => void)[] = [];
  #holder: string | undefined;

  constructor(options: SuspectLockOptions) {
    this.#options = options;
    this.#due = options.engine.timetable('suspect-lock', (key) => this.release(key));
  }

  /** Calls the listener whenever the lock is released. */
  onRelease(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** @returns whether the key holds the lock now */
  tryAcquire(key: string): boolean {
    if (this.#holder !== undefined) return false;
    this.#holder = key;
    this.#due.set(key, this.#options.now() + MAX_LOCK_MS);
    return true;
  }

  /** Releases the lock. Does nothing if another key holds it. */
  release(key: string): void {
    if (this.#holder !== key) return;
    this.#holder = undefined;
    this.#due.set(key, undefined);
    for (const listener of this.#listeners) listener();
  }
}
