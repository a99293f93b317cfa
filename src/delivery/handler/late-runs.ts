import type { Logger } from '../../logger.js';
import { noted } from '../inbox/run-safely.js';

/** Handlers that go on after their hub was answered. */
export class LateRuns {
  readonly #logger: Logger;
  readonly #late = new Set<Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Waits for one; what `work` rejects with is logged. */
  add(work: Promise<void>): void {
    const late = noted(work, this.#logger).finally(() => this.#late.delete(late));
    this.#late.add(late);
  }

  /** Resolves when all have ended, also those that are added meanwhile. */
  async ended(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }
}
