import type { SubscriberRuntime, SubscriptionStats } from 'websub-subscriber';
import { onlySubscription } from './only-subscription.js';

/** The counters of the only subscription. */
export async function statsOf(runtime: SubscriberRuntime): Promise<SubscriptionStats> {
  return (await onlySubscription(runtime)).stats;
}
