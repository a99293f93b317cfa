import { expect, onTestFinished, test } from 'vitest';
import { CrashMarkers } from '../../../src/delivery/crash-guard/crash-markers.js';
import { openStore } from '../../../src/store/open-store.js';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';

/** Starts one process after another on the same store. */
async function setUp() {
  const world = new FakeWorld();
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const writes: string[] = [];
  const set = store.set.bind(store);
  const remove = store.delete.bind(store);
  store.set = (...args) => {
    writes.push('set');
    return set(...args);
  };
  store.delete = (...args) => {
    writes.push('delete');
    return remove(...args);
  };
  const start = async (): Promise<CrashMarkers> => {
    const markers = new CrashMarkers({ store, logger: world.logger });
    await markers.load();
    return markers;
  };
  const storedRecord = (): Promise<unknown> => store.get('marker', 'runs');
  return { world, store, writes, start, storedRecord };
}

test('a run during which the process ends is counted at each following start', async () => {
  const { start } = await setUp();
  const counts: number[] = [];
  for (let process = 0; process < 4; process += 1) {
    const markers = await start();
    counts.push(markers.crashesOf('a'));
    await markers.begin('a');
  }
  expect(counts).toEqual([0, 1, 2, 3]);
});

test('a crash is counted once if its run does not start again', async () => {
  const { start } = await setUp();
  await (await start()).begin('a');
  for (let process = 0; process < 3; process += 1) {
    const markers = await start();
    expect(markers.crashesOf('a')).toBe(1);
    await markers.begin('b');
  }
});

test('a run that is over leaves no marker', async () => {
  const { start, storedRecord } = await setUp();
  await (await start()).begin('a');
  const markers = await start();
  await markers.begin('a');
  await markers.end('a', true);
  expect(markers.suspects).toEqual([]);
  expect(await storedRecord()).toBeUndefined();
});

test('a failed run does not count as a crash, and an earlier crash still counts', async () => {
  const { start, storedRecord } = await setUp();
  const first = await start();
  await first.begin('fresh');
  await first.end('fresh', false);
  expect(await storedRecord()).toBeUndefined();
  await first.begin('a');
  const second = await start();
  await second.begin('a');
  await second.end('a', false);
  expect((await start()).crashesOf('a')).toBe(1);
});

test('an orderly stop clears the markers of current runs, and later runs are not marked', async () => {
  const { start, storedRecord } = await setUp();
  const first = await start();
  await first.begin('a');
  const second = await start();
  await second.begin('a');
  await second.begin('b');
  const beginning = second.begin('c');
  await second.stop(true);
  await beginning;
  await second.begin('d');
  await second.end('b', false);
  const third = await start();
  expect(third.suspects).toEqual(['a']);
  expect(third.crashesOf('a')).toBe(1);
  await third.end('a', true);
  await third.stop(true);
  expect(await storedRecord()).toBeUndefined();
});

test('markers set at the same time share a write', async () => {
  const { start, writes } = await setUp();
  const markers = await start();
  const keys = Array.from({ length: 1_000 }, (_, index) => `${index}`);
  await Promise.all(keys.map((key) => markers.begin(key)));
  expect(writes.length).toBeLessThanOrEqual(2);
  await Promise.all(keys.map((key) => markers.end(key, true)));
  expect(writes.length).toBeLessThanOrEqual(4);
  expect(writes.at(-1)).toBe('delete');
});

test('begin during an earlier write resolves only after the next write, which contains its marker', async () => {
  const { start, store, writes, storedRecord } = await setUp();
  const markers = await start();
  const writeEnds = [deferred(), deferred()];
  const set = store.set.bind(store);
  store.set = async (...args) => {
    const writeEnd = writeEnds[writes.length];
    await set(...args);
    await writeEnd?.promise;
  };
  const begun: string[] = [];
  const begin = (key: string): Promise<unknown> => markers.begin(key).then(() => begun.push(key));
  const first = begin('a');
  await untilIdle();
  expect([writes, begun]).toEqual([['set'], []]);
  const second = begin('b');
  writeEnds[0]?.resolve();
  await first;
  await untilIdle();
  expect([writes, begun]).toEqual([['set', 'set'], ['a']]);
  writeEnds[1]?.resolve();
  await second;
  expect(JSON.stringify(await storedRecord())).toContain('"b"');
});

test('a failed write is logged, begin still resolves, and the next write contains the missing marker', async () => {
  const { start, store, world } = await setUp();
  const markers = await start();
  const set = store.set.bind(store);
  store.set = () => Promise.reject(new Error('out of order'));
  await markers.begin('a');
  expect(world.logged('crash-markers.not-stored').map(({ level }) => level)).toEqual(['warn']);
  store.set = set;
  await markers.begin('b');
  expect((await start()).suspects).toEqual(['a', 'b']);
});

test.each([['nonsense'], [{ v: 1, data: { runs: [['a', 0]] } }], [{ v: 99, data: {} }]])(
  'an unreadable record (%j) is logged, and there are no suspects',
  async (record) => {
    const { start, store, world } = await setUp();
    await store.set('marker', 'runs', record);
    expect((await start()).suspects).toEqual([]);
    expect(world.logged('crash-markers.unreadable')).toHaveLength(1);
  },
);

test('the marker of a removed event is deleted', async () => {
  const { start, storedRecord } = await setUp();
  await (await start()).begin('a');
  const markers = await start();
  markers.forget(['a']);
  await markers.stop(true);
  expect(await storedRecord()).toBeUndefined();
});

test('a process that no longer owns the store writes no markers', async () => {
  const { start, writes } = await setUp();
  const markers = await start();
  await markers.begin('a');
  writes.splice(0);
  await markers.stop(false);
  await markers.end('a', true);
  await markers.begin('b');
  expect(writes).toEqual([]);
});
