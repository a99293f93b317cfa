import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap } from '../../src/engine/due-heap.js';

test('takeDue returns each due key once, the earliest first', () => {
  const heap = new DueHeap();
  heap.set('noon', 12);
  heap.set('night', 24);
  heap.set('morning', 8);
  expect(heap.size).toBe(3);
  expect(heap.has('noon')).toBe(true);
  expect(heap.takeDue(7)).toEqual([]);
  expect(heap.takeDue(12)).toEqual(['morning', 'noon']);
  expect(heap.takeDue(12)).toEqual([]);
  expect([heap.has('noon'), heap.has('night')]).toEqual([false, true]);
  expect(heap.size).toBe(1);
});

test('a new due time replaces the old one, whether earlier or later', () => {
  const heap = new DueHeap();
  heap.set('a', 10);
  heap.set('a', 20);
  heap.set('b', 20);
  heap.set('b', 10);
  heap.set('b', 10);
  expect(heap.size).toBe(2);
  expect(heap.takeDue(15)).toEqual(['b']);
  expect(heap.takeDue(25)).toEqual(['a']);
});

test('a key without a due time is not due, and can be set again', () => {
  const heap = new DueHeap();
  heap.set('a', 10);
  heap.set('a', undefined);
  heap.set('unknown', undefined);
  expect(heap.size).toBe(0);
  expect(heap.takeDue(100)).toEqual([]);
  heap.set('a', 10);
  expect(heap.takeDue(100)).toEqual(['a']);
});

type Operation = { readonly key: string; readonly at: number | undefined } | { readonly now: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      key: fc.constantFrom(...Array.from({ length: 12 }, (_, index) => `key ${index}`)),
      at: fc.option(fc.nat(100), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ now: fc.nat(100) }) },
);

test('takeDue returns the same keys as a sorted list, after any operations', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 600 }), (operations) => {
      const heap = new DueHeap();
      const dueTimes = new Map<string, number>();
      const [taken, expected]: [unknown[], unknown[]] = [[], []];
      for (const next of operations) {
        if ('key' in next) {
          heap.set(next.key, next.at);
          if (next.at === undefined) dueTimes.delete(next.key);
          else dueTimes.set(next.key, next.at);
        } else {
          const keys = heap.takeDue(next.now);
          const due = [...dueTimes].filter(([, at]) => at <= next.now).sort(([, left], [, right]) => left - right);
          // The order of keys with the same due time is not specified.
          taken.push(
            keys.map((key) => dueTimes.get(key)),
            keys.toSorted(),
          );
          expected.push(
            due.map(([, at]) => at),
            due.map(([key]) => key).toSorted(),
          );
          for (const key of keys) dueTimes.delete(key);
        }
        taken.push(heap.size);
        expected.push(dueTimes.size);
      }
      expect(taken).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('due times that are set repeatedly do not accumulate', () => {
  const heap = new DueHeap();
  for (let index = 0; index < 100_000; index += 1) heap.set(`${index % 100}`, 1_000_000 - index);
  expect(heap.size).toBe(100);
  expect(heap.takeDue(1_000_000)).toHaveLength(100);
  expect(heap.size).toBe(0);
});

test('bringForwardTo moves later due times forward, and no others', () => {
  const heap = new DueHeap();
  heap.set('soon', 5);
  heap.set('far', 100);
  heap.bringForwardTo(10);
  expect(heap.takeDue(9)).toEqual(['soon']);
  expect(heap.takeDue(10)).toEqual(['far']);
  expect(heap.size).toBe(0);
});
