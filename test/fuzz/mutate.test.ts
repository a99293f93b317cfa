import { expect, test } from 'vitest';
import { mutate } from './mutate.js';
import { seededRandom } from '../kit/seeded-random.js';
import { seedOf } from './random.js';

const seeds = [Buffer.from('<feed><entry/></feed>'), Buffer.from('{"items":[]}'), Buffer.alloc(100_000, 'long ')];
const inputs = (seed: number, maxBytes = 4_096): readonly string[] =>
  Array.from({ length: 500 }, (_, number) =>
    mutate({ seeds, random: seededRandom(seedOf(seed, number)), maxBytes }).toString('latin1'),
  );

test('the seed determines the inputs', () => {
  expect(inputs(1)).toEqual(inputs(1));
  expect(inputs(1)).not.toEqual(inputs(2));
});

test('inputs differ and stay within the size limit, and some have more than half of it', () => {
  expect(new Set(inputs(1)).size).toBeGreaterThan(450);
  for (const maxBytes of [64, 4_096, 1_048_576]) {
    const lengths = inputs(1, maxBytes).map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(maxBytes);
    expect(Math.max(...lengths)).toBeGreaterThan(maxBytes / 2);
  }
});

test('an input can be made from an empty document, and from no document', () => {
  const random = seededRandom(1);
  for (let run = 0; run < 200; run += 1) {
    expect(mutate({ seeds: [], random, maxBytes: 100 }).length).toBeLessThanOrEqual(100);
    expect(mutate({ seeds: [Buffer.alloc(0)], random, maxBytes: 100 }).length).toBeLessThanOrEqual(100);
  }
});

test('random numbers are spread from 0 to 1', () => {
  const random = seededRandom(1);
  const numbers = Array.from({ length: 10_000 }, () => random());
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  expect(numbers.filter((number) => number < 0.1).length).toBeGreaterThan(800);
  expect(numbers.filter((number) => number >= 0.9).length).toBeGreaterThan(800);
});
