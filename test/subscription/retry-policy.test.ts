import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isAffectedByClockSetBack } from '../../src/subscription/machine/rules/clock-set-back.js';
import * as retryPolicy from '../../src/subscription/retry-policy.js';
import { verifying } from './machine/subscription-machine.js';

const { HUB_UNREACHABLE, refusalWaitMs, retryWaitMs, UNSUBSCRIBE_REFUSED } = retryPolicy;
const { MAX_DEFERRAL_MS, MAX_RETRY_AFTER_MS, MAX_WAIT_MS, RETRY_AFTER_SPREAD_MS } = retryPolicy;

/** The cap of every policy that the module exports, by name. */
const caps = Object.entries(retryPolicy).flatMap(([name, value]) =>
  typeof value === 'object' && 'capMs' in value ? [[name, value.capMs] as const] : [],
);

test('L2 the ceiling of the wait doubles with each failure, with full jitter below it', () => {
  expect([1, 2, 3, 4].map((failures) => retryWaitMs(failures, 1, HUB_UNREACHABLE))).toEqual([
    2_000, 4_000, 8_000, 16_000,
  ]);
  expect(retryWaitMs(4, 0.5, HUB_UNREACHABLE)).toBe(8_000);
});

test('L2 the wait is at least a second and at most an hour', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, random) => {
        const wait = retryWaitMs(failures, random, HUB_UNREACHABLE);
        expect(wait).toBeGreaterThanOrEqual(1_000);
        expect(wait).toBeLessThanOrEqual(3_600_000);
      },
    ),
  );
  expect(retryWaitMs(1, 0, HUB_UNREACHABLE)).toBe(1_000);
  expect(retryWaitMs(1_000, 1, HUB_UNREACHABLE)).toBe(3_600_000);
});

test('S3 a hub that does not unsubscribe gets the next request within a day', () => {
  expect(retryWaitMs(1, 1, UNSUBSCRIBE_REFUSED)).toBe(60_000);
  expect(retryWaitMs(1_000, 1, UNSUBSCRIBE_REFUSED)).toBe(86_400_000);
});

test('N2 the wait after denials and refusals is between half and all of a ceiling that grows to a day', () => {
  const minutes = [2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440];
  expect(minutes.map((_ceiling, index) => refusalWaitMs(index + 1, 1) / 60_000)).toEqual(minutes);
  expect(minutes.map((_ceiling, index) => refusalWaitMs(index + 1, 0) / 30_000)).toEqual(minutes);
  expect(refusalWaitMs(1_000_000, 1)).toBe(86_400_000);
});

test('L2 S3 D13 the longest wait is the highest cap of all policies', () => {
  expect(caps.map(([name]) => name)).toContain('HUB_REFUSED');
  const longest = Math.max(...caps.map(([, capMs]) => capMs), MAX_RETRY_AFTER_MS, MAX_DEFERRAL_MS);
  expect(MAX_WAIT_MS).toBe(longest);
});

test.each([
  ...caps,
  ['Retry-After', MAX_RETRY_AFTER_MS + RETRY_AFTER_SPREAD_MS] as const,
  ['a deferral', MAX_DEFERRAL_MS] as const,
])('L2 S3 the longest wait of %s does not look like the effect of a clock that was set back', (_name, waitMs) => {
  const machine = verifying().unreachable(0);
  const { now } = machine;
  const recordWaitingUntil = (at: number) => ({
    ...machine.record,
    nextAttemptAt: at,
    grants: machine.record.grants.map((grant) => ({ ...grant, nextAttemptAt: at, notBefore: at })),
  });
  expect(isAffectedByClockSetBack(recordWaitingUntil(now + waitMs), machine)).toBe(false);
  expect(isAffectedByClockSetBack(recordWaitingUntil(now + MAX_WAIT_MS + 61_000), machine)).toBe(true);
});
