import type { Engine, Timetable } from '../../engine/engine.js';
import type { RecordStore } from '../../store/record-store.js';
import { STORE_RETRY_MS } from '../../subscription/retry-policy.js';

/** In an outage there may be any number. */
const MAX_PENDING = 10_000;

/** What taking back works with. */
export interface TimedOutWritesOptions {
  readonly store: Pick<RecordStore, 'delete'>;
  readonly engine: Pick<Engine, 'timetable'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * Events that were not stored in time. The store may have them later all the same, and the next start would hand them over
 * after what the hub has sent instead: they are removed.
 */
export class TimedOutWrites {
  readonly #options: TimedOutWritesOptions;
  readonly #due: Timetable;

  constructor(options: TimedOutWritesOptions) {
    this.#options = options;
    this.#due = options.engine.timetable((id) => void this.#remove(id));
  }

  add(id: string): void {
    if (this.#due.size < MAX_PENDING) this.#due.set(id, this.#options.now() + STORE_RETRY_MS);
  }

  async #remove(id: string): Promise<void> {
    try {
      await this.#options.store.delete('event', id);
    } catch {
      this.add(id);
    }
  }
}
