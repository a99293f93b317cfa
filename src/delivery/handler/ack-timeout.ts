import { setImmediate as macrotask } from 'node:timers/promises';

/** Waiting for handlers while a hub waits for its answer: each for its time, or none any more. */
export class Patience {
  readonly #waiting = new Set<() => void>();
  #isOver = false;

  /** The result, or undefined where it takes longer than `milliseconds` or patience is over. */
  async wait<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
    // A handler that needs no time is done by then.
    if (this.#isOver) return Promise.race([work, macrotask(undefined)]);
    let giveUp = (): void => {};
    const slow = new Promise<undefined>((resolve) => {
      giveUp = () => resolve(undefined);
    });
    this.#waiting.add(giveUp);
    const timer = setTimeout(giveUp, milliseconds);
    try {
      return await Promise.race([work, slow]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
    }
  }

  /** Whether nothing is waited for any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** From now on nothing is waited for. */
  end(): void {
    this.#isOver = true;
    for (const giveUp of this.#waiting) giveUp();
  }
}

/** The result where there is one already, else undefined. */
export async function peek<T>(work: T | Promise<T>): Promise<T | undefined> {
  return Promise.race([work, Promise.resolve(undefined)]);
}
