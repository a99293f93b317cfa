import { onTestFinished, describe, expect, it } from 'vitest';
import type { SubscriberRuntime, SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub, type HubTopic } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';

interface Place {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly other: TestHub;
  readonly topic: HubTopic;
}

/** A topic with two advertised hubs. */
async function setUp(): Promise<Place> {
  const world = new FakeWorld();
  const hub = await TestHub.start({ now: () => world.now });
  const other = await TestHub.start({ now: () => world.now });
  onTestFinished(async () => void (await Promise.all([hub.close(), other.close()])));
  return { world, hub, other, topic: hub.topic('/feed', { hubs: [hub, other] }) };
}

async function started(
  { world, topic }: Place,
  config: SubscriberServiceConfig = {},
): Promise<{ runtime: SubscriberRuntime; received: string[] }> {
  const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  return { runtime, received };
}

const isActive = (hub: TestHub): boolean => hub.subscriptions.some(({ state }) => state === 'active');

describe("D8 with hubs: 'all'", () => {
  it('S8 each hub has its own callback, and each event is delivered once', async () => {
    const at = await setUp();
    const { runtime, received } = await started(at, { hubs: 'all' });
    await until(() => isActive(at.hub) && isActive(at.other));
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.grants.map(({ hub, state }) => [hub, state])).toEqual([
      [at.hub.url, 'active'],
      [at.other.url, 'active'],
    ]);
    expect(new Set(subscription?.grants.map(({ callback }) => callback)).size).toBe(2);
    for (const news of ['one', 'two', 'three']) {
      const deliveries = await at.topic.publish(news);
      expect(deliveries.map(({ status }) => status)).toEqual([202, 202]);
    }
    expect(received).toEqual(['one', 'two', 'three']);
    const [{ stats } = {}] = await runtime.subscriptions.find();
    expect(stats).toMatchObject({ received: 3, delivered: 3 });
  });

  it('a feed with a new entry is delivered, even next to known entries', async () => {
    const at = await setUp();
    const { received } = await started(at, { hubs: 'all' });
    await until(() => isActive(at.hub) && isActive(at.other));
    const contentType = 'application/atom+xml';
    const feed = (...ids: readonly string[]): string =>
      `<feed xmlns="http://www.w3.org/2005/Atom"><id>f</id><title>F</title>${ids.map((id) => `<entry><id>${id}</id></entry>`).join('')}</feed>`;
    await at.hub.distribute(at.topic.url, feed('1', '2'), { contentType });
    await at.other.distribute(at.topic.url, feed('2'), { contentType });
    await at.other.distribute(at.topic.url, feed('1'), { contentType });
    expect(received).toEqual([feed('1', '2')]);
    await at.other.distribute(at.topic.url, feed('2', '3'), { contentType });
    await at.hub.distribute(at.topic.url, feed('3', '2', '1'), { contentType });
    expect(received).toEqual([feed('1', '2'), feed('2', '3')]);
  });

  it('the other hub delivers while one is down, and that one is requested again', async () => {
    const at = await setUp();
    at.hub.fail(503);
    const { runtime, received } = await started(at, { hubs: 'all' });
    await until(() => isActive(at.other));
    await at.topic.publish('through the other');
    expect(received).toEqual(['through the other']);
    at.hub.configure({ fail: false });
    at.world.advance(2_000);
    await until(() => isActive(at.hub));
    expect((await runtime.subscriptions.find())[0]?.grants).toHaveLength(2);
  });

  it('each hub gets renewals, and an unsubscription at the end', async () => {
    const at = await setUp();
    const { runtime } = await started(at, { hubs: 'all' });
    await until(() => isActive(at.hub) && isActive(at.other));
    at.world.advance(9 * DAY_MS);
    const renewed = (hub: TestHub): boolean => hub.subscriptions[0]?.verifiedAt?.getTime() === at.world.now;
    await until(() => renewed(at.hub) && renewed(at.other));
    const [subscription] = await runtime.subscriptions.find();
    await runtime.unsubscribe(subscription?.id ?? '');
    await Promise.all([at.hub.unsubscribed(), at.other.unsubscribed()]);
    expect([...at.hub.violations, ...at.other.violations]).toEqual([]);
  });

  it('a single callback for all hubs is a ConfigurationError that names the remedy', async () => {
    expect(() => recordingService({ hubs: 'all', callback: 'https://me.example/news' })).toThrow(
      'Service "News": hubs is \'all\', which needs a callback for each: set appendServicePath too.',
    );
  });
});

describe("D8 with hubs: 'failover'", () => {
  it('one hub is requested, and the next one after a denial', async () => {
    const at = await setUp();
    const { received } = await started(at);
    await until(() => isActive(at.hub));
    expect(isActive(at.other)).toBe(false);
    await at.hub.deny('not here');
    // Anyone can send a denial, so the hub is requested first.
    at.world.advance(120_000);
    await until(() => isActive(at.other));
    await at.topic.publish('through the next');
    expect(received).toEqual(['through the next']);
  });

  it('the next hub is requested if one does not renew, and the first one again if the next fails', async () => {
    const at = await setUp();
    const { runtime, received } = await started(at);
    at.hub.fail(503);
    at.world.advance(9 * DAY_MS);
    for (let time = 0; time < 40 && !isActive(at.other); time += 1) {
      await untilIdle();
      await at.hub.settled();
      at.world.advance(5_000);
    }
    await until(() => isActive(at.other));
    await until(async () => (await runtime.subscriptions.find())[0]?.hub === at.other.url);
    await at.other.distribute(at.topic.url, 'through the next');
    expect(received).toEqual(['through the next']);

    at.hub.configure({ fail: false });
    at.other.fail(503);
    at.world.advance(9 * DAY_MS);
    for (let time = 0; time < 40 && (await runtime.subscriptions.find())[0]?.hub !== at.hub.url; time += 1) {
      await untilIdle();
      await at.other.settled();
      at.world.advance(5_000);
    }
    await until(async () => (await runtime.subscriptions.find())[0]?.hub === at.hub.url);
    expect((await runtime.subscriptions.find())[0]?.state).toBe('active');
  });
});
