import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, type DeliveryConfig, type SubscriberRuntime } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { killableSubscriber } from '../../kit/killable-subscriber.js';
import { untilIdle } from '../../kit/until-idle.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { startHub } from '../../kit/start-hub.js';

/** Number of kills. For a longer test: `KILLS=200 npx vitest run …`. */
const KILLS = Number(process.env['KILLS'] ?? 4);

/** An ordered service with two topics, and a handler that waits, fails and succeeds on command. */
async function setUp(delivery: DeliveryConfig = {}) {
  const hub = await startHub();
  const topics = { a: hub.topic('/a'), b: hub.topic('/b') };
  const store = new FaultyStore();
  const world = new FakeWorld();
  const runs: string[] = [];
  const failingTexts = new Set<string>();
  const waitingRuns = new Map<string, Deferred<void>>();
  const service = defineSubscriber(
    {
      name: 'news',
      targets: [topics.a.url, topics.b.url],
      unsubscribeOnShutdown: false,
      delivery: { mode: 'queued', order: 'subscription', ...delivery },
    },
    {
      async onEventNotification(event) {
        const text = event.text();
        runs.push(text);
        await waitingRuns.get(text)?.promise;
        if (failingTexts.has(text)) throw new Error('no');
      },
    },
  );
  const start = async (port: number): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store: store.keyv, port, gracefulShutdownSeconds: 0 });
    onTestFinished(() => started.stopNow());
    await started.ready({ timeoutMs: 5_000 });
    await hub.settled();
    return started;
  };
  const runtime = await start(0);
  const publish = async (topic: 'a' | 'b', body: string): Promise<number | undefined> =>
    (await topics[topic].publish(body))[0]?.status;
  const wait = (...texts: readonly string[]): void => texts.forEach((text) => waitingRuns.set(text, deferred()));
  const pass = async (milliseconds: number): Promise<void> => {
    world.advance(milliseconds);
    await untilIdle();
  };
  const allHandled = (): Promise<unknown> => hub.until(() => store.events.length === 0);
  const startAgain = (): Promise<SubscriberRuntime> => start(runtime.port ?? 0);
  return { hub, store, world, runs, failingTexts, waitingRuns, runtime, startAgain, publish, wait, pass, allHandled };
}

test('events of a subscription that arrive in the same millisecond run one by one in order of arrival', async () => {
  const { runtime, hub, runs, waitingRuns, publish, wait, allHandled } = await setUp({ concurrency: 16 });
  const received: string[] = [];
  runtime.hooks.on('notification', ({ event }) => void received.push(event?.text() ?? ''));
  const bodies = Array.from({ length: 25 }, (_, index) => [`a${index}`, `b${index}`] as const);
  wait(...bodies.flat());
  const answers = await Promise.all(bodies.flatMap(([bodyA, bodyB]) => [publish('a', bodyA), publish('b', bodyB)]));
  expect(new Set(answers)).toEqual(new Set([202]));
  for (let step = 1; step <= bodies.length; step += 1) {
    await hub.until(() => runs.length === 2 * step);
    await untilIdle();
    expect(runs, 'one run of each subscription').toHaveLength(2 * step);
    for (const text of runs.slice(-2)) waitingRuns.get(text)?.resolve();
  }
  await allHandled();
  for (const topic of ['a', 'b']) {
    const ofTopic = (texts: readonly string[]): readonly string[] => texts.filter((text) => text.startsWith(topic));
    expect(ofTopic(runs)).toEqual(ofTopic(received));
  }
});

test('C7 a failing event blocks only its own subscription, and until its retry the store is not used', async () => {
  const { store, runs, failingTexts, publish, pass, allHandled } = await setUp();
  failingTexts.add('a1');
  for (const body of ['a1', 'a2', 'a3']) expect(await publish('a', body)).toBe(202);
  expect(await publish('b', 'b1')).toBe(202);
  await untilIdle();
  expect(runs).toEqual(['a1', 'b1']);
  expect(await publish('b', 'b2')).toBe(202);
  await untilIdle();
  let accesses = 0;
  store.onAccess = () => void (accesses += 1);
  await pass(999);
  expect([runs, accesses]).toEqual([['a1', 'b1', 'b2'], 0]);
  await pass(1);
  expect(runs.slice(3)).toEqual(['a1']);
  failingTexts.clear();
  await pass(2_000);
  await allHandled();
  expect(runs.slice(4)).toEqual(['a1', 'a2', 'a3']);
});

test('C7 the next event runs after a dead letter, and a replayed event runs after waiting events', async () => {
  const { runtime, runs, failingTexts, waitingRuns, publish, wait, pass, allHandled, hub } = await setUp({
    retryForSeconds: 3,
  });
  failingTexts.add('a1');
  wait('a2');
  for (const body of ['a1', 'a2', 'a3']) await publish('a', body);
  await untilIdle();
  for (const milliseconds of [1_000, 2_000]) {
    expect(runs).not.toContain('a2');
    await pass(milliseconds);
  }
  await hub.until(() => runs.includes('a2'));
  expect(runs).toEqual(['a1', 'a1', 'a1', 'a2']);
  failingTexts.clear();
  for await (const { id } of runtime.deadLetters) await runtime.deadLetters.replay(id);
  await pass(1_000);
  await publish('a', 'a4');
  await untilIdle();
  expect(runs).toHaveLength(4);
  waitingRuns.get('a2')?.resolve();
  await allHandled();
  expect(runs.slice(4)).toEqual(['a3', 'a1', 'a4']);
});

