import { setImmediate as macrotask } from 'node:timers/promises';

/**
 * Limits how long work may take while a hub waits for our answer: a handler, parsing or a store write. `expireAll` ends
 * all waits.
 */
export class AckTimeout {
  readonly #waiting = new Set<() => void>();
  #isExpired = false;

  /** Resolves to the result of `work`, or to undefined after `milliseconds` or after `expireAll`. */
  async wait<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
    // One turn of the event loop is enough for a handler that does no I/O.
    if (this.#isExpired) return Promise.race([work, macrotask(undefined)]);
    let expire = (): void => {};
    const timeout = new Promise<undefined>((resolve) => {
      expire = () => resolve(undefined);
    });
    this.#waiting.add(expire);
    const timer = setTimeout(expire, milliseconds);
    try {
      return await Promise.race([work, timeout]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(expire);
    }
  }

  /** Whether `expireAll` was called. */
  get isExpired(): boolean {
    return this.#isExpired;
  }

  /** Ends all waits. Later calls of `wait` return at the next turn of the event loop. */
  expireAll(): void {
    this.#isExpired = true;
    for (const expire of this.#waiting) expire();
  }
}

/** Resolves to the result if it is already known, otherwise to undefined. */
export async function peek<T>(work: T | Promise<T>): Promise<T | undefined> {
  return Promise.race([work, Promise.resolve(undefined)]);
}
