import { slices } from '../engine/slices.js';
import type { StoredSubscription, Registry } from '../subscription/registry/registry.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { filterOf } from './config/subscription-filter.js';
import type { SubscriptionFilter, Subscriptions } from './subscriber-runtime.js';

/** What users see of the registry. */
export function subscriptionList(registry: Registry): Subscriptions {
  const isStillStored = (entry: StoredSubscription): boolean => registry.get(entry.record.id) === entry;
  /** Those that are there now and fit, when their turn comes: what is added meanwhile is not among them. */
  const matching = async function* fitting(
    filter: SubscriptionFilter = {},
    caller: string,
  ): AsyncGenerator<readonly StoredSubscription[]> {
    const isMatch = filterOf(filter, caller);
    for await (const slice of slices([...registry.all()])) {
      yield slice.filter((entry) => isStillStored(entry) && isMatch(entry.record));
    }
  };
  return {
    get: async (id) => {
      const entry = registry.get(id);
      return entry === undefined ? undefined : snapshot(entry);
    },
    async find(filter) {
      const results: Subscription[] = [];
      for await (const entries of matching(filter, 'subscriptions.find()')) results.push(...entries.map(snapshot));
      return results;
    },
    async count(filter) {
      let count = 0;
      for await (const entries of matching(filter, 'subscriptions.count()')) count += entries.length;
      return count;
    },
    async *[Symbol.asyncIterator]() {
      for await (const slice of slices([...registry.all()])) {
        for (const entry of slice) if (isStillStored(entry)) yield snapshot(entry);
      }
    },
  };
}

function snapshot({ record, counters }: StoredSubscription): Subscription {
  return subscriptionSnapshot(record, counters.stats());
}
