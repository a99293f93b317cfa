import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type Subscription, type SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub, type ReceivedRequest } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { atom, type WrittenEntry } from '../../kit/publisher.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const MINUTE_MS = 60_000;

const isSubscribing = ({ method, form }: ReceivedRequest): boolean =>
  method === 'POST' && form.get('hub.mode') === 'subscribe';

const CONTENT_TYPE = { contentType: 'application/atom+xml' };

/** A polled topic with two hubs. The first one is used. */
async function twoHubs(config: SubscriberServiceConfig = {}) {
  const world = new FakeWorld();
  const options = { now: () => world.now, leaseSeconds: 30 * 86_400 };
  const [a, b] = [await TestHub.start(options), await TestHub.start(options)];
  onTestFinished(async () => void (await Promise.all([a.close(), b.close()])));
  const written: WrittenEntry[] = [{ id: 'old', at: world.now - DAY_MS }];
  const topic = a.topic('/feed', { ...CONTENT_TYPE, body: atom(written), hubs: [a, b] });
  const received: string[] = [];
  const service = defineSubscriber(
    {
      name: 'News',
      target: topic.url,
      secret: false,
      unsubscribeOnShutdown: false,
      delivery: { pollSeconds: 300 },
      ...config,
    },
    {
      async onEventNotification(event) {
        for (const { id } of await event.entries()) received.push(`${event.source}: ${id}`);
      },
    },
  );
  const runtime = await world.start(service, { security: { maxRenewalSeconds: 40 * 86_400 } });
  onTestFinished(() => runtime.stopNow());
  await runtime.ready();
  const settle = async (): Promise<void> => {
    for (let time = 0; time < 3; time += 1) {
      await untilIdle();
      await Promise.all([a.settled(), b.settled()]);
    }
  };
  const pass = async (milliseconds: number): Promise<void> => {
    for (let remaining = milliseconds; remaining > 0; remaining -= 30_000) {
      world.advance(Math.min(30_000, remaining));
      await settle();
    }
  };
  const snapshot = (): Promise<Subscription> => onlySubscription(runtime);
  const publish = async (id: string): Promise<void> => {
    written.unshift({ id, at: world.now });
    await topic.publish(atom(written), CONTENT_TYPE);
    await settle();
  };
  const subscribeCount = (hub: TestHub): number => hub.requests.filter(isSubscribing).length;
  return { world, a, b, topic, runtime, received, settle, pass, snapshot, publish, subscribeCount };
}

describe('L7 a hub that polling finds silent', () => {
  it('is requested again the first time; the second time, without a delivery in between, the next advertised hub is', async () => {
    const { a, b, snapshot, pass, publish, subscribeCount, received } = await twoHubs();
    await pass(MINUTE_MS);
    a.configure({ silent: true });
    await publish('first');
    await pass(15 * MINUTE_MS);
    expect(received).toContain('poll: first');
    expect([subscribeCount(a), subscribeCount(b)]).toEqual([2, 0]);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: a.url });
    await publish('second');
    await pass(15 * MINUTE_MS);
    expect(subscribeCount(b)).toBe(1);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: b.url });
    await a.until(() => a.subscriptions.every(({ state }) => state === 'unsubscribed'));
    received.length = 0;
    await publish('third');
    expect(received[0]).toMatch(/^hub: /);
  });

  it('is not replaced if it has delivered in between', async () => {
    const { a, b, pass, publish, subscribeCount, snapshot } = await twoHubs();
    await pass(MINUTE_MS);
    for (const id of ['first', 'second', 'third']) {
      a.configure({ silent: true });
      await publish(`${id}, polled`);
      await pass(15 * MINUTE_MS);
      a.configure({ silent: false });
      await publish(`${id}, delivered`);
      await pass(MINUTE_MS);
    }
    expect(subscribeCount(b)).toBe(0);
    expect(await snapshot()).toMatchObject({ hub: a.url });
  });

  it('may be used again after seven days, even after a restart', async () => {
    const { world, a, b, pass, publish, snapshot, settle } = await twoHubs();
    await pass(MINUTE_MS);
    a.configure({ silent: true });
    for (const id of ['first', 'second']) {
      await publish(id);
      await pass(15 * MINUTE_MS);
    }
    expect(await snapshot()).toMatchObject({ hub: b.url });
    // While the other hub fails, there is no alternative.
    world.advance(8 * DAY_MS);
    await settle();
    b.fail(503);
    const { renewsAt } = await snapshot();
    world.advance((renewsAt?.getTime() ?? 0) - world.now);
    await settle();
    for (let time = 0; time < 20; time += 1) {
      world.advance(3_600_000);
      await settle();
    }
    expect(await snapshot()).toMatchObject({ state: 'active', hub: a.url });
  });

  it('stays if all are silent, which is logged once', async () => {
    const { world, a, b, pass, publish, snapshot } = await twoHubs();
    await pass(MINUTE_MS);
    a.configure({ silent: true });
    b.configure({ silent: true });
    for (const id of ['1', '2', '3', '4', '5', '6', '7', '8']) {
      await publish(id);
      await pass(15 * MINUTE_MS);
    }
    expect(world.logged('no other advertised hub does')).toHaveLength(1);
    expect((await snapshot()).state).toBe('active');
  });
});

