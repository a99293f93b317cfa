import { expect, test } from 'vitest';
import type { DueFetch, RunFetch } from '../../../src/subscription/registry/due-subscriptions.js';
import { deferred } from '../../kit/deferred.js';
import { DAY, TOPIC } from '../machine/subscription-machine.js';
import { addActive, world, type World } from './registry-world.js';

/** A world with an active subscription, whose due fetches `run` runs. */
async function setUp(run: (world: World, due: DueFetch) => ReturnType<RunFetch>) {
  const registryWorld = await world();
  const runs: string[] = [];
  registryWorld.registry.onDueFetch((due) => {
    runs.push(`${due.kind} ${due.id}`);
    return run(registryWorld, due);
  });
  await addActive(registryWorld);
  const pass = async (milliseconds: number): Promise<void> => {
    registryWorld.now += milliseconds;
    registryWorld.engine.tick();
    await settled();
  };
  return { registryWorld, runs, pass };
}

/** Lets work go on that waits for the store. */
const settled = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 5));

const catchUpAt = ({ registry, now }: World): number => (registry.get('s')?.record.catchUp?.at ?? Infinity) - now;

const resume = async (registryWorld: World, fetchInMs: number): Promise<void> => {
  const { now } = registryWorld;
  await registryWorld.apply('s', { type: 'resumed', receivedUntil: now - 60_000, fetchAt: now + fetchInMs });
};

const caughtUp: Parameters<typeof setUp>[0] = async (registryWorld) => {
  await registryWorld.apply('s', { type: 'caught-up', beganAt: registryWorld.now, fetched: { topic: TOPIC } });
  return undefined;
};

test('a fetch runs once, at its time', async () => {
  const { registryWorld, runs, pass } = await setUp(caughtUp);
  await resume(registryWorld, 5_000);
  await pass(4_000);
  expect(runs).toEqual([]);
  await pass(1_000);
  expect(runs).toEqual(['catch-up s']);
  expect(registryWorld.registry.get('s')?.record).not.toHaveProperty('catchUp');
  await pass(DAY);
  expect(runs).toEqual(['catch-up s']);
});

test('a fetch that failed runs at the time in the record', async () => {
  const { registryWorld, runs, pass } = await setUp(async (one) => {
    await one.apply('s', { type: 'catch-up-failed', notBefore: one.now + 3_600_000 });
    return undefined;
  });
  await resume(registryWorld, 0);
  await pass(0);
  expect(catchUpAt(registryWorld)).toBe(3_600_000);
  await pass(3_599_000);
  expect(runs).toHaveLength(1);
  await pass(1_000);
  expect(runs).toHaveLength(2);
});

test('a fetch that cannot run now runs again at the time that it wants, and nothing is stored', async () => {
  const { registryWorld, runs, pass } = await setUp(async ({ now }) => now + 10_000);
  await resume(registryWorld, 0);
  const record = registryWorld.registry.get('s')?.record;
  await pass(0);
  await pass(9_000);
  expect(runs).toHaveLength(1);
  await pass(1_000);
  expect(runs).toHaveLength(2);
  expect(registryWorld.registry.get('s')?.record).toBe(record);
});

test('a fetch without any result runs again in a minute, also if something else changed meanwhile', async () => {
  const { registryWorld, runs, pass } = await setUp(async (one) => {
    await one.apply('s', { type: 'topic-source', source: { topic: TOPIC, url: `${TOPIC}?${one.now}` } });
    return undefined;
  });
  await resume(registryWorld, 0);
  await pass(0);
  await pass(59_000);
  expect(runs).toHaveLength(1);
  await pass(1_000);
  expect(runs).toHaveLength(2);
});

test('a fetch does not run twice at the same time, nor again because the subscription changed while it ran', async () => {
  const fetch = deferred();
  const { registryWorld, runs, pass } = await setUp(async (one, due) => {
    await one.apply('s', { type: 'topic-source', source: { topic: TOPIC, url: TOPIC } });
    await fetch.promise;
    return caughtUp(one, due);
  });
  await resume(registryWorld, 0);
  for (let tick = 0; tick < 5; tick += 1) await pass(1_000);
  fetch.resolve();
  await settled();
  for (let tick = 0; tick < 5; tick += 1) await pass(1_000);
  expect(runs).toHaveLength(1);
});

test('a fetch that was planned anew while it ran runs again at the new time', async () => {
  const fetch = deferred();
  const { registryWorld, runs, pass } = await setUp(async () => {
    await fetch.promise;
    return undefined;
  });
  await resume(registryWorld, 0);
  await pass(0);
  await resume(registryWorld, 30_000);
  fetch.resolve();
  await pass(29_000);
  expect(runs).toHaveLength(1);
  await pass(1_000);
  expect(runs).toHaveLength(2);
});

test('the plans of an earlier run of the process are carried out', async () => {
  const { registryWorld } = await setUp(caughtUp);
  await resume(registryWorld, 60_000);
  await registryWorld.registry.save('s');
  const next = await world(registryWorld.store);
  next.now = registryWorld.now;
  const runs: DueFetch[] = [];
  next.registry.onDueFetch(async (due) => {
    runs.push(due);
    return undefined;
  });
  await next.registry.load();
  next.now += 60_000;
  next.engine.tick();
  await expect.poll(() => runs).toEqual([{ id: 's', kind: 'catch-up' }]);
});

test('nothing is due for a service that does not run', async () => {
  const { registryWorld, runs, pass } = await setUp(caughtUp);
  await resume(registryWorld, 60_000);
  registryWorld.policy = undefined;
  await registryWorld.registry.setDeclared('s', false);
  await pass(60_000);
  expect(runs).toEqual([]);
});

test('a deferred plan is stored at once on demand, and stays unsaved if the store fails', async () => {
  const { registryWorld } = await setUp(caughtUp);
  const stored = (): unknown => registryWorld.store.get('subscription', 's');
  const before = await stored();
  await resume(registryWorld, 60_000);
  expect(await stored()).toEqual(before);
  registryWorld.isFailing = true;
  await expect(registryWorld.registry.save('s')).rejects.toThrow('the store is down');
  registryWorld.isFailing = false;
  await registryWorld.registry.save('s');
  expect(await stored()).toMatchObject({ data: { record: { catchUp: { at: registryWorld.now + 60_000 } } } });
});
