import type { SubscriberRuntime, SubscriptionStats } from 'websub-subscriber';

/** The counters of the only subscription. */
export async function statsOf(runtime: SubscriberRuntime): Promise<SubscriptionStats | undefined> {
  const [subscription] = await runtime.subscriptions.find();
  return subscription?.stats;
}
