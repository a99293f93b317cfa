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

interface Scene {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly otherHub: TestHub;
}

/** A clock, and two hubs that use it. */
async function setUp(): Promise<Scene> {
  const world = new FakeWorld();
  const hubs = [await TestHub.start({ now: () => world.now }), await TestHub.start({ now: () => world.now })] as const;
  onTestFinished(async () => void (await Promise.all(hubs.map((hub) => hub.close()))));
  return { world, hub: hubs[0], otherHub: hubs[1] };
}

async function startRuntime(
  { world }: Scene,
  config: SubscriberServiceConfig,
  options: StartOptions = {},
): Promise<{ runtime: SubscriberRuntime; received: string[]; hookCalls: string[] }> {
  const { service, received } = recordingService({ unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service, options);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  const hookCalls: string[] = [];
  for (const name of ['topic-moved', 'hub-moved', 'verified', 'renewed', 'unsubscribed', 'failed'] as const) {
    runtime.hooks.on(name, ({ grant }) => void hookCalls.push(`${name} ${grant?.topic} ${grant?.advertisedHub}`));
  }
  return { runtime, received, hookCalls };
}

/** Waits until an old grant has ended, and its hub knows it. */
async function untilOldGrantEnds(runtime: SubscriberRuntime, hub: TestHub): Promise<Subscription> {
  await hub.unsubscribed();
  return until(async () => {
    const subscription = await onlySubscription(runtime);
    return subscription.grants.some(({ state }) => state === 'unsubscribed') && subscription;
  });
}

const activeTopics = (hub: TestHub): readonly string[] =>
  hub.subscriptions.flatMap(({ state, topic }) => (state === 'active' ? topic : []));

describe('D10 at a renewal', () => {
  it('a new self link is subscribed before the old topic is unsubscribed, and its events arrive', async () => {
    const scene = await setUp();
    const [topic, newTopic] = [scene.hub.topic('/feed'), scene.hub.topic('/moved')];
    const { runtime, received, hookCalls } = await startRuntime(scene, { target: topic.url });
    const before = await onlySubscription(runtime);
    topic.configure({ self: newTopic.url });
    scene.world.advance(9 * DAY_MS);
    const after = await untilOldGrantEnds(runtime, scene.hub);
    expect(activeTopics(scene.hub)).toEqual([newTopic.url]);
    expect(after).toMatchObject({ id: before.id, state: 'active', topic: newTopic.url });
    expect(after.callback).not.toBe(before.callback);
    expect(hookCalls.map((line) => line.split(' ')[0])).toEqual(['topic-moved', 'verified', 'unsubscribed']);
    await newTopic.publish('news of the new topic');
    expect(received).toEqual(['news of the new topic']);
    expect(scene.hub.violations).toEqual([]);
  });

  it('a new hub is followed, and the old hub is unsubscribed with the callback that it knows', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    const { runtime, received } = await startRuntime(scene, { target: topic.url });
    const { callback } = await onlySubscription(runtime);
    topic.configure({ hubs: [scene.otherHub] });
    scene.world.advance(9 * DAY_MS);
    await untilOldGrantEnds(runtime, scene.hub);
    expect(activeTopics(scene.hub)).toEqual([]);
    expect(activeTopics(scene.otherHub)).toEqual([topic.url]);
    expect(scene.hub.subscriptions).toMatchObject([{ callback, state: 'unsubscribed' }]);
    expect((await onlySubscription(runtime)).hub).toBe(scene.otherHub.url);
    await topic.publish('through the other hub');
    expect(received).toEqual(['through the other hub']);
    expect([...scene.hub.violations, ...scene.otherHub.violations]).toEqual([]);
  });

  it('a page that redirects elsewhere is followed', async () => {
    const scene = await setUp();
    const [topic, newTopic] = [scene.hub.topic('/feed'), scene.hub.topic('/moved')];
    const { runtime } = await startRuntime(scene, { target: topic.url });
    topic.configure({ moved: { to: newTopic.url } });
    scene.world.advance(9 * DAY_MS);
    await untilOldGrantEnds(runtime, scene.hub);
    expect(activeTopics(scene.hub)).toEqual([newTopic.url]);
  });

  it('a failed discovery changes nothing, and the grant is renewed at its hub', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    const { runtime, hookCalls } = await startRuntime(scene, { target: topic.url });
    const { callback } = await onlySubscription(runtime);
    topic.configure({ status: 500 });
    scene.world.advance(9 * DAY_MS);
    await until(() => hookCalls.some((line) => line.startsWith('renewed')));
    expect(await onlySubscription(runtime)).toMatchObject({ callback, state: 'active', attempts: 0 });
    expect((await onlySubscription(runtime)).failures).toMatchObject({ discovery: { count: 1 } });
    expect(hookCalls.map((line) => line.split(' ')[0])).toEqual(['failed', 'renewed']);
  });

  it('the old grant works and is renewed while the new hub fails', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    const { runtime, received } = await startRuntime(scene, { target: topic.url, leaseSeconds: 864_000 });
    const deadHub = `http://127.0.0.1:${await unusedPort()}/hub`;
    topic.configure({ hubs: [deadHub] });
    scene.world.advance(9 * DAY_MS);
    await until(async () => (await onlySubscription(runtime)).failures.unreachable?.count === 1);
    const expiresAt = scene.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0;
    for (let minute = 0; minute < 10; minute += 1) {
      scene.world.advance(60_000);
      await untilIdle();
      await scene.hub.settled();
    }
    await until(() => (scene.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0) > expiresAt);
    expect((await onlySubscription(runtime)).state).toBe('active');
    await scene.hub.distribute(topic.url, 'through the old hub');
    expect(received).toEqual(['through the old hub']);
  });

  it('S3 the hub URL from a 308 is stored, and causes no new grant while the page lists the same hub', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    scene.hub.redirect(308, scene.otherHub.url);
    const { runtime, hookCalls } = await startRuntime(scene, { target: topic.url });
    expect(await onlySubscription(runtime)).toMatchObject({
      hub: scene.otherHub.url,
      grants: [{ advertisedHub: scene.hub.url }],
    });
    const requestCount = scene.hub.requests.filter(({ method }) => method === 'POST').length;
    scene.world.advance(9 * DAY_MS);
    await until(() => hookCalls.some((line) => line.startsWith('renewed')));
    expect(scene.hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(requestCount);
    expect((await onlySubscription(runtime)).grants).toHaveLength(1);
  });
});

