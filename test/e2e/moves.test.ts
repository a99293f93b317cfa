import { Keyv } from 'keyv';
import { onTestFinished, describe, expect, it } from 'vitest';
import type { StartOptions, Subscription, SubscriberRuntime, SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../kit/fake-world.js';
import { DAY_MS, quiet } from '../kit/news-service.js';
import { deadPort, reader, until } from '../kit/world.js';

interface Place {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly other: TestHub;
}

/** A clock, and two hubs that go by it. */
async function place(): Promise<Place> {
  const world = new FakeWorld();
  const hubs = [await TestHub.start({ now: () => world.now }), await TestHub.start({ now: () => world.now })] as const;
  onTestFinished(async () => void (await Promise.all(hubs.map((hub) => hub.close()))));
  return { world, hub: hubs[0], other: hubs[1] };
}

async function started(
  { world }: Place,
  config: SubscriberServiceConfig,
  options: StartOptions = {},
): Promise<{ runtime: SubscriberRuntime; got: string[]; hooks: string[] }> {
  const { service, got } = reader({ unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service, options);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  const hooks: string[] = [];
  for (const name of ['topic-moved', 'hub-moved', 'verified', 'renewed', 'unsubscribed', 'failed'] as const) {
    runtime.hooks.on(name, ({ grant }) => void hooks.push(`${name} ${grant?.topic} ${grant?.advertisedHub}`));
  }
  return { runtime, got, hooks };
}

async function only(runtime: SubscriberRuntime): Promise<Subscription> {
  const [subscription, ...others] = await runtime.subscriptions.find();
  if (subscription === undefined || others.length > 0) throw new Error('there is not one subscription');
  return subscription;
}

/** Waits until an old grant has been left, and its hub knows that. */
async function ended(runtime: SubscriberRuntime, hub: TestHub): Promise<Subscription> {
  await hub.unsubscribed();
  return until(async () => {
    const subscription = await only(runtime);
    return subscription.grants.some(({ state }) => state === 'unsubscribed') && subscription;
  });
}

const live = (hub: TestHub): readonly string[] =>
  hub.subscriptions.flatMap(({ state, topic }) => (state === 'active' ? topic : []));

describe('D10 at a renewal', () => {
  it('a new self is followed: asked for first, the old topic left afterwards, and no news lost between', async () => {
    const at = await place();
    const [topic, moved] = [at.hub.topic('/feed'), at.hub.topic('/moved')];
    const { runtime, got, hooks } = await started(at, { target: topic.url });
    const before = await only(runtime);
    topic.configure({ self: moved.url });
    at.world.pass(9 * DAY_MS);
    const after = await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([moved.url]);
    expect(after).toMatchObject({ id: before.id, state: 'active', topic: moved.url });
    expect(after.callback).not.toBe(before.callback);
    expect(hooks.map((line) => line.split(' ')[0])).toEqual(['topic-moved', 'verified', 'unsubscribed']);
    await moved.publish('news of the new topic');
    expect(got).toEqual(['news of the new topic']);
    expect(at.hub.violations).toEqual([]);
  });

  it('another hub is followed, and the old one is left with the callback it knows', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    const { runtime, got } = await started(at, { target: topic.url });
    const { callback } = await only(runtime);
    topic.configure({ hubs: [at.other] });
    at.world.pass(9 * DAY_MS);
    await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([]);
    expect(live(at.other)).toEqual([topic.url]);
    expect(at.hub.subscriptions).toMatchObject([{ callback, state: 'unsubscribed' }]);
    expect((await only(runtime)).hub).toBe(at.other.url);
    await topic.publish('through the other hub');
    expect(got).toEqual(['through the other hub']);
    expect([...at.hub.violations, ...at.other.violations]).toEqual([]);
  });

  it('a page that redirects elsewhere is followed', async () => {
    const at = await place();
    const [topic, moved] = [at.hub.topic('/feed'), at.hub.topic('/moved')];
    const { runtime } = await started(at, { target: topic.url });
    topic.configure({ moved: { to: moved.url } });
    at.world.pass(9 * DAY_MS);
    await ended(runtime, at.hub);
    expect(live(at.hub)).toEqual([moved.url]);
  });

  it('a page that is gone changes nothing: the grant is renewed where it is', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    const { runtime, hooks } = await started(at, { target: topic.url });
    const { callback } = await only(runtime);
    topic.configure({ status: 500 });
    at.world.pass(9 * DAY_MS);
    await until(() => hooks.some((line) => line.startsWith('renewed')));
    expect(await only(runtime)).toMatchObject({ callback, state: 'active', attempts: 0 });
    expect((await only(runtime)).failures).toMatchObject({ discovery: { count: 1 } });
    expect(hooks.map((line) => line.split(' ')[0])).toEqual(['failed', 'renewed']);
  });

  it('the old grant goes on, and is renewed, while the new hub cannot be had', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    const { runtime, got } = await started(at, { target: topic.url, leaseSeconds: 864_000 });
    const dead = `http://127.0.0.1:${await deadPort()}/hub`;
    topic.configure({ hubs: [dead] });
    at.world.pass(9 * DAY_MS);
    await until(async () => (await only(runtime)).failures.unreachable?.count === 1);
    const end = at.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0;
    for (let minute = 0; minute < 10; minute += 1) {
      at.world.pass(60_000);
      await quiet();
      await at.hub.settled();
    }
    await until(() => (at.hub.subscriptions[0]?.expiresAt?.getTime() ?? 0) > end);
    expect((await only(runtime)).state).toBe('active');
    await at.hub.distribute(topic.url, 'through the old hub');
    expect(got).toEqual(['through the old hub']);
  });

  it('S3 a hub that answers 308 is remembered, and counts as the one that was advertised', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    at.hub.redirect(308, at.other.url);
    const { runtime, hooks } = await started(at, { target: topic.url });
    expect(await only(runtime)).toMatchObject({ hub: at.other.url, grants: [{ advertisedHub: at.hub.url }] });
    const asked = at.hub.requests.filter(({ method }) => method === 'POST').length;
    at.world.pass(9 * DAY_MS);
    await until(() => hooks.some((line) => line.startsWith('renewed')));
    expect(at.hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(asked);
    expect((await only(runtime)).grants).toHaveLength(1);
  });
});

