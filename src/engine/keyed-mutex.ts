/** An in-process mutex per key. An unused key takes no memory. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whether work for a key runs or waits. */
  isLocked(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs work after all earlier work for the same key has ended: at once if there is none. */
  async runExclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.#tails.get(key);
    let end = (): void => {};
    const tail = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#tails.set(key, tail);
    try {
      if (previous !== undefined) await previous;
      return await work();
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      end();
    }
  }
}
