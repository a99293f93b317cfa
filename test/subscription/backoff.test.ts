import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, FAILURE_BACKOFF, REFUSAL_BACKOFF, refusalWaitMs } from '../../src/subscription/backoff.js';

test('L2 the wait doubles with each failure, and chance takes any part of it', () => {
  expect([1, 2, 3, 4].map((failures) => backoffMs(failures, 1, FAILURE_BACKOFF))).toEqual([
    2_000, 4_000, 8_000, 16_000,
  ]);
  expect(backoffMs(4, 0.5, FAILURE_BACKOFF)).toBe(8_000);
});

test('L2 the wait is never under a second and never over an hour', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, chance) => {
        const wait = backoffMs(failures, chance, FAILURE_BACKOFF);
        expect(wait).toBeGreaterThanOrEqual(1_000);
        expect(wait).toBeLessThanOrEqual(3_600_000);
      },
    ),
  );
  expect(backoffMs(1, 0, FAILURE_BACKOFF)).toBe(1_000);
  expect(backoffMs(1_000, 1, FAILURE_BACKOFF)).toBe(3_600_000);
});

test('S3 a hub that does not end a subscription is asked again after up to a day', () => {
  expect(backoffMs(1, 1, REFUSAL_BACKOFF)).toBe(60_000);
  expect(backoffMs(1_000, 1, REFUSAL_BACKOFF)).toBe(86_400_000);
});

test('N2 after denials and refusals each wait lies between half and all of a ceiling that grows to a day', () => {
  const minutes = [2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440];
  expect(minutes.map((_ceiling, index) => refusalWaitMs(index + 1, 1) / 60_000)).toEqual(minutes);
  expect(minutes.map((_ceiling, index) => refusalWaitMs(index + 1, 0) / 30_000)).toEqual(minutes);
  expect(refusalWaitMs(1_000_000, 1)).toBe(86_400_000);
});
