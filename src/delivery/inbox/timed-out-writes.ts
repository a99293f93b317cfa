import type { Engine, Timetable } from '../../engine/engine.js';
import type { RecordStore } from '../../store/record-store.js';
import { STORE_RETRY_MS } from '../../subscription/retry-policy.js';

/** The most events remembered, because an outage may time out any number of writes. */
const MAX_PENDING = 10_000;

/** Dependencies of {@link TimedOutWrites}. */
export interface TimedOutWritesOptions {
  readonly store: Pick<RecordStore, 'delete'>;
  readonly engine: Pick<Engine, 'timetable'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * Removes events whose write failed or timed out. Such a write may still succeed later, and the next start would then
 * deliver the event after the hub's retry of it.
 */
export class TimedOutWrites {
  readonly #options: TimedOutWritesOptions;
  readonly #due: Timetable;

  constructor(options: TimedOutWritesOptions) {
    this.#options = options;
    this.#due = options.engine.timetable('timed-out-writes', (id) => this.#remove(id));
  }

  /** Removes the event in a minute, and again each minute until the store succeeds. */
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
