import type { RecordStore } from '../../store/record-store.js';
import type { StoredSubscription } from '../registry/callback-index.js';
import type { SubscriptionRecord } from './record.js';
import { encodeSubscription } from './subscription-codec.js';

/** Writes subscriptions to the store, and tracks which ones have unsaved changes. */
export class RecordWriter {
  readonly #store: RecordStore;
  /** Ids with unsaved counters or deferred writes (see `canDeferWrite`). Flushed with the next write, or in a batch. */
  readonly unsaved = new Set<string>();

  constructor(store: RecordStore) {
    this.#store = store;
  }

  /** @throws StoreError if the store fails; the subscription then counts as unsaved */
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

  /** @throws StoreError if the store fails */
  async remove(id: string): Promise<void> {
    await this.#store.delete('subscription', id);
    this.unsaved.delete(id);
  }
}
