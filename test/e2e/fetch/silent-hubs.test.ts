import { Keyv } from 'keyv';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type Subscription,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
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
  const [firstHub, secondHub] = [await TestHub.start(options), await TestHub.start(options)];
  onTestFinished(async () => void (await Promise.all([firstHub.close(), secondHub.close()])));
  const entries: WrittenEntry[] = [{ id: 'old', publishedAt: world.now - DAY_MS }];
  const topic = firstHub.topic('/feed', { ...CONTENT_TYPE, body: atom(entries), hubs: [firstHub, secondHub] });
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
  const store = new Keyv();
  const start = async (port = 0): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store, port, security: { maxRenewalSeconds: 40 * 86_400 } });
    onTestFinished(() => started.stopNow());
    await started.ready();
    return started;
  };
  let runtime = await start();
  /** Stops the service and starts it on the same store and port, like a new process. */
  const restart = async (): Promise<void> => {
    await runtime.stop();
    runtime = await start(runtime.port);
    await settle();
  };
  const settle = async (): Promise<void> => {
    for (let time = 0; time < 3; time += 1) {
      await untilIdle();
      await Promise.all([firstHub.settled(), secondHub.settled()]);
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
    entries.unshift({ id, publishedAt: world.now });
    await topic.publish(atom(entries), CONTENT_TYPE);
    await settle();
  };
  const subscribeCount = (hub: TestHub): number => hub.requests.filter(isSubscribing).length;
  return { world, firstHub, secondHub, topic, restart, received, settle, pass, snapshot, publish, subscribeCount };
}

describe('L7 a hub that polling finds silent', () => {
  it('gets a new request the first time, and is replaced by the next advertised hub the second time', async () => {
    const { firstHub, secondHub, snapshot, pass, publish, subscribeCount, received } = await twoHubs();
    await pass(MINUTE_MS);
    firstHub.configure({ silent: true });
    await publish('first');
    await pass(15 * MINUTE_MS);
    expect(received).toContain('poll: first');
    expect([subscribeCount(firstHub), subscribeCount(secondHub)]).toEqual([2, 0]);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: firstHub.url });
    await publish('second');
    await pass(15 * MINUTE_MS);
    expect(subscribeCount(secondHub)).toBe(1);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: secondHub.url });
    await firstHub.until(() => firstHub.subscriptions.every(({ state }) => state === 'unsubscribed'));
    received.length = 0;
    await publish('third');
    expect(received[0]).toMatch(/^hub: /);
  });

  it('is replaced the second time even if the process restarted in between', async () => {
    const { firstHub, secondHub, snapshot, pass, publish, subscribeCount, restart } = await twoHubs();
    await pass(MINUTE_MS);
    firstHub.configure({ silent: true });
    await publish('first');
    await pass(15 * MINUTE_MS);
    await restart();
    await pass(15 * MINUTE_MS);
    expect(subscribeCount(secondHub)).toBe(0);
    await publish('second');
    await pass(15 * MINUTE_MS);
    expect(subscribeCount(secondHub)).toBe(1);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: secondHub.url });
  });

  it('is not replaced if it has delivered in between', async () => {
    const { firstHub, secondHub, pass, publish, subscribeCount, snapshot } = await twoHubs();
    await pass(MINUTE_MS);
    for (const id of ['first', 'second', 'third']) {
      firstHub.configure({ silent: true });
      await publish(`${id}, polled`);
      await pass(15 * MINUTE_MS);
      firstHub.configure({ silent: false });
      await publish(`${id}, delivered`);
      await pass(MINUTE_MS);
    }
    expect(subscribeCount(secondHub)).toBe(0);
    expect(await snapshot()).toMatchObject({ hub: firstHub.url });
  });

  it('is used again after more than seven days if the other hub fails', async () => {
    const { world, firstHub, secondHub, pass, publish, snapshot, settle } = await twoHubs();
    await pass(MINUTE_MS);
    firstHub.configure({ silent: true });
    for (const id of ['first', 'second']) {
      await publish(id);
      await pass(15 * MINUTE_MS);
    }
    expect(await snapshot()).toMatchObject({ hub: secondHub.url });
    // While the second hub fails, only the first is left.
    world.advance(8 * DAY_MS);
    await settle();
    secondHub.fail(503);
    const { renewsAt } = await snapshot();
    world.advance((renewsAt?.getTime() ?? 0) - world.now);
    await settle();
    for (let time = 0; time < 20; time += 1) {
      world.advance(3_600_000);
      await settle();
    }
    expect(await snapshot()).toMatchObject({ state: 'active', hub: firstHub.url });
  });

  it('is logged once if all advertised hubs are silent, and the subscription stays active at the second hub', async () => {
    const { world, firstHub, secondHub, pass, publish, snapshot } = await twoHubs();
    await pass(MINUTE_MS);
    firstHub.configure({ silent: true });
    secondHub.configure({ silent: true });
    for (const id of ['1', '2', '3', '4', '5', '6', '7', '8']) {
      await publish(id);
      await pass(15 * MINUTE_MS);
    }
    expect(world.logged('hub.all-silent')).toHaveLength(1);
    expect(await snapshot()).toMatchObject({ state: 'active', hub: secondHub.url });
  });
});

