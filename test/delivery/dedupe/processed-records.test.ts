import { expect, test } from 'vitest';
import { ProcessedRecords, type ProcessedRecordsOptions } from '../../../src/delivery/dedupe/processed-records.js';
import { deferred, FakeWorld } from '../../kit/fake-world.js';

const SEEN = { at: 1, version: '', storedAt: 1 };

/** A store that writes when it is told to. */
function setUp({ most, isDown = false }: { readonly most?: number; readonly isDown?: boolean } = {}) {
  const world = new FakeWorld();
  const rows = new Map<string, unknown>();
  const waiting: (() => void)[] = [];
  let [underWay, mostUnderWay] = [0, 0];
  const written = async (write: () => void): Promise<void> => {
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    const turn = deferred();
    waiting.push(turn.resolve);
    await turn.promise;
    underWay -= 1;
    if (isDown) throw new Error('The store is down');
    write();
  };
  const store: ProcessedRecordsOptions['store'] = {
    async *list() {},
    set: (_kind, key, value) => written(() => void rows.set(key, value)),
    delete: (_kind, key) => written(() => void rows.delete(key)),
  };
  const records = new ProcessedRecords({ store, logger: world.logger, now: () => world.now, maxKeys: most });
  /** Has the store write all there is. */
  const settle = async (): Promise<void> => {
    const settled = records.settled();
    for (let round = 0; round < 100; round += 1) {
      for (const write of waiting.splice(0)) write();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled;
  };
  return { world, records, rows, settle, mostUnderWay: () => mostUnderWay };
}

test('thousands of records go to the store, some hundreds of them at the same time', async () => {
  const { records, rows, settle, mostUnderWay } = setUp();
  for (let index = 0; index < 3_000; index += 1) records.put(`${index}`, SEEN, { inStore: true });
  await settle();
  expect(rows.size).toBe(3_000);
  expect(mostUnderWay()).toBe(500);
});

test('what changes before it is written is written as it is then', async () => {
  const { records, rows, settle } = setUp();
  for (let index = 0; index < 600; index += 1) records.put(`${index}`, SEEN, { inStore: true });
  records.put('598', { ...SEEN, at: 2 }, { inStore: true });
  records.forget('599');
  await settle();
  expect(rows.get('598')).toMatchObject({ data: { at: 2 } });
  expect(rows.has('599')).toBe(false);
  expect(rows.size).toBe(599);
});

test('what was seen longest ago is forgotten first, here and in the store', async () => {
  const { records, rows, settle } = setUp({ most: 2 });
  for (const key of ['a', 'b']) records.put(key, SEEN, { inStore: true });
  expect(records.isFull).toBe(false);
  records.put('a', SEEN, { inStore: false });
  records.put('c', SEEN, { inStore: true });
  expect([records.isFull, records.keys()]).toEqual([true, ['a', 'c']]);
  await settle();
  expect([...rows.keys()]).toEqual(['a', 'c']);
});

test('a store that fails is told about once a minute, with how often it was not', async () => {
  const { world, records, settle } = setUp({ isDown: true });
  for (let index = 0; index < 3; index += 1) records.put(`${index}`, SEEN, { inStore: true });
  await settle();
  expect(world.logged('could not be noted')).toHaveLength(1);
  world.pass(60_000);
  records.put('later', SEEN, { inStore: true });
  await settle();
  expect(world.logged('could not be noted')).toMatchObject([{ level: 'warn' }, { level: 'warn' }]);
});