describe('L6 a changed public URL or path', () => {
  it('has the new callback asked for, and the old one left; what is sent there meanwhile is accepted', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    const port = await deadPort();
    const store = new Map<string, unknown>();
    const options = { store: new Keyv({ store }), port };
    const first = await started(at, { target: topic.url }, options);
    const { callback, id } = await only(first.runtime);
    await first.runtime.stop();

    at.hub.configure({ verify: 'never' });
    const second = reader({ target: topic.url, unsubscribeOnShutdown: false });
    const runtime = await at.world.start(second.service, {
      ...options,
      store: new Keyv({ store }),
      basePath: '/moved',
    });
    onTestFinished(() => runtime.stopNow());
    await until(() => at.hub.subscriptions.length === 2);
    await expect(runtime.ready({ timeoutMs: 50 })).rejects.toThrow('Not ready');
    // What was published meanwhile comes to the callback the hub knows, under a path that is not ours any more.
    await fetch(String(callback).replace('/websub/', '/moved/'), { method: 'POST', body: 'to the old token' });
    expect(second.got).toEqual(['to the old token']);

    at.hub.configure({ verify: undefined });
    at.world.pass(60_000);
    await quiet();
    at.world.pass(4_000);
    await until(() =>
      at.hub.subscriptions.some(({ callback: its, state }) => its.includes('/moved/') && state === 'active'),
    );
    await until(() => at.hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    expect(at.hub.requests.findLast(({ method }) => method === 'POST')?.form.get('hub.callback')).toBe(callback);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(await only(runtime)).toMatchObject({ id, state: 'active' });
    expect((await only(runtime)).callback).toContain('/moved/');
  });

  it('is the same for a service path that has changed', async () => {
    const at = await place();
    const topic = at.hub.topic('/feed');
    const store = new Map<string, unknown>();
    const options = { port: await deadPort() };
    const start = (config: SubscriberServiceConfig): ReturnType<typeof started> =>
      started(at, { target: topic.url, ...config }, { ...options, store: new Keyv({ store }) });
    const first = await start({});
    const { callback, id } = await only(first.runtime);
    await first.runtime.stop();
    const second = await start({ servicePath: 'stories' });
    await ended(second.runtime, at.hub);
    expect(await only(second.runtime)).toMatchObject({ id, callback: expect.stringMatching(/\/websub\/stories$/) });
    expect(at.hub.subscriptions.find((one) => one.callback === callback)?.state).toBe('unsubscribed');
    await topic.publish('to the new path alone');
    expect(second.got).toEqual(['to the new path alone']);
  });
});
