import { expect, onTestFinished, test } from 'vitest';
import { CrashMarkers } from '../../../src/delivery/crash-guard/crash-markers.js';
import { openStore } from '../../../src/store/open-store.js';
import { deferred, FakeWorld } from '../../kit/fake-world.js';

/** Markers of one process after another, on one store. */
async function setUp() {
  const world = new FakeWorld();
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const writes: string[] = [];
  const set = store.set.bind(store);
  const remove = store.delete.bind(store);
  store.set = (...given) => {
    writes.push('set');
    return set(...given);
  };
  store.delete = (...given) => {
    writes.push('delete');
    return remove(...given);
  };
  const start = async (): Promise<CrashMarkers> => {
    const markers = new CrashMarkers({ store, logger: world.logger });
    await markers.load();
    return markers;
  };
  const stored = (): Promise<unknown> => store.get('marker', 'runs');
  return { world, store, writes, start, stored };
}

test('a run that the process does not outlive is counted at the next start, and again at each', async () => {
  const { start } = await setUp();
  const counts: number[] = [];
  for (let process = 0; process < 4; process += 1) {
    const markers = await start();
    counts.push(markers.crashesOf('a'));
    await markers.begin('a');
  }
  expect(counts).toEqual([0, 1, 2, 3]);
});

test('what has not begun again since is not counted once more', async () => {
  const { start } = await setUp();
  await (await start()).begin('a');
  for (let process = 0; process < 3; process += 1) {
    const markers = await start();
    expect(markers.crashesOf('a')).toBe(1);
    await markers.begin('b');
  }
});

test('a run that is over leaves nothing behind', async () => {
  const { start, stored } = await setUp();
  await (await start()).begin('a');
  const markers = await start();
  await markers.begin('a');
  await markers.end('a', true);
  expect(markers.suspects).toEqual([]);
  expect(await stored()).toBeUndefined();
});

test('a run that failed is no crash, and takes none back', async () => {
  const { start, stored } = await setUp();
  const first = await start();
  await first.begin('fresh');
  await first.end('fresh', false);
  expect(await stored()).toBeUndefined();
  await first.begin('a');
  const second = await start();
  await second.begin('a');
  await second.end('a', false);
  expect((await start()).crashesOf('a')).toBe(1);
});

test('a stop in good order takes back what runs, and nothing is marked after it', async () => {
  const { start, stored } = await setUp();
  const first = await start();
  await first.begin('a');
  const second = await start();
  await second.begin('a');
  await second.begin('b');
  const begun = second.begin('c');
  await second.stop(true);
  await begun;
  await second.begin('d');
  await second.end('b', false);
  const third = await start();
  expect(third.suspects).toEqual(['a']);
  expect(third.crashesOf('a')).toBe(1);
  await third.end('a', true);
  await third.stop(true);
  expect(await stored()).toBeUndefined();
});

test('what is marked at the same time is written together', async () => {
  const { start, writes } = await setUp();
  const markers = await start();
  const keys = Array.from({ length: 1_000 }, (_, index) => `${index}`);
  await Promise.all(keys.map((key) => markers.begin(key)));
  expect(writes.length).toBeLessThanOrEqual(2);
  await Promise.all(keys.map((key) => markers.end(key, true)));
  expect(writes.length).toBeLessThanOrEqual(4);
  expect(writes.at(-1)).toBe('delete');
});

test('a begin waits for the write that has its marker, not for the one before', async () => {
  const { start, store, stored } = await setUp();
  const markers = await start();
  const turn = deferred();
  const set = store.set.bind(store);
  store.set = async (...given) => {
    await turn.promise;
    await set(...given);
  };
  const first = markers.begin('a');
  const second = markers.begin('b').then(stored);
  turn.resolve();
  await first;
  expect(JSON.stringify(await second)).toContain('"b"');
});

test('a store that fails keeps nothing from running; it is logged, and the next write makes up for it', async () => {
  const { start, store, world } = await setUp();
  const markers = await start();
  const set = store.set.bind(store);
  store.set = () => Promise.reject(new Error('out of order'));
  await markers.begin('a');
  expect(world.logged('crash markers cannot be stored').map(({ level }) => level)).toEqual(['warn']);
  store.set = set;
  await markers.begin('b');
  expect((await start()).suspects).toEqual(['a', 'b']);
});

test.each([['nonsense'], [{ v: 1, data: { runs: [['a', 0]] } }], [{ v: 99, data: {} }]])(
  'a record that cannot be read (%j) is logged, and nothing is a suspect',
  async (record) => {
    const { start, store, world } = await setUp();
    await store.set('marker', 'runs', record);
    expect((await start()).suspects).toEqual([]);
    expect(world.logged('crash markers cannot be read')).toHaveLength(1);
  },
);

test('what is gone is taken off', async () => {
  const { start, stored } = await setUp();
  await (await start()).begin('a');
  const markers = await start();
  markers.forget(['a']);
  await markers.stop(true);
  expect(await stored()).toBeUndefined();
});

test('a process that has lost its store writes no markers there any more', async () => {
  const { start, writes } = await setUp();
  const markers = await start();
  await markers.begin('a');
  writes.splice(0);
  await markers.stop(false);
  await markers.end('a', true);
  await markers.begin('b');
  expect(writes).toEqual([]);
});
