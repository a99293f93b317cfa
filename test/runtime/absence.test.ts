import { expect, onTestFinished, test } from 'vitest';
import { Absence } from '../../src/runtime/absence.js';
import { openStore } from '../../src/store/open-store.js';
import { FakeWorld } from '../e2e/fake-world.js';

async function setUp() {
  const world = new FakeWorld(1_000);
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  let behindSince: number | undefined;
  const turns: (() => void)[] = [];
  const open = (): Absence =>
    new Absence({
      store,
      engine: { every: (_cronTime, run) => void turns.push(run) },
      logger: world.logger,
      now: () => world.now,
      behindSince: () => behindSince,
    });
  const fallBehind = (since: number | undefined): void => void (behindSince = since);
  return { world, store, open, turns, fallBehind };
}

test('nobody was ever there', async () => {
  const { open } = await setUp();
  expect(await open().load()).toBeUndefined();
});

test('who was there was so until the last time it was noted', async () => {
  const { world, open, turns } = await setUp();
  const absence = open();
  await absence.begin();
  world.pass(60_000);
  for (const turn of turns) turn();
  await expect.poll(() => open().load()).toBe(61_000);
  world.pass(60_000);
  await absence.note();
  expect(await open().load()).toBe(121_000);
});

test('what is not made up for yet is missing since then', async () => {
  const { world, open, fallBehind } = await setUp();
  const absence = open();
  await absence.begin();
  fallBehind(500);
  world.pass(60_000);
  await absence.note();
  expect(await open().load()).toBe(500);
});

test('who has not begun was not there', async () => {
  const { open } = await setUp();
  await open().note();
  expect(await open().load()).toBeUndefined();
});

test('a store that fails, or holds something else, is logged', async () => {
  const { world, store, open } = await setUp();
  await store.set('alive', 'runtime', { v: 99, data: {} });
  expect(await open().load()).toBeUndefined();
  expect(world.logged('is not known')).toMatchObject([{ level: 'error' }]);
  const absence = open();
  await absence.begin();
  await store.close();
  await absence.note();
  expect(world.logged('could not be noted')).toMatchObject([{ level: 'warn' }]);
});
