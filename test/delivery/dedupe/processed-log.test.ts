import { describe, expect, onTestFinished, test } from 'vitest';
import type { DeliveryAnswer } from '../../../src/delivery/delivery-answer.js';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';
import { ProcessedLog } from '../../../src/delivery/dedupe/processed-log.js';
import { openStore } from '../../../src/store/open-store.js';
import { deferred, FakeWorld } from '../../kit/fake-world.js';

const MINUTE = 60_000;
const ACKNOWLEDGED: DeliveryAnswer = { type: 'acknowledged' };

async function setUp() {
  const world = new FakeWorld();
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const open = (most?: number): ProcessedLog =>
    new ProcessedLog({ store, logger: world.logger, now: () => world.now, maxKeys: most });
  return { world, store, seen: open(), open };
}

const bodies = (...keys: readonly string[]): readonly DedupeKey[] => keys.map((key) => ({ key, version: '' }));

async function handled(seen: ProcessedLog, pieces: readonly DedupeKey[]): Promise<void> {
  await seen.markProcessed(pieces);
  await seen.settled();
}

/** What a hub is answered that sends these again; undefined where it is handed over. */
async function answerOf(seen: ProcessedLog, pieces: readonly DedupeKey[], windowMs: number): Promise<unknown> {
  const known = await seen.answerToDuplicate(pieces, windowMs);
  return known?.answer;
}

test('what was handled is acknowledged for as long as the window is, also after a restart', async () => {
  const { world, seen, open } = await setUp();
  expect(await answerOf(seen, bodies('d'), MINUTE)).toBeUndefined();
  await handled(seen, bodies('d'));
  const again = open();
  await again.load();
  for (const each of [seen, again]) expect(await answerOf(each, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  world.pass(MINUTE);
  for (const each of [seen, again]) expect(await answerOf(each, bodies('d'), MINUTE)).toBeUndefined();
});

test('what is in hand gets the answer of the first, and is news again where that could not be kept', async () => {
  const { seen } = await setUp();
  const turn = deferred<DeliveryAnswer>();
  const first = seen.trackDelivery(bodies('d'), () => turn.promise);
  const second = answerOf(seen, bodies('d'), MINUTE);
  turn.resolve({ type: 'unavailable', reason: 'the store is down' });
  expect(await first).toEqual(await second);
  expect(await answerOf(seen, bodies('d'), MINUTE)).toBeUndefined();
});

test('what waits in the store for its next try is acknowledged until it was handled or is given up', async () => {
  const { seen } = await setUp();
  await seen.trackDelivery(bodies('d'), () => ACKNOWLEDGED);
  expect(await answerOf(seen, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  seen.markDeadLettered(bodies('d'));
  expect(await answerOf(seen, bodies('d'), MINUTE)).toBeUndefined();
  await seen.markEnqueued(bodies('e'));
  expect(await answerOf(seen, bodies('e'), MINUTE)).toEqual(ACKNOWLEDGED);
});

test('what cannot be stored is remembered by this process, and said', async () => {
  const { world, store, seen } = await setUp();
  await store.close();
  await handled(seen, bodies('d'));
  expect(await answerOf(seen, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(world.logged('could not be noted')).toMatchObject([{ level: 'warn' }]);
});

test('a record that cannot be read is logged, and the others are taken in', async () => {
  const { world, store, seen, open } = await setUp();
  await handled(seen, bodies('d'));
  await store.set('seen', 'newer', { v: 99, data: {} });
  await store.set('seen', 'corrupt', { v: 1, data: 'nothing' });
  const again = open();
  await again.load();
  expect(await answerOf(again, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
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
  expect(await answerOf(seen, bodies('old'), 10 * MINUTE)).toBeUndefined();
});

test('of several entries, all have to be seen or in hand', async () => {
  const { seen } = await setUp();
  await handled(seen, bodies('a', 'b'));
  expect(await answerOf(seen, bodies('a', 'b'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(await answerOf(seen, bodies('a', 'c'), MINUTE)).toBeUndefined();
  await seen.markEnqueued(bodies('c'));
  expect(await answerOf(seen, bodies('a', 'c'), MINUTE)).toEqual(ACKNOWLEDGED);
});

describe('an entry', () => {
  const entry = (version: string, updated?: number): DedupeKey => ({ key: 'e', version, updated });

  test('is new, then unchanged, then updated', async () => {
    const { seen, open } = await setUp();
    expect(seen.changeOf(entry('1'))).toBe('new');
    await handled(seen, [entry('1')]);
    const again = open();
    await again.load();
    for (const each of [seen, again]) {
      expect(each.changeOf(entry('1'))).toBe('unchanged');
      expect(each.changeOf(entry('2'))).toBe('updated');
    }
  });

  test('is remembered for longer than a window, and not swept', async () => {
    const { world, seen } = await setUp();
    await handled(seen, [entry('1')]);
    world.pass(1_000 * MINUTE);
    seen.sweep(world.now);
    expect(await answerOf(seen, [entry('1')], MINUTE)).toEqual(ACKNOWLEDGED);
    expect(await answerOf(seen, [entry('2')], MINUTE)).toBeUndefined();
  });

  test('of an older version that comes late takes the place of none', async () => {
    const { seen } = await setUp();
    await handled(seen, [entry('2', 20)]);
    expect(seen.changeOf(entry('1', 10))).toBe('unchanged');
    await handled(seen, [entry('1', 10)]);
    expect(seen.changeOf(entry('2', 20))).toBe('unchanged');
  });

  test('of a topic is missing where no handler had it or has it in hand, or only one that says it is older', async () => {
    const { seen } = await setUp();
    expect(seen.isMissing(entry('1', 10))).toBe(true);
    await seen.markEnqueued([entry('1', 10)]);
    expect(seen.isMissing(entry('as the topic has it', 10))).toBe(false);
    await handled(seen, [entry('1', 10)]);
    expect(seen.isMissing(entry('as the topic has it', 10))).toBe(false);
    expect(seen.isMissing(entry('2'))).toBe(false);
    expect(seen.isMissing(entry('2', 20))).toBe(true);
    seen.markDeadLettered([entry('2', 20)]);
    expect(seen.isMissing({ key: 'given up', version: '1' })).toBe(true);
    seen.markDeadLettered([{ key: 'given up', version: '1' }]);
    expect(seen.isMissing({ key: 'given up', version: '1' })).toBe(false);
  });

  test('that is seen day after day is written once a day', async () => {
    const { world, store, seen } = await setUp();
    let writes = 0;
    const set = store.set.bind(store);
    store.set = async (...given) => {
      writes += 1;
      return set(...given);
    };
    for (let hour = 0; hour < 48; hour += 1) {
      await handled(seen, [entry('1')]);
      await seen.touch([entry('1'), { key: 'never seen', version: '1' }]);
      world.pass(60 * MINUTE);
    }
    expect(writes).toBe(2);
  });

  test('that was seen longest ago is forgotten first, where there are too many', async () => {
    const { store, open } = await setUp();
    const seen = open(100);
    await handled(seen, [entry('1')]);
    const others = Array.from({ length: 100 }, (_none, index) => ({ key: `k${index}`, version: '1' }));
    await handled(seen, others.slice(0, 50));
    expect(seen.isFull).toBe(false);
    await seen.touch([entry('1')]);
    await handled(seen, others.slice(50));
    expect(seen.isFull).toBe(true);
    expect(seen.changeOf(entry('1'))).toBe('unchanged');
    expect(seen.changeOf({ key: 'k0', version: '1' })).toBe('new');
    expect(await store.get('seen', 'k0')).toBeUndefined();
  });
});