describe('L7 Link headers of pushed content', () => {
  async function setUpPushed(config: SubscriberServiceConfig = {}) {
    const fixture = await twoHubs({ delivery: { pollSeconds: 0 }, ...config });
    const discoveryCount = (): number => fixture.firstHub.requests.filter(({ method }) => method === 'GET').length;
    const push = async (link: string): Promise<void> => {
      const [delivery] = await fixture.firstHub.distribute(fixture.topic.url, 'news', { headers: { link } });
      expect(delivery?.status).toBe(202);
      await fixture.settle();
    };
    return { ...fixture, discoveryCount, push };
  }

  it('to another hub lead to a discovery, at most once a day', async () => {
    const { firstHub, secondHub, topic, discoveryCount, push, world, snapshot, settle } = await setUpPushed();
    const countBefore = discoveryCount();
    topic.configure({ hubs: [secondHub] });
    await push(`<${secondHub.url}x>; rel="hub", <${topic.url}>; rel="self"`);
    expect(discoveryCount()).toBe(countBefore + 1);
    await settle();
    expect(await snapshot()).toMatchObject({ hub: secondHub.url });
    await firstHub.until(() => firstHub.subscriptions.every(({ state }) => state === 'unsubscribed'));
    await secondHub.distribute(topic.url, 'news', { headers: { link: '<http://127.0.0.1:1/another>; rel="hub"' } });
    await settle();
    expect(discoveryCount()).toBe(countBefore + 1);
    world.advance(DAY_MS);
    await secondHub.distribute(topic.url, 'news', { headers: { link: '<http://127.0.0.1:1/third>; rel="hub"' } });
    await settle();
    expect(discoveryCount()).toBe(countBefore + 2);
  });

  it('to another topic lead to a discovery', async () => {
    const { firstHub, topic, discoveryCount, push } = await setUpPushed();
    const countBefore = discoveryCount();
    await push(`<${firstHub.url}>; rel="hub", <${topic.url}?moved>; rel="self"`);
    expect(discoveryCount()).toBe(countBefore + 1);
  });

  it('to our hub and topic, in any scheme and spelling, lead to no discovery', async () => {
    const { firstHub, secondHub, topic, discoveryCount, push } = await setUpPushed();
    const countBefore = discoveryCount();
    await push(`<${firstHub.url}>; rel="hub", <${secondHub.url}>; rel="hub", <${topic.url}>; rel="self"`);
    await push(
      `<${firstHub.url.replace('http:', 'https:')}>; rel="hub", <${topic.url.replace('feed', '%66eed')}>; rel="self"`,
    );
    expect(discoveryCount()).toBe(countBefore);
  });

  it('of content with a wrong signature lead to no discovery', async () => {
    const { firstHub, topic, discoveryCount, settle } = await setUpPushed({ secret: 'a shared one that is long' });
    const countBefore = discoveryCount();
    firstHub.configure({ signature: 'wrong' });
    const link = '<http://127.0.0.1:1/evil>; rel="hub"';
    await firstHub.distribute(topic.url, 'news', { headers: { link } });
    await settle();
    expect(discoveryCount()).toBe(countBefore);
  });
});
