import { setImmediate as macrotask } from 'node:timers/promises';

/** Waiting for handlers while a hub waits for its answer: each for its time, or none any more. */
export class AckTimeout {
  readonly #waiting = new Set<() => void>();
  #isExpired = false;

  /** The result, or undefined where it takes longer than `milliseconds` or patience is over. */
  async wait<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
    // A handler that needs no time is done by then.
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

  /** Whether nothing is waited for any more. */
  get isExpired(): boolean {
    return this.#isExpired;
  }

  /** From now on nothing is waited for. */
  expireAll(): void {
    this.#isExpired = true;
    for (const expire of this.#waiting) expire();
  }
}

/** The result where there is one already, else undefined. */
export async function peek<T>(work: T | Promise<T>): Promise<T | undefined> {
  return Promise.race([work, Promise.resolve(undefined)]);
}
