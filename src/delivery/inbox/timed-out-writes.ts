import type { Timetable } from '../../engine/engine.js';
import type { EngineContext } from '../../engine/engine-context.js';
import { STORE_RETRY_MS } from '../../subscription/retry-policy.js';

/** The most events remembered, because an outage may time out any number of writes. */
const MAX_PENDING = 10_000;

type TimedOutContext = Pick<EngineContext, 'store' | 'engine' | 'now'>;

/**
 * Removes events whose write failed or timed out. Such a write may still succeed later, and the next start would then
 * deliver the event after the hub's retry of it.
 */
export class TimedOutWrites {
  readonly #context: TimedOutContext;
  readonly #due: Timetable;

  constructor(context: TimedOutContext) {
    this.#context = context;
    this.#due = context.engine.timetable('timed-out-writes', (id) => this.#remove(id));
  }

  /** Removes the event in a minute, and again each minute until the store succeeds. */
  add(id: string): void {
    if (this.#due.size < MAX_PENDING) this.#due.set(id, this.#context.now() + STORE_RETRY_MS);
  }

  async #remove(id: string): Promise<void> {
    try {
      await this.#context.store.delete('event', id);
    } catch {
      this.add(id);
    }
  }
}
