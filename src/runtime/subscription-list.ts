import { slices } from '../engine/slices.js';
import type { Entry, Registry } from '../subscription/registry/registry.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { filterOf } from './config/subscription-filter.js';
import type { SubscriptionFilter, Subscriptions } from './subscriber-runtime.js';

/** What users see of the registry. */
export function subscriptionList(registry: Registry): Subscriptions {
  const isThere = (entry: Entry): boolean => registry.get(entry.record.id) === entry;
  /** Those that are there now and fit, when their turn comes: what is added meanwhile is not among them. */
  const fitting = async function* fitting(
    filter: SubscriptionFilter = {},
    caller: string,
  ): AsyncGenerator<readonly Entry[]> {
    const fits = filterOf(filter, caller);
    for await (const slice of slices([...registry.entries()])) {
      yield slice.filter((entry) => isThere(entry) && fits(entry.record));
    }
  };
  return {
    get: async (id) => {
      const entry = registry.get(id);
      return entry === undefined ? undefined : snapshot(entry);
    },
    async find(filter) {
      const found: Subscription[] = [];
      for await (const entries of fitting(filter, 'subscriptions.find()')) found.push(...entries.map(snapshot));
      return found;
    },
    async count(filter) {
      let count = 0;
      for await (const entries of fitting(filter, 'subscriptions.count()')) count += entries.length;
      return count;
    },
    async *[Symbol.asyncIterator]() {
      for await (const slice of slices([...registry.entries()])) {
        for (const entry of slice) if (isThere(entry)) yield snapshot(entry);
      }
    },
  };
}

function snapshot({ record, counters }: Entry): Subscription {
  return subscriptionSnapshot(record, counters.stats());
}
