/** An in-process mutex per key. An unused key takes no memory. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whether work for a key runs or waits. */
  isLocked(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs work after all earlier work for the same key has ended. */
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

/** Resolves when the work has ended, also if it failed. */
async function waitUntilSettled(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch {
    // The caller of `runExclusive` gets the error.
  }
}
