import { expect, test } from 'vitest';
import { ProcessedRecords } from '../../../src/delivery/dedupe/processed-records.js';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { storeWith } from '../../kit/test-context.js';

const VERSION = { at: 1, version: '', storedAt: 1 };

/** A store whose writes end when the test says so. */
function setUp({ maxKeys, isDown = false }: { readonly maxKeys?: number; readonly isDown?: boolean } = {}) {
  const world = new FakeWorld();
  const rows = new Map<string, unknown>();
  const pendingWrites: (() => void)[] = [];
  let [inFlight, maxInFlight] = [0, 0];
  const deferWrite = async (write: () => void): Promise<void> => {
    inFlight += 1;
    maxInFlight = Math.max(maxInFlight, inFlight);
    const gate = deferred();
    pendingWrites.push(gate.resolve);
    await gate.promise;
    inFlight -= 1;
    if (isDown) throw new Error('The store is down');
    write();
  };
  const store = storeWith({
    async *list() {},
    set: (_kind, key, value) => deferWrite(() => void rows.set(key, value)),
    delete: (_kind, key) => deferWrite(() => void rows.delete(key)),
  });
  const records = new ProcessedRecords({ store, logger: world.logger, now: () => world.now }, maxKeys);
  /** Lets the store complete all writes. */
  const settle = async (): Promise<void> => {
    const settled = records.settled();
    for (let round = 0; round < 100; round += 1) {
      for (const write of pendingWrites.splice(0)) write();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled;
  };
  return { world, records, rows, settle, maxInFlight: () => maxInFlight };
}

test('thousands of records go to the store, 500 at a time', async () => {
  const { records, rows, settle, maxInFlight } = setUp();
  for (let index = 0; index < 3_000; index += 1) records.put(`${index}`, VERSION, { inStore: true });
  await settle();
  expect(rows.size).toBe(3_000);
  expect(maxInFlight()).toBe(500);
});

test('a record that changes before its write is written in its latest state', async () => {
  const { records, rows, settle } = setUp();
  for (let index = 0; index < 600; index += 1) records.put(`${index}`, VERSION, { inStore: true });
  records.put('598', { ...VERSION, at: 2 }, { inStore: true });
  records.forget('599');
  await settle();
  expect(rows.get('598')).toMatchObject({ data: { at: 2 } });
  expect(rows.has('599')).toBe(false);
  expect(rows.size).toBe(599);
});

test('the key seen longest ago is forgotten first, in memory and in the store', async () => {
  const { records, rows, settle } = setUp({ maxKeys: 2 });
  for (const key of ['a', 'b']) records.put(key, VERSION, { inStore: true });
  expect(records.hasOverflowed).toBe(false);
  records.put('a', VERSION, { inStore: false });
  records.put('c', VERSION, { inStore: true });
  expect([records.hasOverflowed, records.keys()]).toEqual([true, ['a', 'c']]);
  await settle();
  expect([...rows.keys()]).toEqual(['a', 'c']);
});

test('a store failure is logged once a minute, with the number of failures not logged', async () => {
  const { world, records, settle } = setUp({ isDown: true });
  for (let index = 0; index < 3; index += 1) records.put(`${index}`, VERSION, { inStore: true });
  await settle();
  expect(world.logged('processed.not-stored')).toHaveLength(1);
  world.advance(60_000);
  records.put('later', VERSION, { inStore: true });
  await settle();
  expect(world.logged('processed.not-stored')).toMatchObject([
    { level: 'warn', fields: { suppressed: 0 } },
    { level: 'warn', fields: { suppressed: 2 } },
  ]);
});
