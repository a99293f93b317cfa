import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grantedLease, renewalTime, verifyTimeoutMs } from '../../../../src/subscription/machine/rules/lease.js';

const BOUNDS = { defaultLeaseSeconds: 86_400, maxLeaseSeconds: 31_536_000, maxRenewalSeconds: 864_000 };
const TEN_DAYS = 864_000;

describe('V2 hub.lease_seconds decides the lease', () => {
  test.each([
    ['864000', 864_000],
    ['10', 10],
    ['31536000', 31_536_000],
    ['007', 10],
  ])('%j gives a lease of %i s, whatever was requested', (leaseParam, seconds) => {
    for (const requested of [undefined, 60, 10_000_000])
      expect(grantedLease(leaseParam, requested, BOUNDS)).toBe(seconds);
  });

  test.each([undefined, '', '0', '000', '-60', '1e3', 'ten days', '3600.5', ' 60'])(
    '%j counts as the requested lease, or as the default if the default is shorter or no lease was requested',
    (leaseParam) => {
      expect(grantedLease(leaseParam, 60, BOUNDS)).toBe(60);
      expect(grantedLease(leaseParam, TEN_DAYS, BOUNDS)).toBe(86_400);
      expect(grantedLease(leaseParam, undefined, BOUNDS)).toBe(86_400);
    },
  );

  test.each(['31536001', '315360000', '9'.repeat(400)])('%s is cut to the maximum', (leaseParam) => {
    expect(grantedLease(leaseParam, 60, BOUNDS)).toBe(31_536_000);
  });
});

describe('L1 the renewal', () => {
  const renewalAfter = (leaseSeconds: number, random: number, rules = {}): number =>
    renewalTime(0, leaseSeconds, { verifyTimeoutSeconds: 60, maxRenewalSeconds: TEN_DAYS, ...rules }, random);

  test('lies at a random point between 70 and 90 % of a long lease', () => {
    expect(renewalAfter(TEN_DAYS, 0)).toBe(0.7 * TEN_DAYS * 1000);
    expect(renewalAfter(TEN_DAYS, 0.5)).toBe(0.8 * TEN_DAYS * 1000);
    expect(renewalAfter(TEN_DAYS, 1)).toBeCloseTo(0.9 * TEN_DAYS * 1000, -1);
  });

  test('V2 is planned as for a lease of ten days if the lease is one or ten years', () => {
    for (const years of [1, 10]) {
      for (const random of [0, 0.5, 1]) {
        expect(renewalAfter(years * 31_536_000, random)).toBe(renewalAfter(TEN_DAYS, random));
      }
    }
    expect(renewalAfter(TEN_DAYS, 0.5, { maxRenewalSeconds: 86_400 })).toBe(0.8 * 86_400_000);
  });

  test('leaves time for five tries before the lease ends, but at most half of a short lease', () => {
    expect(renewalAfter(1_000, 1)).toBe(700_000);
    expect(renewalAfter(100, 1)).toBe(50_000);
    expect(renewalAfter(10, 0)).toBe(5_000);
  });

  test('leaves time for five tries in any lease from 10 seconds to a year', () => {
    const lease = fc.integer({ min: 10, max: 31_536_000 });
    const timeout = fc.integer({ min: 1, max: 600 });
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(lease, timeout, random, (leaseSeconds, verifyTimeoutSeconds, chance) => {
        const renewsAt = renewalAfter(leaseSeconds, chance, { verifyTimeoutSeconds });
        const countedSeconds = Math.min(leaseSeconds, TEN_DAYS);
        const reserve = Math.min(countedSeconds * 500, verifyTimeoutSeconds * 5_000);
        expect(renewsAt).toBeGreaterThanOrEqual(
          Math.floor(Math.min(0.7 * countedSeconds * 1000, countedSeconds * 500)),
        );
        expect(renewsAt).toBeLessThanOrEqual(countedSeconds * 1000 - reserve);
        const tries = reserve / verifyTimeoutMs(verifyTimeoutSeconds, leaseSeconds);
        expect(tries).toBeGreaterThanOrEqual(4.99);
      }),
    );
  });
});

describe('L1 the time a hub has to verify', () => {
  test('is the configured time if the lease is long or unknown', () => {
    expect(verifyTimeoutMs(60, undefined)).toBe(60_000);
    expect(verifyTimeoutMs(60, 864_000)).toBe(60_000);
  });

  test('shrinks with a short lease, but not below a second', () => {
    expect(verifyTimeoutMs(60, 100)).toBe(10_000);
    expect(verifyTimeoutMs(60, 10)).toBe(1_000);
    expect(verifyTimeoutMs(60, 1)).toBe(1_000);
  });
});
