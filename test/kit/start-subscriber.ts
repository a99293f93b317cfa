import { onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type DeliveryConfig,
  type StartOptions,
  type SubscriberHandlers,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { FakeWorld } from './fake-world.js';
import { FaultyStore } from './faulty-store.js';
import { startHub } from './start-hub.js';

type Handler = SubscriberHandlers['onEventNotification'];

export interface SubscriberOptions {
  readonly delivery?: DeliveryConfig;
  readonly options?: StartOptions;
  /** @default a new one */
  readonly world?: FakeWorld;
}

/**
 * Starts a hub with one topic, and a service that is subscribed to it. The clock is manual, the store can fail, and the
 * service can be started again on the same store and port.
 *
 * `subscribed()` is for tests of the callback: it runs on the real clock and sends requests as raw bytes.
 */
export async function startSubscriber(
  onEventNotification: Handler,
  { delivery = {}, options = {}, world = new FakeWorld() }: SubscriberOptions = {},
) {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const store = new FaultyStore();
  const config = { name: 'news', target: topic.url, secret: 'a shared one', unsubscribeOnShutdown: false, delivery };
  const service = defineSubscriber(config, { onEventNotification });
  const start = async (port: number): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store: store.keyv, port, ...options });
    onTestFinished(() => started.stopNow());
    await started.ready({ timeoutMs: 5_000 });
    await hub.verified(topic);
    await hub.settled();
    return started;
  };
  const runtime = await start(0);
  const startAgain = (): Promise<SubscriberRuntime> => start(runtime.port ?? 0);
  const publish = async (body = 'news') => {
    const [delivery] = await topic.publish(body);
    if (delivery === undefined) throw new Error('nobody is subscribed');
    return delivery;
  };
  return { hub, topic, store, world, service, runtime, startAgain, publish };
}
