import { expect, test } from 'vitest';
import { slices } from '../../src/engine/slices.js';

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
