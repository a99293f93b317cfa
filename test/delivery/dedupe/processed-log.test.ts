import { describe, expect, onTestFinished, test } from 'vitest';
import type { DeliveryAnswer } from '../../../src/delivery/delivery-answer.js';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';
import { ProcessedLog } from '../../../src/delivery/dedupe/processed-log.js';
import { openStore } from '../../../src/store/open-store.js';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';

const MINUTE = 60_000;
const ACKNOWLEDGED: DeliveryAnswer = { type: 'acknowledged' };

async function setUp() {
  const world = new FakeWorld();
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const open = (maxKeys?: number): ProcessedLog =>
    new ProcessedLog({ store, logger: world.logger, now: () => world.now }, maxKeys);
  return { world, store, log: open(), open };
}

const bodies = (...keys: readonly string[]): readonly DedupeKey[] => keys.map((key) => ({ key, version: '' }));

async function processKeys(log: ProcessedLog, dedupeKeys: readonly DedupeKey[]): Promise<void> {
  await log.markProcessed(dedupeKeys);
  await log.settled();
}

/** The answer to a duplicate of these keys; undefined if they are dispatched. */
async function answerOf(log: ProcessedLog, dedupeKeys: readonly DedupeKey[], windowMs: number): Promise<unknown> {
  const duplicate = await log.answerToDuplicate(dedupeKeys, windowMs);
  return duplicate?.answer;
}