test('C7 an event that cannot be stored gets 503, and its redelivery runs after waiting events', async () => {
  const { store, runs, waitingRuns, publish, wait, allHandled } = await setUp();
  wait('a1');
  expect(await publish('a', 'a1')).toBe(202);
  store.faults = new Set(['set']);
  expect(await publish('a', 'a2')).toBe(503);
  store.faults = new Set();
  expect(await publish('a', 'a3')).toBe(202);
  expect(await publish('a', 'a2')).toBe(202);
  waitingRuns.get('a1')?.resolve();
  await allHandled();
  expect(runs).toEqual(['a1', 'a3', 'a2']);
});

test('C7 a subscription takes one place of `concurrency`; `maxPending` counts all subscriptions together', async () => {
  const { runs, waitingRuns, publish, wait, allHandled } = await setUp({ concurrency: 2, maxPending: 4 });
  wait('a1');
  for (const body of ['a1', 'a2', 'a3']) expect(await publish('a', body)).toBe(202);
  for (const body of ['b1', 'b2', 'b3']) {
    expect(await publish('b', body)).toBe(202);
    await untilIdle();
  }
  expect(await publish('a', 'a4')).toBe(202);
  expect([await publish('a', 'a5'), await publish('b', 'b4')]).toEqual([503, 503]);
  expect(runs).toEqual(['a1', 'b1', 'b2', 'b3']);
  waitingRuns.get('a1')?.resolve();
  await allHandled();
  expect(runs.slice(4)).toEqual(['a2', 'a3', 'a4']);
});

test('C7 after a restart with a clock set back, the interrupted event runs first, the others in order', async () => {
  const { runtime, world, runs, waitingRuns, publish, wait, pass, allHandled, startAgain, hub } = await setUp();
  wait('a1');
  for (const body of ['a1', 'a2', 'a3', 'a4']) {
    world.advance(-1);
    await publish('a', body);
  }
  await hub.until(() => runs.length === 1);
  await runtime.stop();
  waitingRuns.clear();
  world.advance(-86_400_000);
  await startAgain();
  expect(await publish('a', 'a5')).toBe(202);
  await pass(3_600_000);
  await allHandled();
  expect(runs).toEqual(['a1', 'a1', 'a2', 'a3', 'a4', 'a5']);
});

test('C7 an event that became unreadable is skipped', async () => {
  const { store, world, runs, waitingRuns, runtime, startAgain, publish, wait, pass, hub } = await setUp();
  wait('a1');
  for (const body of ['a1', 'a2', 'a3']) await publish('a', body);
  // The runtime that stored the events has them in memory. The next runtime reads them from the store.
  await runtime.stop();
  await startAgain();
  await pass(1_000);
  expect(runs).toEqual(['a1', 'a1']);
  const damagedKey = store.events[1] ?? '';
  store.set(damagedKey, JSON.stringify({ value: JSON.stringify({ v: 1, data: {} }) }));
  waitingRuns.get('a1')?.resolve();
  await hub.until(() => runs.includes('a3'));
  expect(runs.slice(2)).toEqual(['a3']);
  await hub.until(() => store.events.length === 1);
  expect([store.events, world.logged('event.unreadable').length]).toEqual([[damagedKey], 1]);
});

test(
  'C7 C9 acknowledged events keep their order and are not lost, even if the process is killed repeatedly',
  async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const subscriber = await killableSubscriber(topic.url, 'in order');
    await subscriber.start();
    const load = { isOn: true, acknowledged: 0 };
    const send = async (): Promise<void> => {
      for (let isLast = false; !isLast;) {
        const [delivery] = await topic.publish(`${load.acknowledged}`);
        const isAcknowledged = delivery?.status === 202;
        if (isAcknowledged) load.acknowledged += 1;
        // An event without an acknowledgement may be stored nevertheless.
        isLast = isAcknowledged && !load.isOn;
        // Faster than the handler, so that events wait.
        await pause(isAcknowledged ? 5 : 20);
      }
    };
    const sending = send();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await pause(Math.random() * 1_000);
      await subscriber.kill();
      await subscriber.start();
    }
    load.isOn = false;
    await sending;
    await expect
      .poll(async () => (await subscriber.handled()).at(-1), { timeout: 60_000, interval: 200 })
      .toBe(`${load.acknowledged - 1}`);
    const handled = (await subscriber.handled()).map(Number);
    // An event with a kill before its removal is delivered again, before the next one.
    expect(handled).toEqual(handled.toSorted((one, other) => one - other));
    expect([...new Set(handled)]).toEqual(Array.from({ length: load.acknowledged }, (_, index) => index));
    expect(load.acknowledged).toBeGreaterThan(KILLS);
  },
  60_000 + KILLS * 10_000,
);
