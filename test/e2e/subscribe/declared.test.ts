import { Keyv } from 'keyv';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type StartOptions, type SubscriberRuntime } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

/** Starts services one after the other on the same store. */
async function setUp() {
  const hub = await startHub();
  const rows = new Map<string, unknown>();
  const store = new Keyv({ store: rows });
  const [kept, dropped] = [hub.topic('/kept'), hub.topic('/dropped')];
  let writeCount = 0;
  const originalSet = rows.set.bind(rows);
  rows.set = (key, value) => {
    writeCount += key.includes(':subscription:') ? 1 : 0;
    return originalSet(key, value);
  };
  const run = async (targets: readonly string[], options: StartOptions = {}) => {
    const world = new FakeWorld();
    const { service } = recordingService({ targets, unsubscribeOnShutdown: false });
    const runtime = await world.start(service, { store, ...options });
    onTestFinished(() => runtime.stopNow());
    await runtime.ready({ timeoutMs: 5_000 });
    await hub.settled();
    return { world, runtime, service, port: runtime.port };
  };
  const states = (): string[] =>
    hub.subscriptions.map(({ topic, state }) => `${new URL(topic).pathname} ${state}`).toSorted();
  return { hub, store, kept, dropped, run, states, countWrites: () => writeCount };
}

async function declaredOf(runtime: SubscriberRuntime): Promise<string[]> {
  const all = await runtime.subscriptions.find();
  return all.map(({ topic = '', declared, state }) => `${topic.slice(-4)} ${declared} ${state}`).toSorted();
}

const PRUNE = { pruneDeclared: true };

describe('a subscription that the code no longer declares', () => {
  it('stays active without pruneDeclared, and is logged at each start', async () => {
    const { kept, dropped, run, states } = await setUp();
    const first = await run([kept.url, dropped.url]);
    const { port } = first;
    await first.runtime.stop();
    for (let start = 0; start < 2; start += 1) {
      const { world, runtime } = await run([kept.url], { port });
      expect(await declaredOf(runtime)).toEqual(['kept true active', 'pped false active']);
      expect(world.logged('declared.orphaned')).toMatchObject([
        { level: 'info', fields: { unsubscribed: false }, message: expect.stringContaining(dropped.url) },
      ]);
      await runtime.stop();
    }
    expect(states()).toEqual(['/dropped active', '/kept active']);
  });

  it('is unsubscribed with pruneDeclared, also if set later, and subscribed again once it is declared', async () => {
    const { hub, kept, dropped, run, states } = await setUp();
    const first = await run([kept.url, dropped.url]);
    const { port } = first;
    await first.runtime.stop();
    await (await run([kept.url], { port })).runtime.stop();

    const { world, runtime } = await run([kept.url], { port, ...PRUNE });
    expect(world.logged('declared.orphaned')).toMatchObject([{ level: 'info', fields: { unsubscribed: true } }]);
    await hub.unsubscribed(dropped);
    await until(async () => (await runtime.subscriptions.count({ state: 'unsubscribed' })) === 1);
    expect(states()).toEqual(['/dropped unsubscribed', '/kept active']);
    await runtime.stop();

    const restarted = await run([kept.url], { port, ...PRUNE });
    expect(restarted.world.logged('declared.orphaned')).toEqual([]);
    await restarted.runtime.stop();

    const last = await run([kept.url, dropped.url], { port });
    expect(await declaredOf(last.runtime)).toEqual(['kept true active', 'pped true active']);
    expect(states()).toEqual(['/dropped active', '/kept active']);
  });

  it('is kept with pruneDeclared if subscribe() is called for it, like subscriptions never declared', async () => {
    const { hub, kept, dropped, run, states } = await setUp();
    const dynamic = hub.topic('/dynamic');
    const first = await run([kept.url, dropped.url]);
    const { port } = first;
    await first.runtime.subscribe(first.service, { target: dynamic.url });
    await first.runtime.ready();
    await first.runtime.stop();

    const second = await run([kept.url], { port });
    await second.runtime.subscribe(second.service, { target: dropped.url });
    await second.runtime.stop();
    const third = await run([kept.url], { port, ...PRUNE });
    expect(third.world.logged('declared.orphaned')).toEqual([]);
    await third.runtime.stop();
    expect(states()).toEqual(['/dropped active', '/dynamic active', '/kept active']);
  });

  it('is kept with pruneDeclared if onStart calls subscribe() for it', async () => {
    const { hub, store, dropped, run, states } = await setUp();
    const first = await run([dropped.url]);
    const { port } = first;
    await first.runtime.stop();
    const service = defineSubscriber(
      { name: 'News', secret: false, unsubscribeOnShutdown: false },
      {
        onEventNotification: () => {},
        onStart: async (runtime) => void (await runtime.subscribe(service, { target: dropped.url })),
      },
    );
    const world = new FakeWorld();
    const runtime = await world.start(service, { store, port, ...PRUNE });
    onTestFinished(() => runtime.stopNow());
    await runtime.ready();
    await hub.settled();
    expect(states()).toEqual(['/dropped active']);
    expect(world.logged('declared.orphaned')).toEqual([]);
    expect(await declaredOf(runtime)).toEqual(['pped false active']);
  });

  it('stays unsubscribed when it is declared again, if the user had unsubscribed it', async () => {
    const { kept, dropped, run, states } = await setUp();
    const first = await run([kept.url, dropped.url]);
    const { port } = first;
    const [droppedSubscription] = await first.runtime.subscriptions.find({ topic: dropped.url });
    await first.runtime.unsubscribe(droppedSubscription?.id ?? '');
    await until(() => states().includes('/dropped unsubscribed'));
    await first.runtime.stop();
    await (await run([kept.url], { port, ...PRUNE })).runtime.stop();
    const last = await run([kept.url, dropped.url], { port, ...PRUNE });
    expect(await declaredOf(last.runtime)).toEqual(['kept true active', 'pped true unsubscribed']);
  });
});

