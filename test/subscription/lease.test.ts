import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grantedLease, renewalTime, verifyTimeoutMs } from '../../src/subscription/lease.js';

const BOUNDS = { defaultLeaseSeconds: 86_400, maxLeaseSeconds: 31_536_000 };

describe('V2 hub.lease_seconds decides the lease', () => {
  test.each([
    ['864000', 864_000],
    ['10', 10],
    ['31536000', 31_536_000],
    ['007', 7],
  ])('%s is taken as it is', (given, seconds) => {
    expect(grantedLease(given, BOUNDS)).toEqual({ seconds });
  });

  test.each([
    [undefined, 'missing'],
    ['', '""'],
    ['0', '"0"'],
    ['-60', '"-60"'],
    ['1e3', '"1e3"'],
    ['ten days', '"ten days"'],
    ['3600.5', '"3600.5"'],
  ])('%s is taken as the default, with a warning', (given, named) => {
    const { seconds, warning } = grantedLease(given, BOUNDS);
    expect(seconds).toBe(86_400);
    expect(warning).toContain(named);
    expect(warning).toContain('86400');
  });

  test.each(['31536001', '9'.repeat(400)])('%s is cut to the cap, with a warning', (given) => {
    const { seconds, warning } = grantedLease(given, BOUNDS);
    expect(seconds).toBe(31_536_000);
    expect(warning).toContain('cut');
  });

  test('the warning does not repeat a value without end', () => {
    expect(grantedLease('x'.repeat(10_000), BOUNDS).warning?.length).toBeLessThan(150);
  });
});

describe('L1 the renewal', () => {
  test('lies at a random point between 70 and 90 % of a long lease', () => {
    const tenDays = 864_000;
    expect(renewalTime(0, tenDays, 60, 0)).toBe(0.7 * tenDays * 1000);
    expect(renewalTime(0, tenDays, 60, 0.5)).toBe(0.8 * tenDays * 1000);
    expect(renewalTime(0, tenDays, 60, 1)).toBeCloseTo(0.9 * tenDays * 1000, -1);
  });

  test('leaves time for five tries before a short lease ends, or half of it', () => {
    expect(renewalTime(0, 1_000, 60, 1)).toBe(700_000);
    expect(renewalTime(0, 100, 60, 1)).toBe(50_000);
    expect(renewalTime(0, 10, 60, 0)).toBe(5_000);
  });

  test('fits with its tries into any lease from 10 seconds to a year', () => {
    const lease = fc.integer({ min: 10, max: 31_536_000 });
    const timeout = fc.integer({ min: 1, max: 600 });
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(lease, timeout, random, (leaseSeconds, timeoutSeconds, chance) => {
        const renewsAt = renewalTime(0, leaseSeconds, timeoutSeconds, chance);
        const reserve = Math.min(leaseSeconds * 500, timeoutSeconds * 5_000);
        expect(renewsAt).toBeGreaterThanOrEqual(Math.floor(Math.min(0.7 * leaseSeconds * 1000, leaseSeconds * 500)));
        expect(renewsAt).toBeLessThanOrEqual(leaseSeconds * 1000 - reserve);
        const tries = reserve / verifyTimeoutMs(timeoutSeconds, leaseSeconds);
        expect(tries).toBeGreaterThanOrEqual(4.99);
      }),
    );
  });
});

describe('L1 the time a hub has for verifying', () => {
  test('is what is configured, also where no lease is known', () => {
    expect(verifyTimeoutMs(60, undefined)).toBe(60_000);
    expect(verifyTimeoutMs(60, 864_000)).toBe(60_000);
  });

  test('shrinks with a short lease, to a second at least', () => {
    expect(verifyTimeoutMs(60, 100)).toBe(10_000);
    expect(verifyTimeoutMs(60, 10)).toBe(1_000);
    expect(verifyTimeoutMs(60, 1)).toBe(1_000);
  });
});
