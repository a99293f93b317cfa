import { Keyv } from 'keyv';
import { onTestFinished, describe, expect, it } from 'vitest';
import type { StartOptions, Subscription, SubscriberRuntime, SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { unusedPort } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { onlySubscription } from '../../kit/only-subscription.js';

interface Place {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly other: TestHub;
}

/** A clock, and two hubs that use it. */
async function setUp(): Promise<Place> {
  const world = new FakeWorld();
  const hubs = [await TestHub.start({ now: () => world.now }), await TestHub.start({ now: () => world.now })] as const;
  onTestFinished(async () => void (await Promise.all(hubs.map((hub) => hub.close()))));
  return { world, hub: hubs[0], other: hubs[1] };
}

async function started(
  { world }: Place,
  config: SubscriberServiceConfig,
  options: StartOptions = {},
): Promise<{ runtime: SubscriberRuntime; received: string[]; hooks: string[] }> {
  const { service, received } = recordingService({ unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service, options);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  const hooks: string[] = [];
  for (const name of ['topic-moved', 'hub-moved', 'verified', 'renewed', 'unsubscribed', 'failed'] as const) {
    runtime.hooks.on(name, ({ grant }) => void hooks.push(`${name} ${grant?.topic} ${grant?.advertisedHub}`));
  }
  return { runtime, received, hooks };
}

/** Waits until an old grant has ended, and its hub knows it. */
async function ended(runtime: SubscriberRuntime, hub: TestHub): Promise<Subscription> {
  await hub.unsubscribed();
  return until(async () => {
    const subscription = await onlySubscription(runtime);
    return subscription.grants.some(({ state }) => state === 'unsubscribed') && subscription;
  });
}

const live = (hub: TestHub): readonly string[] =>
  hub.subscriptions.flatMap(({ state, topic }) => (state === 'active' ? topic : []));

describe('D10 at a renewal', () => {
  it('a new self link is followed: first subscribed, then the old topic unsubscribed, and no event is lost', async () => {
    const at = await setUp();
    const [topic, moved] = [at.hub.topic('/feed'), at.hub.topic('/moved')];
    const { runtime, received, hooks } = await started(at, { target: topic.url });
    const before = await onlySubscription(runtime);
    topic.configure({ self: moved.url });
    at.world.advance(9 * DAY_MS);
    const after = await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([moved.url]);
    expect(after).toMatchObject({ id: before.id, state: 'active', topic: moved.url });
    expect(after.callback).not.toBe(before.callback);
    expect(hooks.map((line) => line.split(' ')[0])).toEqual(['topic-moved', 'verified', 'unsubscribed']);
    await moved.publish('news of the new topic');
    expect(received).toEqual(['news of the new topic']);
    expect(at.hub.violations).toEqual([]);
  });

  it('a new hub is followed, and the old one is unsubscribed with the callback it knows', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    const { runtime, received } = await started(at, { target: topic.url });
    const { callback } = await onlySubscription(runtime);
    topic.configure({ hubs: [at.other] });
    at.world.advance(9 * DAY_MS);
    await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([]);
    expect(live(at.other)).toEqual([topic.url]);
    expect(at.hub.subscriptions).toMatchObject([{ callback, state: 'unsubscribed' }]);
    expect((await onlySubscription(runtime)).hub).toBe(at.other.url);
    await topic.publish('through the other hub');
    expect(received).toEqual(['through the other hub']);
    expect([...at.hub.violations, ...at.other.violations]).toEqual([]);
  });

  it('a page that redirects elsewhere is followed', async () => {
    const at = await setUp();
    const [topic, moved] = [at.hub.topic('/feed'), at.hub.topic('/moved')];
    const { runtime } = await started(at, { target: topic.url });
    topic.configure({ moved: { to: moved.url } });
    at.world.advance(9 * DAY_MS);
    await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([moved.url]);
  });

  it('a missing page changes nothing: the grant is renewed at its hub', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    const { runtime, hooks } = await started(at, { target: topic.url });
    const { callback } = await onlySubscription(runtime);
    topic.configure({ status: 500 });
    at.world.advance(9 * DAY_MS);
    await until(() => hooks.some((line) => line.startsWith('renewed')));
    expect(await onlySubscription(runtime)).toMatchObject({ callback, state: 'active', attempts: 0 });
    expect((await onlySubscription(runtime)).failures).toMatchObject({ discovery: { count: 1 } });
    expect(hooks.map((line) => line.split(' ')[0])).toEqual(['failed', 'renewed']);
  });

  it('the old grant works and is renewed while the new hub fails', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    const { runtime, received } = await started(at, { target: topic.url, leaseSeconds: 864_000 });
    const dead = `http://127.0.0.1:${await unusedPort()}/hub`;
    topic.configure({ hubs: [dead] });
    at.world.advance(9 * DAY_MS);
    await until(async () => (await onlySubscription(runtime)).failures.unreachable?.count === 1);
    const end = at.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0;
    for (let minute = 0; minute < 10; minute += 1) {
      at.world.advance(60_000);
      await untilIdle();
      await at.hub.settled();
    }
    await until(() => (at.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0) > end);
    expect((await onlySubscription(runtime)).state).toBe('active');
    await at.hub.distribute(topic.url, 'through the old hub');
    expect(received).toEqual(['through the old hub']);
  });

  it('S3 the new URL after a 308 is stored, and counts as the advertised hub', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    at.hub.redirect(308, at.other.url);
    const { runtime, hooks } = await started(at, { target: topic.url });
    expect(await onlySubscription(runtime)).toMatchObject({
      hub: at.other.url,
      grants: [{ advertisedHub: at.hub.url }],
    });
    const requestCount = at.hub.requests.filter(({ method }) => method === 'POST').length;
    at.world.advance(9 * DAY_MS);
    await until(() => hooks.some((line) => line.startsWith('renewed')));
    expect(at.hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(requestCount);
    expect((await onlySubscription(runtime)).grants).toHaveLength(1);
  });
});

