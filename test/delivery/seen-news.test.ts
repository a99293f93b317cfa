import { expect, onTestFinished, test } from 'vitest';
import type { DeliveryAnswer } from '../../src/delivery/delivery-answer.js';
import type { Piece } from '../../src/delivery/piece.js';
import { SeenNews } from '../../src/delivery/seen-news.js';
import { openStore } from '../../src/store/open-store.js';
import { deferred, FakeWorld } from '../e2e/fake-world.js';

const MINUTE = 60_000;
const ACKNOWLEDGED: DeliveryAnswer = { type: 'acknowledged' };

async function setUp() {
  const world = new FakeWorld();
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const open = (): SeenNews => new SeenNews({ store, logger: world.logger, now: () => world.now });
  return { world, store, seen: open(), open };
}

const bodies = (...keys: readonly string[]): readonly Piece[] => keys.map((key) => ({ key, version: '' }));

async function handled(seen: SeenNews, pieces: readonly Piece[]): Promise<void> {
  seen.handled(pieces);
  await seen.settled();
}

test('what was handled is acknowledged for as long as the window is, also after a restart', async () => {
  const { world, seen, open } = await setUp();
  expect(seen.answerTo(bodies('d'), MINUTE)).toBeUndefined();
  await handled(seen, bodies('d'));
  const again = open();
  await again.load();
  for (const each of [seen, again]) expect(each.answerTo(bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  world.pass(MINUTE);
  for (const each of [seen, again]) expect(each.answerTo(bodies('d'), MINUTE)).toBeUndefined();
});

test('what is in hand gets the answer of the first, and is news again where that could not be kept', async () => {
  const { seen } = await setUp();
  const turn = deferred<DeliveryAnswer>();
  const first = seen.handing(bodies('d'), () => turn.promise);
  const second = seen.answerTo(bodies('d'), MINUTE);
  turn.resolve({ type: 'unavailable', reason: 'the store is down' });
  expect(await first).toEqual(await second);
  expect(seen.answerTo(bodies('d'), MINUTE)).toBeUndefined();
});

test('what waits in the store for its next try is acknowledged until it was handled or is given up', async () => {
  const { seen } = await setUp();
  await seen.handing(bodies('d'), () => ACKNOWLEDGED);
  expect(await seen.answerTo(bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  seen.givenUp(bodies('d'));
  expect(seen.answerTo(bodies('d'), MINUTE)).toBeUndefined();
  seen.waits(bodies('e'));
  expect(await seen.answerTo(bodies('e'), MINUTE)).toEqual(ACKNOWLEDGED);
});

test('what cannot be stored is remembered by this process, and said', async () => {
  const { world, store, seen } = await setUp();
  await store.close();
  await handled(seen, bodies('d'));
  expect(seen.answerTo(bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(world.logged('could not be noted')).toMatchObject([{ level: 'warn' }]);
});

test('a record that cannot be read is logged, and the others are taken in', async () => {
  const { world, store, seen, open } = await setUp();
  await handled(seen, bodies('d'));
  await store.set('seen', 'newer', { v: 99, data: {} });
  await store.set('seen', 'corrupt', { v: 1, data: 'nothing' });
  const again = open();
  await again.load();
  expect(again.answerTo(bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(world.logged('cannot be read')).toHaveLength(2);
});

test('a sweep forgets what is old enough, here and in the store', async () => {
  const { world, store, seen } = await setUp();
  await handled(seen, bodies('old'));
  world.pass(MINUTE);
  await handled(seen, bodies('new'));
  seen.sweep(world.now);
  await seen.settled();
  expect([await store.get('seen', 'old'), await store.get('seen', 'new')].map((one) => one !== undefined)).toEqual([
    false,
    true,
  ]);
  expect(seen.answerTo(bodies('old'), 10 * MINUTE)).toBeUndefined();
});

test('of several entries, all have to be seen or in hand', async () => {
  const { seen } = await setUp();
  await handled(seen, bodies('a', 'b'));
  expect(seen.answerTo(bodies('a', 'b'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(seen.answerTo(bodies('a', 'c'), MINUTE)).toBeUndefined();
  seen.waits(bodies('c'));
  expect(await seen.answerTo(bodies('a', 'c'), MINUTE)).toEqual(ACKNOWLEDGED);
});
