import type { Timetable } from '../../engine/engine.js';
import type { EngineContext } from '../../engine/engine-context.js';

/** Milliseconds after which the lock is released, because a handler may never return. */
const MAX_LOCK_MS = 300_000;

/** Lets only one suspect run at a time, so that the next crash can be attributed to it. */
export class SuspectLock {
  readonly #context: Pick<EngineContext, 'engine' | 'now'>;
  readonly #due: Timetable;
  readonly #listeners: (() => void)[] = [];
  #holder: string | undefined;

  constructor(context: Pick<EngineContext, 'engine' | 'now'>) {
    this.#context = context;
    this.#due = context.engine.timetable('suspect-lock', (key) => this.release(key));
  }

  /** Calls the listener whenever the lock is released. */
  onRelease(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** @returns whether the key holds the lock now */
  tryAcquire(key: string): boolean {
    if (this.#holder !== undefined) return false;
    this.#holder = key;
    this.#due.set(key, this.#context.now() + MAX_LOCK_MS);
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
