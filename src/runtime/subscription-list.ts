import { slices } from '../engine/slices.js';
import type { Entry, Registry } from '../subscription/registry.js';
import type { SubscriptionRecord } from '../subscription/record.js';
import type { Subscription } from '../subscription/snapshot.js';
import { subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { stateOf } from '../subscription/state.js';
import type { SubscriptionFilter, Subscriptions } from './subscriber-runtime.js';

/** What users see of the registry. */
export function subscriptionList(registry: Registry): Subscriptions {
  const isThere = (entry: Entry): boolean => registry.get(entry.record.id) === entry;
  /** Those that are there now and fit, when their turn comes: what is added meanwhile is not among them. */
  const fitting = async function* fitting(filter: SubscriptionFilter = {}): AsyncGenerator<readonly Entry[]> {
    for await (const slice of slices([...registry.entries()])) {
      yield slice.filter((entry) => isThere(entry) && fits(entry.record, filter));
    }
  };
  return {
    get: async (id) => {
      const entry = registry.get(id);
      return entry === undefined ? undefined : snapshot(entry);
    },
    async find(filter) {
      const found: Subscription[] = [];
      for await (const entries of fitting(filter)) found.push(...entries.map(snapshot));
      return found;
    },
    async count(filter) {
      let count = 0;
      for await (const entries of fitting(filter)) count += entries.length;
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

/** Decided on the record: a snapshot costs many times as much. */
function fits(record: SubscriptionRecord, { service, state, topic, hub, declared }: SubscriptionFilter): boolean {
  return (
    (service === undefined || record.service === service) &&
    (declared === undefined || record.declared === declared) &&
    (topic === undefined || record.grants.some((grant) => grant.topic === topic)) &&
    (hub === undefined || record.grants.some((grant) => grant.hub === hub)) &&
    (state === undefined || (typeof state === 'string' ? stateOf(record) === state : state.includes(stateOf(record))))
  );
}
