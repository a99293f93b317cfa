import { onTestFinished, describe, expect, it } from 'vitest';
import { ConfigurationError, type SubscriberRuntime, type SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub, type HubTopic } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';

interface Fixture {
  readonly world: FakeWorld;
  readonly firstHub: TestHub;
  readonly secondHub: TestHub;
  readonly topic: HubTopic;
}

/** A topic with two advertised hubs. */
async function setUp(): Promise<Fixture> {
  const world = new FakeWorld();
  const firstHub = await TestHub.start({ now: () => world.now });
  const secondHub = await TestHub.start({ now: () => world.now });
  onTestFinished(async () => void (await Promise.all([firstHub.close(), secondHub.close()])));
  return { world, firstHub, secondHub, topic: firstHub.topic('/feed', { hubs: [firstHub, secondHub] }) };
}

async function startRuntime(
  { world, topic }: Fixture,
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
    const fixture = await setUp();
    const { runtime, received } = await startRuntime(fixture, { hubs: 'all' });
    await until(() => isActive(fixture.firstHub) && isActive(fixture.secondHub));
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.grants.map(({ hub, state }) => [hub, state])).toEqual([
      [fixture.firstHub.url, 'active'],
      [fixture.secondHub.url, 'active'],
    ]);
    expect(new Set(subscription?.grants.map(({ callback }) => callback)).size).toBe(2);
    for (const news of ['one', 'two', 'three']) {
      const deliveries = await fixture.topic.publish(news);
      expect(deliveries.map(({ status }) => status)).toEqual([202, 202]);
    }
    expect(received).toEqual(['one', 'two', 'three']);
    const [{ stats } = {}] = await runtime.subscriptions.find();
    expect(stats).toMatchObject({ received: 3, delivered: 3 });
  });

  it('a feed with a new entry is delivered, even next to known entries', async () => {
    const fixture = await setUp();
    const { received } = await startRuntime(fixture, { hubs: 'all' });
    await until(() => isActive(fixture.firstHub) && isActive(fixture.secondHub));
    const contentType = 'application/atom+xml';
    const feed = (...ids: readonly string[]): string =>
      `<feed xmlns="http://www.w3.org/2005/Atom"><id>f</id><title>F</title>${ids.map((id) => `<entry><id>${id}</id></entry>`).join('')}</feed>`;
    await fixture.firstHub.distribute(fixture.topic.url, feed('1', '2'), { contentType });
    await fixture.secondHub.distribute(fixture.topic.url, feed('2'), { contentType });
    await fixture.secondHub.distribute(fixture.topic.url, feed('1'), { contentType });
    expect(received).toEqual([feed('1', '2')]);
    await fixture.secondHub.distribute(fixture.topic.url, feed('2', '3'), { contentType });
    await fixture.firstHub.distribute(fixture.topic.url, feed('3', '2', '1'), { contentType });
    expect(received).toEqual([feed('1', '2'), feed('2', '3')]);
  });

  it('the second hub delivers while the first is down, and the first gets a new request', async () => {
    const fixture = await setUp();
    fixture.firstHub.fail(503);
    const { runtime, received } = await startRuntime(fixture, { hubs: 'all' });
    await until(() => isActive(fixture.secondHub));
    await fixture.topic.publish('through the other');
    expect(received).toEqual(['through the other']);
    fixture.firstHub.configure({ fail: false });
    fixture.world.advance(2_000);
    await until(() => isActive(fixture.firstHub));
    expect((await runtime.subscriptions.find())[0]?.grants).toHaveLength(2);
  });

  it('each hub gets renewals, and an unsubscription at the end', async () => {
    const fixture = await setUp();
    const { runtime } = await startRuntime(fixture, { hubs: 'all' });
    await until(() => isActive(fixture.firstHub) && isActive(fixture.secondHub));
    fixture.world.advance(9 * DAY_MS);
    const isRenewed = (hub: TestHub): boolean => hub.subscriptions[0]?.verifiedAt?.getTime() === fixture.world.now;
    await until(() => isRenewed(fixture.firstHub) && isRenewed(fixture.secondHub));
    const [subscription] = await runtime.subscriptions.find();
    await runtime.unsubscribe(subscription?.id ?? '');
    await Promise.all([fixture.firstHub.unsubscribed(), fixture.secondHub.unsubscribed()]);
    expect([...fixture.firstHub.violations, ...fixture.secondHub.violations]).toEqual([]);
  });

  it('a single callback for all hubs is refused with an error that names the remedy', async () => {
    expect(() => recordingService({ hubs: 'all', callback: 'https://me.example/news' })).toThrow(
      new ConfigurationError(
        'Service "News": hubs is \'all\', which requires a callback for each hub. Set appendServicePath too.',
      ),
    );
  });
});

describe("D8 with hubs: 'failover'", () => {
  it('the first hub gets a request, and the second hub gets one after a denial', async () => {
    const fixture = await setUp();
    const { received } = await startRuntime(fixture);
    await until(() => isActive(fixture.firstHub));
    expect(isActive(fixture.secondHub)).toBe(false);
    await fixture.firstHub.deny('not here');
    // Anyone can send a denial, so the first hub gets one more request before the second.
    fixture.world.advance(120_000);
    await until(() => isActive(fixture.secondHub));
    await fixture.topic.publish('through the next');
    expect(received).toEqual(['through the next']);
  });

  it('the second hub is used if a renewal at the first fails, and the first again if the second fails', async () => {
    const fixture = await setUp();
    const { runtime, received } = await startRuntime(fixture);
    fixture.firstHub.fail(503);
    fixture.world.advance(9 * DAY_MS);
    for (let time = 0; time < 40 && !isActive(fixture.secondHub); time += 1) {
      await untilIdle();
      await fixture.firstHub.settled();
      fixture.world.advance(5_000);
    }
    await until(() => isActive(fixture.secondHub));
    await until(async () => (await runtime.subscriptions.find())[0]?.hub === fixture.secondHub.url);
    await fixture.secondHub.distribute(fixture.topic.url, 'through the next');
    expect(received).toEqual(['through the next']);

    fixture.firstHub.configure({ fail: false });
    fixture.secondHub.fail(503);
    fixture.world.advance(9 * DAY_MS);
    for (let time = 0; time < 40 && (await runtime.subscriptions.find())[0]?.hub !== fixture.firstHub.url; time += 1) {
      await untilIdle();
      await fixture.secondHub.settled();
      fixture.world.advance(5_000);
    }
    await until(async () => (await runtime.subscriptions.find())[0]?.hub === fixture.firstHub.url);
    expect((await runtime.subscriptions.find())[0]?.state).toBe('active');
  });
});
