/** Work by key, one after the other for each: an in-process mutex per key, which costs nothing while it is not used. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Whether work for a key is under way or waits. */
  isTaken(key: string): boolean {
    return this.#last.has(key);
  }

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const settled = ending(mine);
    this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}

/** Resolves when the work has ended, however it did. */
async function ending(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch {
    // Whoever gave the work is told.
  }
}
