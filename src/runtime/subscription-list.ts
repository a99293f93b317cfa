import type { Entry, Registry } from '../subscription/registry.js';
import type { Subscription } from '../subscription/snapshot.js';
import { subscriptionSnapshot } from '../subscription/snapshot-of.js';
import type { SubscriptionFilter, Subscriptions } from './subscriber-runtime.js';

/** What users see of the registry. */
export function subscriptionList(registry: Registry): Subscriptions {
  const all = function* all(filter: SubscriptionFilter = {}): Generator<Subscription> {
    for (const entry of registry.entries()) {
      const subscription = snapshot(entry);
      if (fits(subscription, filter)) yield subscription;
    }
  };
  return {
    get: async (id) => {
      const entry = registry.get(id);
      return entry === undefined ? undefined : snapshot(entry);
    },
    find: async (filter) => [...all(filter)],
    count: async (filter) => [...all(filter)].length,
    async *[Symbol.asyncIterator]() {
      yield* all();
    },
  };
}

function snapshot({ record, counters }: Entry): Subscription {
  return subscriptionSnapshot(record, counters.stats());
}

function fits(subscription: Subscription, { service, state, topic, hub, declared }: SubscriptionFilter): boolean {
  return (
    (service === undefined || subscription.service === service) &&
    (state === undefined || [state].flat().includes(subscription.state)) &&
    (topic === undefined || subscription.grants.some((grant) => grant.topic === topic)) &&
    (hub === undefined || subscription.grants.some((grant) => grant.hub === hub)) &&
    (declared === undefined || subscription.declared === declared)
  );
}