test('processed content is acknowledged within the window, also after a restart', async () => {
  const { world, log, open } = await setUp();
  expect(await answerOf(log, bodies('d'), MINUTE)).toBeUndefined();
  await processKeys(log, bodies('d'));
  const restartedLog = open();
  await restartedLog.load();
  for (const eachLog of [log, restartedLog]) expect(await answerOf(eachLog, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  world.advance(MINUTE);
  for (const eachLog of [log, restartedLog]) expect(await answerOf(eachLog, bodies('d'), MINUTE)).toBeUndefined();
});

test('a duplicate of content in progress gets the first answer, and is new again if that failed', async () => {
  const { log } = await setUp();
  const delivery = deferred<DeliveryAnswer>();
  const first = log.trackDelivery(bodies('d'), () => delivery.promise);
  const second = answerOf(log, bodies('d'), MINUTE);
  delivery.resolve({ type: 'unavailable', reason: 'the store is down' });
  expect(await first).toEqual(await second);
  expect(await answerOf(log, bodies('d'), MINUTE)).toBeUndefined();
});

test('a duplicate of waiting content is acknowledged until that content is a dead letter', async () => {
  const { log } = await setUp();
  await log.trackDelivery(bodies('d'), () => ACKNOWLEDGED);
  expect(await answerOf(log, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  log.markDeadLettered(bodies('d'));
  expect(await answerOf(log, bodies('d'), MINUTE)).toBeUndefined();
  await log.markEnqueued(bodies('e'));
  expect(await answerOf(log, bodies('e'), MINUTE)).toEqual(ACKNOWLEDGED);
});

test('if processed content cannot be stored, this process remembers it, and the failure is logged', async () => {
  const { world, store, log } = await setUp();
  await store.close();
  await processKeys(log, bodies('d'));
  expect(await answerOf(log, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(world.logged('processed.not-stored')).toMatchObject([{ level: 'warn' }]);
});

test('an unreadable record is logged, and the other records are loaded', async () => {
  const { world, store, log, open } = await setUp();
  await processKeys(log, bodies('d'));
  await store.set('seen', 'newer', { v: 99, data: {} });
  await store.set('seen', 'corrupt', { v: 1, data: 'nothing' });
  const restartedLog = open();
  await restartedLog.load();
  expect(await answerOf(restartedLog, bodies('d'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(world.logged('processed.unreadable')).toHaveLength(2);
});

test('a sweep forgets old bodies, in memory and in the store', async () => {
  const { world, store, log } = await setUp();
  await processKeys(log, bodies('old'));
  world.advance(MINUTE);
  await processKeys(log, bodies('new'));
  log.sweep(world.now);
  await log.settled();
  expect(
    [await store.get('seen', 'old'), await store.get('seen', 'new')].map((record) => record !== undefined),
  ).toEqual([false, true]);
  expect(await answerOf(log, bodies('old'), 10 * MINUTE)).toBeUndefined();
});

test('content with several dedupe keys is a duplicate only if all of them are processed or in progress', async () => {
  const { log } = await setUp();
  await processKeys(log, bodies('a', 'b'));
  expect(await answerOf(log, bodies('a', 'b'), MINUTE)).toEqual(ACKNOWLEDGED);
  expect(await answerOf(log, bodies('a', 'c'), MINUTE)).toBeUndefined();
  await log.markEnqueued(bodies('c'));
  expect(await answerOf(log, bodies('a', 'c'), MINUTE)).toEqual(ACKNOWLEDGED);
});

describe('an entry', () => {
  const entry = (version: string, updated?: number): DedupeKey => ({ key: 'e', version, updated });

  test('is new, then unchanged, then updated', async () => {
    const { log, open } = await setUp();
    expect(log.changeOf(entry('1'))).toBe('new');
    await processKeys(log, [entry('1')]);
    const restartedLog = open();
    await restartedLog.load();
    for (const eachLog of [log, restartedLog]) {
      expect(eachLog.changeOf(entry('1'))).toBe('unchanged');
      expect(eachLog.changeOf(entry('2'))).toBe('updated');
    }
  });

  test('is remembered for longer than the window, and is not swept', async () => {
    const { world, log } = await setUp();
    await processKeys(log, [entry('1')]);
    world.advance(1_000 * MINUTE);
    log.sweep(world.now);
    expect(await answerOf(log, [entry('1')], MINUTE)).toEqual(ACKNOWLEDGED);
    expect(await answerOf(log, [entry('2')], MINUTE)).toBeUndefined();
  });

  test('is not replaced by a late older version', async () => {
    const { log } = await setUp();
    await processKeys(log, [entry('2', 20)]);
    expect(log.changeOf(entry('1', 10))).toBe('unchanged');
    await processKeys(log, [entry('1', 10)]);
    expect(log.changeOf(entry('2', 20))).toBe('unchanged');
  });

  test('is missing until it is in progress, processed or dead-lettered, unlike a newer version', async () => {
    const { log } = await setUp();
    expect(log.isMissing(entry('1', 10))).toBe(true);
    await log.markEnqueued([entry('1', 10)]);
    expect(log.isMissing(entry('as the topic has it', 10))).toBe(false);
    await processKeys(log, [entry('1', 10)]);
    expect(log.isMissing(entry('as the topic has it', 10))).toBe(false);
    expect(log.isMissing(entry('2'))).toBe(false);
    expect(log.isMissing(entry('2', 20))).toBe(true);
    log.markDeadLettered([entry('2', 20)]);
    expect(log.isMissing({ key: 'dead', version: '1' })).toBe(true);
    log.markDeadLettered([{ key: 'dead', version: '1' }]);
    expect(log.isMissing({ key: 'dead', version: '1' })).toBe(false);
  });

  test('seen every hour is written once a day', async () => {
    const { world, store, log } = await setUp();
    let writes = 0;
    const set = store.set.bind(store);
    store.set = async (...parameters) => {
      writes += 1;
      return set(...parameters);
    };
    for (let hour = 0; hour < 48; hour += 1) {
      await processKeys(log, [entry('1')]);
      await log.touch([entry('1'), { key: 'never seen', version: '1' }]);
      world.advance(60 * MINUTE);
    }
    expect(writes).toBe(2);
  });

  test('seen longest ago is forgotten first when there are too many', async () => {
    const { store, open } = await setUp();
    const log = open(100);
    await processKeys(log, [entry('1')]);
    const otherEntries = Array.from({ length: 100 }, (_none, index) => ({ key: `k${index}`, version: '1' }));
    await processKeys(log, otherEntries.slice(0, 50));
    expect(log.hasOverflowed).toBe(false);
    await log.touch([entry('1')]);
    await processKeys(log, otherEntries.slice(50));
    expect(log.hasOverflowed).toBe(true);
    expect(log.changeOf(entry('1'))).toBe('unchanged');
    expect(log.changeOf({ key: 'k0', version: '1' })).toBe('new');
    expect(await store.get('seen', 'k0')).toBeUndefined();
  });
});
