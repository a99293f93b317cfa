import { expect, onTestFinished, test } from 'vitest';
import { Liveness } from '../../../src/runtime/background/liveness.js';
import { openStore } from '../../../src/store/open-store.js';
import { FakeWorld } from '../../kit/fake-world.js';

async function setUp() {
  const world = new FakeWorld(1_000);
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  let behindSince: number | undefined;
  const turns: (() => void)[] = [];
  const away: number[] = [];
  const open = (...services: readonly string[]): Liveness =>
    new Liveness({
      services: () => (services.length === 0 ? ['news'] : services),
      onDowntime: (since) => void away.push(since),
      store,
      engine: { every: (_cronTime, run) => void turns.push(run) },
      logger: world.logger,
      now: () => world.now,
      missedSince: () => behindSince,
    });
  const fallBehind = (since: number | undefined): void => void (behindSince = since);
  /** As the next process reads it. */
  const since = async (service = 'news'): Promise<number | undefined> => {
    const next = open();
    await next.load();
    return next.aliveUntil(service);
  };
  return { world, store, open, turns, away, since, fallBehind };
}

test('nobody was ever there', async () => {
  const { since } = await setUp();
  expect(await since()).toBeUndefined();
});

test('who was there was so until the last time it was noted', async () => {
  const { world, open, turns, since } = await setUp();
  const absence = open();
  await absence.start();
  world.pass(60_000);
  for (const turn of turns) turn();
  await expect.poll(() => since()).toBe(61_000);
  world.pass(60_000);
  await absence.writeHeartbeat();
  expect(await since()).toBe(121_000);
});

test('what is not made up for yet is missing since then', async () => {
  const { world, open, since, fallBehind } = await setUp();
  const absence = open();
  await absence.start();
  fallBehind(500);
  world.pass(60_000);
  await absence.writeHeartbeat();
  expect(await since()).toBe(500);
});

test('who has not begun was not there', async () => {
  const { open, since } = await setUp();
  await open().writeHeartbeat();
  expect(await since()).toBeUndefined();
});

test('a store that fails, or holds something else, is logged', async () => {
  const { world, store, open, since } = await setUp();
  await store.set('alive', 'runtime', { v: 99, data: {} });
  expect(await since()).toBeUndefined();
  expect(world.logged('is not known')).toMatchObject([{ level: 'error' }]);
  const absence = open();
  await absence.start();
  await store.close();
  await absence.writeHeartbeat();
  expect(world.logged('could not be noted')).toMatchObject([{ level: 'warn' }]);
});

test('a service that a process leaves out is away, and the others are not', async () => {
  const { world, open, since } = await setUp();
  await open('news', 'other').start();
  world.pass(60_000);
  const second = open('other');
  await second.load();
  await second.start();
  expect([await since('news'), await since('other'), await since('third')]).toEqual([1_000, 61_000, undefined]);
});

test('a process that stood still for more than three minutes was away', async () => {
  const { world, open, turns, away } = await setUp();
  await open().start();
  for (const pause of [60_000, 180_000, 181_000]) {
    world.pass(pause);
    for (const turn of turns) turn();
  }
  expect(away).toEqual([241_000]);
});

test('a clock that was set back has not been there yet', async () => {
  const { world, open, since } = await setUp();
  await open().start();
  world.pass(-500);
  expect(await since()).toBe(500);
});
