import { expect, test } from 'vitest';
import { partition, slices, sortInSlices } from '../../src/engine/slices.js';

async function all<T>(items: Iterable<T>, size: number): Promise<(readonly T[])[]> {
  const found: (readonly T[])[] = [];
  for await (const slice of slices(items, size)) found.push(slice);
  return found;
}

test('every item is in one slice, in order', async () => {
  expect(await all([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(await all([1, 2], 2)).toEqual([[1, 2]]);
  expect(await all([], 2)).toEqual([]);
});

test('what comes one by one is sliced as well', async () => {
  async function* oneByOne(): AsyncGenerator<number> {
    yield* [1, 2, 3];
  }
  const found: (readonly number[])[] = [];
  for await (const slice of slices(oneByOne(), 2)) found.push(slice);
  expect(found).toEqual([[1, 2], [3]]);
});

test('whatever came meanwhile gets its turn between two slices', async () => {
  const done: string[] = [];
  for await (const slice of slices([1, 2, 3], 1)) {
    done.push(`slice ${slice.join()}`);
    setImmediate(() => void done.push(`after ${slice.join()}`));
  }
  expect(done.slice(0, 5)).toEqual(['slice 1', 'after 1', 'slice 2', 'after 2', 'slice 3']);
});

test('what is added to a map while it is gone through is gone through as well, and what was taken out is not', async () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const seen: string[] = [];
  for await (const slice of slices(map.keys(), 1)) {
    seen.push(...slice);
    if (slice[0] === 'a') {
      map.delete('c');
      map.set('d', 4);
    }
  }
  expect(seen).toEqual(['a', 'b', 'd']);
});

test('many items are put in order, those that compare equal as they were, and others have their turn meanwhile', async () => {
  const items = Array.from({ length: 50_000 }, (_, index) => ({ rank: (index * 7_919) % 1_000, index }));
  const byRank = (one: (typeof items)[number], other: (typeof items)[number]): number => one.rank - other.rank;
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const inOrder = await sortInSlices(items, byRank);
  clearInterval(timer);
  expect(inOrder).toEqual(items.toSorted(byRank));
  expect(turns).toBeGreaterThan(0);
  expect(await sortInSlices([], byRank)).toEqual([]);
  const few = [3, 1, 2];
  expect(await sortInSlices(few, (one, other) => one - other)).toEqual([1, 2, 3]);
});

test('many items are divided by a test, each part in order', async () => {
  const items = Array.from({ length: 2_000 }, (_, index) => index);
  const isEven = (item: number): boolean => item % 2 === 0;
  expect(await partition(items, isEven)).toEqual([items.filter(isEven), items.filter((item) => !isEven(item))]);
});
