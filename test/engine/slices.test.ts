import { expect, test } from 'vitest';
import { partition, slices, sortInSlices } from '../../src/engine/slices.js';

async function slicesOf<T>(items: Iterable<T>, size: number): Promise<(readonly T[])[]> {
  const all: (readonly T[])[] = [];
  for await (const slice of slices(items, size)) all.push(slice);
  return all;
}

test('slices contain every item once, in order', async () => {
  expect(await slicesOf([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(await slicesOf([1, 2], 2)).toEqual([[1, 2]]);
  expect(await slicesOf([], 2)).toEqual([]);
});

test('slices accept an async iterable', async () => {
  async function* oneByOne(): AsyncGenerator<number> {
    yield* [1, 2, 3];
  }
  const all: (readonly number[])[] = [];
  for await (const slice of slices(oneByOne(), 2)) all.push(slice);
  expect(all).toEqual([[1, 2], [3]]);
});

test('other work runs between two slices', async () => {
  const done: string[] = [];
  for await (const slice of slices([1, 2, 3], 1)) {
    done.push(`slice ${slice.join()}`);
    setImmediate(() => void done.push(`after ${slice.join()}`));
  }
  expect(done.slice(0, 5)).toEqual(['slice 1', 'after 1', 'slice 2', 'after 2', 'slice 3']);
});

test('slices of a map include keys that are added meanwhile, and omit keys that are deleted', async () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const keys: string[] = [];
  for await (const slice of slices(map.keys(), 1)) {
    keys.push(...slice);
    if (slice[0] === 'a') {
      map.delete('c');
      map.set('d', 4);
    }
  }
  expect(keys).toEqual(['a', 'b', 'd']);
});

test('sortInSlices sorts many items stably, while other work runs', async () => {
  const items = Array.from({ length: 50_000 }, (_, index) => ({ rank: (index * 7_919) % 1_000, index }));
  const byRank = (left: (typeof items)[number], right: (typeof items)[number]): number => left.rank - right.rank;
  let timerRuns = 0;
  const timer = setInterval(() => (timerRuns += 1), 1);
  const sorted = await sortInSlices(items, byRank);
  clearInterval(timer);
  expect(sorted).toEqual(items.toSorted(byRank));
  expect(timerRuns).toBeGreaterThan(0);
  expect(await sortInSlices([], byRank)).toEqual([]);
  const few = [3, 1, 2];
  expect(await sortInSlices(few, (left, right) => left - right)).toEqual([1, 2, 3]);
});

test('partition splits many items by a test, each part in order', async () => {
  const items = Array.from({ length: 2_000 }, (_, index) => index);
  const isEven = (item: number): boolean => item % 2 === 0;
  expect(await partition(items, isEven)).toEqual([items.filter(isEven), items.filter((item) => !isEven(item))]);
});
