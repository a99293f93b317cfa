import { expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type ContentDistributionMessage, type DeliveryConfig } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { untilIdle } from '../../kit/until-idle.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

/** A service with a hub that sends only thin pings. */
async function setUp(delivery: DeliveryConfig, handle: (event: ContentDistributionMessage) => void = () => {}) {
  const world = new FakeWorld();
  const hub = await startHub();
  const publisher = await startPublisher(hub, atom([{ id: 'one', publishedAt: world.now }]));
  const store = new FaultyStore();
  const received: (Pick<ContentDistributionMessage, 'source' | 'attempt' | 'contentType'> & {
    readonly text: string;
  })[] = [];
  const config = { name: 'news', target: publisher.url, secret: 'a shared one', unsubscribeOnShutdown: false } as const;
  const service = defineSubscriber(
    { ...config, delivery },
    {
      onEventNotification: (event) => {
        const { source, attempt, contentType } = event;
        received.push({ source, attempt, contentType, text: event.text() });
        handle(event);
      },
    },
  );
  const runtime = await world.start(service, { store: store.keyv });
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  await hub.settled();
  const ping = async () => (await hub.distribute(publisher.url, ''))[0]?.status;
  const pass = async (milliseconds: number): Promise<void> => {
    world.advance(milliseconds);
    await untilIdle();
  };
  return { world, publisher, store, runtime, received, ping, pass };
}

it('C5 a notification without content is delivered unchanged', async () => {
  const { received, ping } = await setUp({});
  expect(await ping()).toBe(202);
  expect(received).toMatchObject([{ source: 'hub', attempt: 1, text: '' }]);
});

it.each(['inline', 'queued'] as const)(
  'C5 with fetchThinPings in %s mode, the topic is fetched, and its content is delivered instead',
  async (mode) => {
    const { received, ping, publisher } = await setUp({ fetchThinPings: true, mode });
    expect(await ping()).toBe(202);
    await until(() => received.length > 0);
    expect(received).toEqual([
      { source: 'hub', attempt: 1, contentType: 'application/atom+xml', text: publisher.body },
    ]);
    expect(publisher.requests.at(-1)).not.toHaveProperty('if-none-match');
  },
);

it('C5 a failed fetch of the topic counts as a failed run, and the next run fetches again', async () => {
  const { world, received, ping, pass, publisher, runtime } = await setUp({ fetchThinPings: true });
  publisher.status = 503;
  expect(await ping()).toBe(202);
  await until(() => world.logged('handler.failed').length > 0);
  expect(received).toEqual([]);
  publisher.status = 200;
  publisher.body = atom([{ id: 'two', publishedAt: world.now }]);
  await pass(5_000);
  await until(() => received.length > 0);
  expect(received).toMatchObject([{ attempt: 2, text: publisher.body }]);
  const [subscription] = await runtime.subscriptions.find();
  expect(subscription?.stats).toMatchObject({ received: 1, delivered: 1, failed: 1 });
});

it('C5 a retry gets the current content of the topic, and a dead letter follows after retryForSeconds', async () => {
  const { world, received, ping, pass, publisher, runtime } = await setUp(
    { fetchThinPings: true, retryForSeconds: 60 },
    () => throws(new Error('not now')),
  );
  expect(await ping()).toBe(202);
  await until(() => world.logged('handler.failed').length > 0);
  publisher.body = atom([{ id: 'two', publishedAt: world.now }]);
  await pass(61_000);
  await until(() => world.logged('event.dead-lettered').length > 0);
  expect(received.map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(received.at(-1)?.text).toBe(publisher.body);
  const messages: string[][] = [];
  for await (const { errors } of runtime.deadLetters) messages.push(errors.map(({ message }) => message));
  expect(messages).toEqual([['not now', 'not now']]);
});

it('C5 a ping that cannot be stored gets 503', async () => {
  const { ping, store, received } = await setUp({ fetchThinPings: true });
  store.faults = new Set(['set']);
  expect(await ping()).toBe(503);
  expect(received).toEqual([]);
});