describe('L6 at a start', () => {
  it('a changed base path gets a new callback, and the old callback accepts content meanwhile', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    const port = await unusedPort();
    const rows = new Map<string, unknown>();
    const options = { store: new Keyv({ store: rows }), port };
    const first = await startRuntime(scene, { target: topic.url }, options);
    const { callback, id } = await onlySubscription(first.runtime);
    await first.runtime.stop();

    scene.hub.configure({ verify: 'never' });
    const second = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
    const runtime = await scene.world.start(second.service, {
      ...options,
      store: new Keyv({ store: rows }),
      basePath: '/moved',
    });
    onTestFinished(() => runtime.stopNow());
    await until(() => scene.hub.subscriptions.length === 2);
    await expect(runtime.ready({ timeoutMs: 50 })).rejects.toThrow('Not ready');
    // A proxy may remove or replace the beginning of the path, so only the token counts.
    for (const url of [String(callback), String(callback).replace('/websub/', '/moved/')]) {
      expect((await fetch(url, { method: 'POST', body: `to ${url}` })).status).toBe(202);
      expect(second.received.pop()).toBe(`to ${url}`);
    }

    scene.hub.configure({ verify: undefined });
    scene.world.advance(60_000);
    await untilIdle();
    scene.world.advance(4_000);
    await until(() =>
      scene.hub.subscriptions.some(
        ({ callback: itsCallback, state }) => itsCallback.includes('/moved/') && state === 'active',
      ),
    );
    await until(() => scene.hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    expect(scene.hub.requests.findLast(({ method }) => method === 'POST')?.form.get('hub.callback')).toBe(callback);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(await onlySubscription(runtime)).toMatchObject({ id, state: 'active' });
    expect((await onlySubscription(runtime)).callback).toContain('/moved/');
  });

  it('a changed service path gets a new callback, and the old callback is unsubscribed', async () => {
    const scene = await setUp();
    const topic = scene.hub.topic('/feed');
    const rows = new Map<string, unknown>();
    const options = { port: await unusedPort() };
    const start = (config: SubscriberServiceConfig): ReturnType<typeof startRuntime> =>
      startRuntime(scene, { target: topic.url, ...config }, { ...options, store: new Keyv({ store: rows }) });
    const first = await start({});
    const { callback, id } = await onlySubscription(first.runtime);
    await first.runtime.stop();
    const second = await start({ servicePath: 'stories' });
    await untilOldGrantEnds(second.runtime, scene.hub);
    expect(await onlySubscription(second.runtime)).toMatchObject({
      id,
      callback: expect.stringMatching(/\/websub\/stories$/),
    });
    expect(scene.hub.subscriptions.find((atHub) => atHub.callback === callback)?.state).toBe('unsubscribed');
    await topic.publish('to the new path alone');
    expect(second.received).toEqual(['to the new path alone']);
  });
});
