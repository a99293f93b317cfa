import type { Logger } from '../../logger.js';
import { logRejection } from '../inbox/run-safely.js';

/** Handlers that go on after their hub was answered. */
export class LateRuns {
  readonly #logger: Logger;
  readonly #runs = new Set<Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Waits for one; what `work` rejects with is logged. */
  add(work: Promise<void>): void {
    const late = logRejection(work, this.#logger).finally(() => this.#runs.delete(late));
    this.#runs.add(late);
  }

  /** Resolves when all have ended, also those that are added meanwhile. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }
}
