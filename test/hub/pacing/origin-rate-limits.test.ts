import { beforeEach, describe, expect, test } from 'vitest';
import { OriginRateLimits, type DeferrableRequest } from '../../../src/hub/pacing/origin-rate-limits.js';

const HUB = 'https://hub.example/subscribe';
const MINUTE = 60_000;
const HOUR = 3_600_000;

let now: number;
let random: number;
let rateLimits: OriginRateLimits;

beforeEach(() => {
  now = 1_000_000;
  random = 0.5;
  rateLimits = new OriginRateLimits({ now: () => now, random: () => random });
});

const request = (grantId: string, expiresAt?: number): DeferrableRequest => ({
  subscriptionId: `s-${grantId}`,
  grantId,
  expiresAt,
});

describe('S3 an origin that answered 429', () => {
  test('is rate limited for the time of its Retry-After, and other origins are not', () => {
    expect(rateLimits.limit(HUB, 120)).toBe(now + 2 * MINUTE);
    expect(rateLimits.wouldDefer('https://hub.example/other', request('a'))).toBe(true);
    expect(rateLimits.deferUntil('https://hub.example/other', request('a'))).toBe(now + 2 * MINUTE + 30_000);
    for (const url of ['https://other.example/', 'http://hub.example/', 'https://hub.example:8443/', 'no URL']) {
      expect(rateLimits.deferUntil(url, request('a'))).toBeUndefined();
    }
    now += 2 * MINUTE;
    expect(rateLimits.wouldDefer(HUB, request('a'))).toBe(false);
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeUndefined();
  });

  test('is rate limited for an hour at most', () => {
    expect(rateLimits.limit(HUB, 86_400)).toBe(now + HOUR);
  });

  test('is rate limited until the latest of its Retry-After times, and reported once', () => {
    rateLimits.limit(HUB, 60);
    expect(rateLimits.limit(HUB, 600)).toBeUndefined();
    expect(rateLimits.limit(HUB, 30)).toBeUndefined();
    random = 0;
    expect(rateLimits.deferUntil(HUB, request('a'))).toBe(now + 10 * MINUTE);
  });

  test('is not rate limited without a Retry-After', () => {
    expect(rateLimits.limit(HUB, 0)).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeUndefined();
  });

  test('gets deferred requests within a minute afterwards, sooner if a lease ends soon', () => {
    rateLimits.limit(HUB, 60);
    const end = now + MINUTE;
    random = 0;
    expect(rateLimits.deferUntil(HUB, request('a'))).toBe(end);
    random = 0.999;
    expect(rateLimits.deferUntil(HUB, request('a'))).toBe(end + 59_940);
    expect(rateLimits.deferUntil(HUB, request('a', end + 2_000))).toBe(end + 999);
  });

  test('is not rate limited for longer if the clock is set back', () => {
    rateLimits.limit(HUB, 3_600);
    now -= HOUR;
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeUndefined();
  });
});

describe('S3 a request to a rate limited origin', () => {
  test('is sent in its slot, one slot a minute, if its lease ends during the rate limit', () => {
    const start = now;
    rateLimits.limit(HUB, 600);
    const urgent = (id: string) => request(id, start + 5 * MINUTE);
    expect(rateLimits.deferUntil(HUB, urgent('a'))).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, urgent('b'))).toBe(start + MINUTE);
    expect(rateLimits.deferUntil(HUB, urgent('c'))).toBe(start + 2 * MINUTE);
    // A request that asks twice keeps its slot.
    expect(rateLimits.deferUntil(HUB, urgent('b'))).toBe(start + MINUTE);
    now = start + MINUTE;
    expect(rateLimits.wouldDefer(HUB, urgent('c'))).toBe(true);
    expect(rateLimits.wouldDefer(HUB, urgent('b'))).toBe(false);
    expect(rateLimits.deferUntil(HUB, urgent('b'))).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, urgent('d'))).toBe(start + 3 * MINUTE);
  });

  test('waits for the end of the limit if its slot would come later', () => {
    rateLimits.limit(HUB, 90);
    const urgent = (id: string) => request(id, now + MINUTE);
    expect(rateLimits.deferUntil(HUB, urgent('a'))).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, urgent('b'))).toBe(now + MINUTE);
    expect(rateLimits.deferUntil(HUB, urgent('c'))).toBe(now + 90_000 + 30_000);
  });

  test('waits for the end of the limit if its lease outlasts the limit', () => {
    rateLimits.limit(HUB, 600);
    expect(rateLimits.deferUntil(HUB, request('a', now + 10 * MINUTE + 1))).toBeGreaterThanOrEqual(now + 10 * MINUTE);
  });
});

describe('S3 a retry by the user', () => {
  test('is sent at once, once per grant', () => {
    rateLimits.limit(HUB, 600);
    rateLimits.bypass('s-a');
    expect(rateLimits.wouldDefer(HUB, request('a'))).toBe(false);
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, { subscriptionId: 's-a', grantId: 'another' })).toBeUndefined();
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeGreaterThan(now);
    expect(rateLimits.deferUntil(HUB, request('b'))).toBeGreaterThan(now);
  });

  test('is sent at once also to another rate limited origin that the hub redirects to', () => {
    const other = 'https://other.example/';
    for (const url of [HUB, other]) rateLimits.limit(url, 600);
    rateLimits.bypass('s-a');
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeUndefined();
    expect(rateLimits.deferUntil(other, request('a'))).toBeUndefined();
    expect(rateLimits.deferUntil(other, request('a'))).toBeGreaterThan(now);
  });

  test('bypasses the rate limit for ten minutes', () => {
    rateLimits.limit(HUB, 3_600);
    rateLimits.bypass('s-a');
    now += 10 * MINUTE;
    expect(rateLimits.deferUntil(HUB, request('a'))).toBeGreaterThan(now);
  });
});

test('the number of remembered origins is bounded', () => {
  for (let index = 0; index <= 10_000; index += 1) rateLimits.limit(`https://hub-${index}.example/`, 600);
  expect(rateLimits.deferUntil('https://hub-0.example/', request('a'))).toBeUndefined();
  expect(rateLimits.deferUntil('https://hub-10000.example/', request('a'))).toBeGreaterThan(now);
});