describe('L4 a start', () => {
  it('logs once the stored subscriptions of a service that is not started, and names ten at most', async () => {
    const { hub, store, run } = await setUp();
    const targets = Array.from({ length: 12 }, (_, index) => hub.topic(`/${index}`).url);
    const first = await run(targets);
    const endedSubscription = (await first.runtime.subscriptions.find({ topic: targets[0] ?? '' }))[0];
    await first.runtime.unsubscribe(endedSubscription?.id ?? '');
    await until(async () => (await first.runtime.subscriptions.count({ state: 'unsubscribed' })) === 1);
    await first.runtime.stop();
    const world = new FakeWorld();
    const runtime = await world.start(recordingService({ name: 'Other' }).service, { store });
    onTestFinished(() => runtime.stopNow());
    const [line, ...furtherLines] = world.logged('service.not-started');
    expect(furtherLines).toEqual([]);
    expect(line).toMatchObject({ level: 'warn', fields: { service: 'News' } });
    expect(line?.fields['subscriptions']).toHaveLength(10);
    // The message names ten targets and counts the rest.
    expect(line?.message).toMatch(/: \S+( \S+){9} and 1 more$/);
    expect(line?.message).not.toContain(`${targets[0]},`);
  });

  it('writes nothing for unchanged subscriptions', async () => {
    const { hub, run, countWrites } = await setUp();
    const targets = Array.from({ length: 30 }, (_, index) => hub.topic(`/${index}`).url);
    const first = await run(targets);
    const { port } = first;
    await first.runtime.stop();
    const writesBefore = countWrites();
    const requestCount = hub.requests.length;
    const { runtime } = await run(targets, { port });
    expect(await runtime.subscriptions.count({ state: 'active', declared: true })).toBe(30);
    expect(countWrites()).toBe(writesBefore);
    expect(hub.requests).toHaveLength(requestCount);
  });
});

describe('a declared subscription that the user has unsubscribed', () => {
  it('stays unsubscribed, and a warning at each start says how to resubscribe', async () => {
    const { kept, dropped, run } = await setUp();
    const first = await run([kept.url, dropped.url]);
    await first.runtime.unsubscribe(first.service, dropped.url);
    await first.runtime.stop();
    const { world, runtime } = await run([kept.url, dropped.url]);
    const [id] = (await runtime.subscriptions.find({ target: dropped.url })).map((subscription) => subscription.id);
    expect(world.logged('declared.stopped')).toMatchObject([
      {
        level: 'warn',
        message: expect.stringMatching(/runtime\.retry\(id\).*\/dropped/),
        fields: { subscriptions: [{ id, stoppedBecause: 'unsubscribed' }] },
      },
    ]);
    await runtime.retry(id);
    await runtime.ready();
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(2);
  });
});
