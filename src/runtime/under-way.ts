import type { Logger } from '../logger.js';

/** Work that goes on by itself, one run at a time for each key. What fails is logged. */
export class UnderWay {
  readonly #logger: Logger;
  readonly #runs = new Map<string, Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Begins the work, unless a run of that key is under way. */
  once(key: string, work: () => Promise<void>, failed: string): void {
    if (this.#runs.has(key)) return;
    this.next(key, work, failed);
  }

  /** Begins the work when what is under way for that key, if anything, has ended. */
  next(key: string, work: () => Promise<void>, failed: string): void {
    const before = this.#runs.get(key) ?? Promise.resolve();
    const run = before
      .then(() => this.logged(work, failed))
      .finally(() => {
        if (this.#runs.get(key) === run) this.#runs.delete(key);
      });
    this.#runs.set(key, run);
  }

  /** Resolves when the work has ended, however it did. */
  async logged(work: () => Promise<void>, failed: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.error({ err: error }, failed);
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs.values());
  }
}
