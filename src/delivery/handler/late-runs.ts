import type { Logger } from '../../logger.js';
import { logRejection } from '../inbox/run-safely.js';

/** Handlers that are still running after their hub was answered. */
export class LateRuns {
  readonly #logger: Logger;
  readonly #runs = new Set<Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Tracks a run until it ends. Logs a rejection. */
  add(work: Promise<void>): void {
    const late = logRejection(work, this.#logger).finally(() => this.#runs.delete(late));
    this.#runs.add(late);
  }

  /** Resolves once all runs have ended, including runs added meanwhile. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }
}
