import {
  defineSubscriber,
  startService,
  type DeliveryConfig,
  type SecurityOptions,
  type SubscriberHandlers,
} from 'websub-subscriber';
import type { BenchServer, BenchSetup } from '../bench-server.js';

/** Options that differ from the defaults. */
export interface SubscriberVariant {
  readonly delivery?: DeliveryConfig;
  /** URI of the store. */
  readonly store?: string;
  readonly security?: SecurityOptions;
}

/** A subscriber under measurement. */
export interface BenchSubscriber extends BenchServer {
  /** Number of genuine deliveries, handled or not. */
  received(): Promise<number>;
}

/**
 * A subscriber as a user would start it: default options except for the port. The store is LMDB in the (temporary)
 * working folder and the logger is pino at info. A hub in another process verifies its subscription.
 */
export async function startSubscriber(
  { hub, topic, secret }: BenchSetup,
  handlers: SubscriberHandlers,
  { delivery, store, security }: SubscriberVariant = {},
): Promise<BenchSubscriber> {
  const service = defineSubscriber({ name: 'Bench', target: { hub, topic }, secret, delivery }, handlers);
  const runtime = await startService(service, { port: 0, security, ...(store === undefined ? {} : { store }) });
  await runtime.ready({ timeoutMs: 10_000 });
  const [subscription] = await runtime.subscriptions.find();
  if (subscription?.callback === undefined) throw new Error('The subscription has no callback');
  const { id, callback } = subscription;
  return {
    callback,
    accepted: async () => (await runtime.subscriptions.get(id))?.stats.delivered ?? 0,
    received: async () => (await runtime.subscriptions.get(id))?.stats.received ?? 0,
    stop: () => runtime.stop(),
  };
}
