import type { EngineContext } from '../../engine/engine-context.js';
import { slices } from '../../engine/slices.js';
import type { HistoryEntry } from '../history/history.js';
import { HistoryRecords } from '../history/history-records.js';
import type { NamedEffect } from '../machine/transition-types.js';
import type { StoredSubscription } from '../registry/callback-index.js';
import { Counters, type StoredStats } from './counters.js';
import type { SubscriptionRecord } from './record.js';
import { StatsRecords } from './stats-records.js';
import { encodeSubscription } from './subscription-codec.js';

/** Writes subscriptions, their counters and their histories to the store, and tracks unsaved changes. */
export class RecordWriter {
  readonly #context: EngineContext;
  readonly #subscriptions: ReadonlyMap<string, StoredSubscription>;
  readonly #histories: HistoryRecords;
  readonly #stats: StatsRecords;
  /** Ids with deferred writes (see `canDeferWrite`). Flushed with the next write, or in a batch. */
  readonly #unsaved = new Set<string>();

  constructor(context: EngineContext, subscriptions: ReadonlyMap<string, StoredSubscription>) {
    this.#context = context;
    this.#subscriptions = subscriptions;
    this.#histories = new HistoryRecords(context);
    this.#stats = new StatsRecords(context, subscriptions);
  }

  /** The counters of a subscription. `stored`: the counts in its record. */
  counters(id: string, stored?: StoredStats): Counters {
    return new Counters(id, this.#stats.changed, stored);
  }

  /** Adds the stored counts to the counters of the loaded subscriptions. */
  loadCounters(): Promise<void> {
    return this.#stats.load();
  }

  /** Stores the subscription later: with its next write, or in a batch. */
  defer(id: string): void {
    this.#unsaved.add(id);
  }

  /** @throws StoreError if the store fails */
  async writeNew(stored: StoredSubscription): Promise<void> {
    this.#histories.onCreated(stored.record.id);
    await this.write(stored, stored.record);
  }

  /**
   * Stores a subscription, and the hooks of its transition in its history, in one commit if the store has commits.
   *
   * @throws StoreError if the store fails; the subscription then counts as unsaved
   */
  async write(
    { counters }: StoredSubscription,
    record: SubscriptionRecord,
    effects: readonly NamedEffect[] = [],
  ): Promise<void> {
    const { store } = this.#context;
    const { id } = record;
    this.#unsaved.delete(id);
    try {
      const value = encodeSubscription({ record, stats: counters.base });
      const history = await this.#histories.changeFor(record, effects);
      if (history === undefined) {
        await store.set('subscription', id, value);
      } else {
        await store.write([history.change, { kind: 'subscription', id, value }]);
        history.onStored();
      }
    } catch (error) {
      this.#unsaved.add(id);
      throw error;
    }
  }

  /**
   * Stores a subscription if its write was deferred. No other work for the subscription may run meanwhile.
   *
   * @throws StoreError if the store fails; the subscription then still counts as unsaved
   */
  async save(stored: StoredSubscription): Promise<void> {
    if (this.#unsaved.has(stored.record.id)) await this.write(stored, stored.record);
  }

  /** @throws StoreError if the store fails */
  async remove(id: string): Promise<void> {
    const kinds = ['stats', 'history', 'subscription'] as const;
    await this.#context.store.write(kinds.map((kind) => ({ kind, id, value: undefined })));
    this.#unsaved.delete(id);
    this.#histories.onRemoved(id);
  }

  /**
   * Stores changed counters and deferred writes, each after all earlier work for its subscription.
   *
   * @throws StoreError of the first failed write; the other writes are still made
   */
  async flush(): Promise<void> {
    const { engine } = this.#context;
    const failures: unknown[] = [];
    // After a start, there may be one for each subscription.
    for await (const slice of slices([...this.#unsaved])) {
      const deferred = slice.flatMap((id) => this.#subscriptions.get(id) ?? []);
      const writes = deferred.map((stored) => engine.runExclusive(stored.record.id, () => this.save(stored)));
      failures.push(...rejectionsOf(await Promise.allSettled(writes)));
    }
    failures.push(...rejectionsOf(await Promise.allSettled([this.#stats.flush()])));
    if (failures.length > 0) throw failures[0];
  }

  /**
   * The last transitions of a subscription, oldest first.
   *
   * @throws StoreError if the store fails
   */
  history(id: string): Promise<readonly HistoryEntry[]> {
    return this.#histories.read(id);
  }
}

function rejectionsOf(results: readonly PromiseSettledResult<unknown>[]): readonly unknown[] {
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
}
