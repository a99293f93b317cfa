import type { RecordStore } from '../../store/record-store.js';
import type { StoredSubscription } from '../registry/callback-index.js';
import type { SubscriptionRecord } from './record.js';
import { encodeSubscription } from './subscription-codec.js';

/** Writes subscriptions to the store, and knows whose are otherwise here than there. */
export class RecordWriter {
  readonly #store: RecordStore;
  /** Whose counters have changed, or what would be found again (see `isFoundAgain`): written with the next change, or in a batch. */
  readonly unsaved = new Set<string>();

  constructor(store: RecordStore) {
    this.#store = store;
  }

  /** @throws StoreError where it cannot be written */
  async write({ counters }: StoredSubscription, record: SubscriptionRecord): Promise<void> {
    const stats = counters.stored();
    this.unsaved.delete(record.id);
    try {
      await this.#store.set('subscription', record.id, encodeSubscription({ record, stats }));
    } catch (error) {
      this.unsaved.add(record.id);
      throw error;
    }
  }

  /** @throws StoreError where it cannot be removed */
  async remove(id: string): Promise<void> {
    await this.#store.delete('subscription', id);
    this.unsaved.delete(id);
  }
}
