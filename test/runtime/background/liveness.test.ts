import { expect, onTestFinished, test } from 'vitest';
import { Liveness } from '../../../src/runtime/background/liveness.js';
import { openStore } from '../../../src/store/open-store.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { Engine } from '../../../src/engine/engine.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { servicesWith, testContext } from '../../kit/test-context.js';

async function setUp() {
  const world = new FakeWorld(1_000);
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const saves: { isFailing: boolean; count: number } = { isFailing: false, count: 0 };
  const heartbeats: (() => void)[] = [];
  const downtimes: number[] = [];
  const engine: Engine = {
    ...embeddedEngine({ now: () => world.now }),
    every: (_name, _cronTime, run) => void heartbeats.push(() => void run()),
  };
  const registry = {
    flush: async () => {
      saves.count += 1;
      if (saves.isFailing) throw new Error('the store is down');
    },
  };
  const createLiveness = (...names: readonly string[]): Liveness => {
    const services = servicesWith(names.length === 0 ? {} : { names });
    const { logger } = world;
    const liveness = new Liveness(testContext({ store, engine, logger, now: () => world.now, services }), registry);
    liveness.onDowntime((since) => void downtimes.push(since));
    return liveness;
  };
  /** Reads the store like the next process. */
  const aliveUntil = async (service = 'news'): Promise<number | undefined> => {
    const next = createLiveness();
    await next.load();
    return next.aliveUntil(service);
  };
  return { world, store, createLiveness, heartbeats, downtimes, aliveUntil, saves };
}

test('a service is unknown before its first heartbeat', async () => {
  const { aliveUntil } = await setUp();
  expect(await aliveUntil()).toBeUndefined();
});

test('a service was alive until its last heartbeat', async () => {
  const { world, createLiveness, heartbeats, aliveUntil } = await setUp();
  const liveness = createLiveness();
  await liveness.start();
  world.advance(60_000);
  for (const heartbeat of heartbeats) heartbeat();
  await expect.poll(() => aliveUntil()).toBe(61_000);
  world.advance(60_000);
  await liveness.writeHeartbeat();
  expect(await aliveUntil()).toBe(121_000);
});

test('a heartbeat is stored only after the gaps, so that no gap is lost', async () => {
  const { world, createLiveness, aliveUntil, saves } = await setUp();
  const liveness = createLiveness();
  await liveness.start();
  saves.isFailing = true;
  world.advance(60_000);
  await liveness.writeHeartbeat();
  expect(await aliveUntil()).toBe(1_000);
  expect(world.logged('liveness.not-stored')).toMatchObject([{ level: 'warn' }]);
  saves.isFailing = false;
  await liveness.writeHeartbeat();
  expect(await aliveUntil()).toBe(61_000);
});

test('a start stores no heartbeat of a known service, because its gaps are not stored yet', async () => {
  const { world, createLiveness, aliveUntil, heartbeats, saves } = await setUp();
  await createLiveness().start();
  world.advance(60_000);
  const next = createLiveness();
  await next.load();
  await next.start();
  expect([saves.count, await aliveUntil()]).toEqual([0, 1_000]);
  heartbeats.at(-1)?.();
  await expect.poll(() => aliveUntil()).toBe(61_000);
  expect(saves.count).toBe(1);
});

test('nothing is stored before the heartbeat has started', async () => {
  const { createLiveness, aliveUntil } = await setUp();
  await createLiveness().writeHeartbeat();
  expect(await aliveUntil()).toBeUndefined();
});

test('an unreadable record and a failed write are logged', async () => {
  const { world, store, createLiveness, aliveUntil } = await setUp();
  await store.set('alive', 'runtime', { v: 99, data: {} });
  expect(await aliveUntil()).toBeUndefined();
  expect(world.logged('liveness.unreadable')).toMatchObject([{ level: 'error' }]);
  const liveness = createLiveness();
  await liveness.start();
  await store.close();
  await liveness.writeHeartbeat();
  expect(world.logged('liveness.not-stored')).toMatchObject([{ level: 'warn' }]);
});

test('a service counts as down while a process runs only other services', async () => {
  const { world, createLiveness, aliveUntil } = await setUp();
  await createLiveness('news', 'other').start();
  world.advance(60_000);
  const second = createLiveness('other');
  await second.load();
  await second.start();
  await second.writeHeartbeat();
  expect([await aliveUntil('news'), await aliveUntil('other'), await aliveUntil('third')]).toEqual([
    1_000,
    61_000,
    undefined,
  ]);
});

test('a process without a heartbeat for more than three minutes had a downtime', async () => {
  const { world, createLiveness, heartbeats, downtimes } = await setUp();
  await createLiveness().start();
  for (const pause of [60_000, 180_000, 181_000]) {
    world.advance(pause);
    for (const heartbeat of heartbeats) heartbeat();
  }
  expect(downtimes).toEqual([241_000]);
});

test('the time alive is never in the future after the clock was set back', async () => {
  const { world, createLiveness, aliveUntil } = await setUp();
  await createLiveness().start();
  world.advance(-500);
  expect(await aliveUntil()).toBe(500);
});