describe('L7 Link headers of pushed content', () => {
  async function pushed(config: SubscriberServiceConfig = {}) {
    const at = await twoHubs({ delivery: { pollSeconds: 0 }, ...config });
    const gets = (): number => at.a.requests.filter(({ method }) => method === 'GET').length;
    const push = async (link: string): Promise<void> => {
      const [delivery] = await at.a.distribute(at.topic.url, 'news', { headers: { link } });
      expect(delivery?.status).toBe(202);
      await at.settle();
    };
    return { ...at, gets, push };
  }

  it('to another hub lead to a discovery, at most once a day', async () => {
    const { a, b, topic, gets, push, world, snapshot, settle } = await pushed();
    const before = gets();
    topic.configure({ hubs: [b] });
    await push(`<${b.url}x>; rel="hub", <${topic.url}>; rel="self"`);
    expect(gets()).toBe(before + 1);
    await settle();
    expect(await snapshot()).toMatchObject({ hub: b.url });
    await a.until(() => a.subscriptions.every(({ state }) => state === 'unsubscribed'));
    await b.distribute(topic.url, 'news', { headers: { link: '<http://127.0.0.1:1/another>; rel="hub"' } });
    await settle();
    expect(gets()).toBe(before + 1);
    world.advance(DAY_MS);
    await b.distribute(topic.url, 'news', { headers: { link: '<http://127.0.0.1:1/third>; rel="hub"' } });
    await settle();
    expect(gets()).toBe(before + 2);
  });

  it('to another topic lead to a discovery', async () => {
    const { a, topic, gets, push } = await pushed();
    const before = gets();
    await push(`<${a.url}>; rel="hub", <${topic.url}?moved>; rel="self"`);
    expect(gets()).toBe(before + 1);
  });

  it('to our hub and topic, in any scheme and spelling, do not', async () => {
    const { a, b, topic, gets, push } = await pushed();
    const before = gets();
    await push(`<${a.url}>; rel="hub", <${b.url}>; rel="hub", <${topic.url}>; rel="self"`);
    await push(
      `<${a.url.replace('http:', 'https:')}>; rel="hub", <${topic.url.replace('feed', '%66eed')}>; rel="self"`,
    );
    expect(gets()).toBe(before);
  });

  it('of content that is not genuine are ignored', async () => {
    const { a, topic, gets, settle } = await pushed({ secret: 'a shared one that is long' });
    const before = gets();
    a.configure({ signature: 'wrong' });
    const link = '<http://127.0.0.1:1/evil>; rel="hub"';
    await a.distribute(topic.url, 'news', { headers: { link } });
    await settle();
    expect(gets()).toBe(before);
  });
});
