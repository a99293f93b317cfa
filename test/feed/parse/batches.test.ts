import { describe, expect, test } from 'vitest';
import { BatchAssembler, splitIntoBatches } from '../../../src/feed/parse/batches.js';

/** Splits a value, and reassembles it as another thread would. */
function roundTrip(value: unknown, weight?: number): unknown {
  const assembler = new BatchAssembler();
  for (const rows of splitIntoBatches(value, weight)) assembler.add(structuredClone(rows));
  return assembler.value;
}

/** Counts the values in a batch, including containers. */
function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((sum, member) => sum + valuesIn(member), 1);
}

describe('a value split into batches is reassembled unchanged', () => {
  test.each([
    ['undefined', undefined],
    ['a text', 'text'],
    ['a date', new Date(0)],
    ['an empty list', []],
    ['lists in lists', [[[], [1, [2, [3]]]], {}, null, undefined]],
    ['many members', Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, [index]]))],
    [
      'entries',
      Array.from({ length: 50 }, (_, id) => ({ id, at: new Date(id), raw: { tags: [{ a: 1 }, { b: 'x' }] } })),
    ],
    ['a member named __proto__', JSON.parse('[{"__proto__":{"a":[1,2,3,4,5,6,7,8,9]},"b":1}]')],
  ])('%s', (_name, value) => {
    for (const weight of [1, 5, 100, undefined]) expect(roundTrip(value, weight)).toStrictEqual(value);
  });

  test('a value nested as deep as allowed', () => {
    let value: unknown = 'x'.repeat(10_000);
    for (let depth = 0; depth < 512; depth += 1) value = [value, depth];
    expect(roundTrip(value, 100)).toStrictEqual(value);
  });
});

test('no batch is large, wherever the bulk of the value is', () => {
  const categories = Array.from({ length: 20_000 }, (_, index) => ({ term: `t${index}` }));
  const sizes = [...splitIntoBatches([{ id: 1, raw: { categories } }, { id: 2 }])].map((rows) => valuesIn(rows));
  expect(sizes.length).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThan(20_000);
});

test('long texts are spread over several batches', () => {
  const texts = Array.from({ length: 20 }, () => 'x'.repeat(200_000));
  expect([...splitIntoBatches(texts)].map(({ length }) => length)).toHaveLength(10);
});
