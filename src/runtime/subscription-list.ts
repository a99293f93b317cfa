import { slices } from '../engine/slices.js';
import type { StoredSubscription, Registry } from '../subscription/registry/registry.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { filterOf } from './config/subscription-filter.js';
import type { SubscriptionFilter, Subscriptions } from './subscriber-runtime.js';

/** The public view of the registry. */
export function subscriptionList(registry: Registry): Subscriptions {
  const isStillStored = (stored: StoredSubscription): boolean => registry.get(stored.record.id) === stored;
  /** Yields the matching subscriptions in slices. Subscriptions added meanwhile are not included. */
  const matching = async function* matchingSlices(
    filter: SubscriptionFilter = {},
    caller: string,
  ): AsyncGenerator<readonly StoredSubscription[]> {
    const isMatch = filterOf(filter, caller);
    for await (const slice of slices([...registry.all()])) {
      yield slice.filter((stored) => isStillStored(stored) && isMatch(stored.record));
    }
  };
  return {
    get: async (id) => {
      const stored = registry.get(id);
      return stored === undefined ? undefined : snapshot(stored);
    },
    async find(filter) {
      const results: Subscription[] = [];
      for await (const slice of matching(filter, 'subscriptions.find()')) results.push(...slice.map(snapshot));
      return results;
    },
    async count(filter) {
      let count = 0;
      for await (const slice of matching(filter, 'subscriptions.count()')) count += slice.length;
      return count;
    },
    async *[Symbol.asyncIterator]() {
      for await (const slice of slices([...registry.all()])) {
        for (const stored of slice) if (isStillStored(stored)) yield snapshot(stored);
      }
    },
  };
}

function snapshot({ record, counters }: StoredSubscription): Subscription {
  return subscriptionSnapshot(record, counters.stats());
}
