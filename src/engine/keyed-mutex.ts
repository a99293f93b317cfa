/** Work by key, one after the other for each: an in-process mutex per key, which costs nothing while it is not used. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whether work for a key is under way or waits. */
  isLocked(key: string): boolean {
    return this.#tails.has(key);
  }

  async runExclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.#tails.get(key) ?? Promise.resolve();
    const result = previous.then(work);
    const tail = waitUntilSettled(result);
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}

/** Resolves when the work has ended, however it did. */
async function waitUntilSettled(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch {
    // Whoever gave the work is told.
  }
}