describe('L6 a changed public URL or path', () => {
  it('requests the new callback and unsubscribes the old one, which accepts content meanwhile', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    const port = await unusedPort();
    const store = new Map<string, unknown>();
    const options = { store: new Keyv({ store }), port };
    const first = await started(at, { target: topic.url }, options);
    const { callback, id } = await onlySubscription(first.runtime);
    await first.runtime.stop();

    at.hub.configure({ verify: 'never' });
    const second = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
    const runtime = await at.world.start(second.service, {
      ...options,
      store: new Keyv({ store }),
      basePath: '/moved',
    });
    onTestFinished(() => runtime.stopNow());
    await until(() => at.hub.subscriptions.length === 2);
    await expect(runtime.ready({ timeoutMs: 50 })).rejects.toThrow('Not ready');
    // Content published meanwhile is sent to the old callback, below a path that we no longer use.
    await fetch(String(callback).replace('/websub/', '/moved/'), { method: 'POST', body: 'to the old token' });
    expect(second.received).toEqual(['to the old token']);

    at.hub.configure({ verify: undefined });
    at.world.advance(60_000);
    await untilIdle();
    at.world.advance(4_000);
    await until(() =>
      at.hub.subscriptions.some(({ callback: its, state }) => its.includes('/moved/') && state === 'active'),
    );
    await until(() => at.hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    expect(at.hub.requests.findLast(({ method }) => method === 'POST')?.form.get('hub.callback')).toBe(callback);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(await onlySubscription(runtime)).toMatchObject({ id, state: 'active' });
    expect((await onlySubscription(runtime)).callback).toContain('/moved/');
  });

  it('does the same for a changed service path', async () => {
    const at = await setUp();
    const topic = at.hub.topic('/feed');
    const store = new Map<string, unknown>();
    const options = { port: await unusedPort() };
    const start = (config: SubscriberServiceConfig): ReturnType<typeof started> =>
      started(at, { target: topic.url, ...config }, { ...options, store: new Keyv({ store }) });
    const first = await start({});
    const { callback, id } = await onlySubscription(first.runtime);
    await first.runtime.stop();
    const second = await start({ servicePath: 'stories' });
    await ended(second.runtime, at.hub);
    expect(await onlySubscription(second.runtime)).toMatchObject({
      id,
      callback: expect.stringMatching(/\/websub\/stories$/),
    });
    expect(at.hub.subscriptions.find((one) => one.callback === callback)?.state).toBe('unsubscribed');
    await topic.publish('to the new path alone');
    expect(second.received).toEqual(['to the new path alone']);
  });
});
