import type { Subscription, SubscriberRuntime } from 'websub-subscriber';

/** The snapshot of the only subscription. Rejects if there is none or more than one. */
export async function onlySubscription(runtime: SubscriberRuntime): Promise<Subscription> {
  const [subscription, ...others] = await runtime.subscriptions.find();
  if (subscription === undefined) throw new Error('there is no subscription');
  if (others.length > 0) throw new Error(`there are ${others.length + 1} subscriptions`);
  return subscription;
}
