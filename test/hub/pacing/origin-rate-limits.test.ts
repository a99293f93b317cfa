import { beforeEach, describe, expect, test } from 'vitest';
import { OriginRateLimits, type OutgoingRequest } from '../../../src/hub/pacing/origin-rate-limits.js';

const HUB = 'https://hub.example/subscribe';
const MINUTE = 60_000;
const HOUR = 3_600_000;

let now: number;
let random: number;
let holds: OriginRateLimits;

beforeEach(() => {
  now = 1_000_000;
  random = 0.5;
  holds = new OriginRateLimits({ now: () => now, random: () => random });
});

const request = (grantId: string, expiresAt?: number): OutgoingRequest => ({
  subscriptionId: `s-${grantId}`,
  grantId,
  expiresAt,
});

describe('S3 an origin that answered 429', () => {
  test('is left alone for its Retry-After, and no other origin is', () => {
    expect(holds.limit(HUB, 120)).toBe(now + 2 * MINUTE);
    expect(holds.wouldDefer('https://hub.example/other', request('a'))).toBe(true);
    expect(holds.deferUntil('https://hub.example/other', request('a'))).toBe(now + 2 * MINUTE + 30_000);
    for (const url of ['https://other.example/', 'http://hub.example/', 'https://hub.example:8443/', 'no URL']) {
      expect(holds.deferUntil(url, request('a'))).toBeUndefined();
    }
    now += 2 * MINUTE;
    expect(holds.wouldDefer(HUB, request('a'))).toBe(false);
    expect(holds.deferUntil(HUB, request('a'))).toBeUndefined();
  });

  test('is left alone for an hour at most', () => {
    expect(holds.limit(HUB, 86_400)).toBe(now + HOUR);
  });

  test('is left alone for as long as its last word asks, and told of once', () => {
    holds.limit(HUB, 60);
    expect(holds.limit(HUB, 600)).toBeUndefined();
    expect(holds.limit(HUB, 30)).toBeUndefined();
    random = 0;
    expect(holds.deferUntil(HUB, request('a'))).toBe(now + 10 * MINUTE);
  });

  test('is not held without a Retry-After', () => {
    expect(holds.limit(HUB, 0)).toBeUndefined();
    expect(holds.deferUntil(HUB, request('a'))).toBeUndefined();
  });

  test('is asked again within a minute afterwards, sooner where a lease ends soon', () => {
    holds.limit(HUB, 60);
    const end = now + MINUTE;
    random = 0;
    expect(holds.deferUntil(HUB, request('a'))).toBe(end);
    random = 0.999;
    expect(holds.deferUntil(HUB, request('a'))).toBe(end + 59_940);
    expect(holds.deferUntil(HUB, request('a', end + 2_000))).toBe(end + 999);
  });

  test('is not held for longer by a clock that was set back', () => {
    holds.limit(HUB, 3_600);
    now -= HOUR;
    expect(holds.deferUntil(HUB, request('a'))).toBeUndefined();
  });
});

describe('S3 a lease that would run out within the hold', () => {
  test('may be asked for once a minute, each in its turn', () => {
    const start = now;
    holds.limit(HUB, 600);
    const urgent = (id: string) => request(id, start + 5 * MINUTE);
    expect(holds.deferUntil(HUB, urgent('a'))).toBeUndefined();
    expect(holds.deferUntil(HUB, urgent('b'))).toBe(start + MINUTE);
    expect(holds.deferUntil(HUB, urgent('c'))).toBe(start + 2 * MINUTE);
    // Whoever comes twice keeps its turn.
    expect(holds.deferUntil(HUB, urgent('b'))).toBe(start + MINUTE);
    now = start + MINUTE;
    expect(holds.wouldDefer(HUB, urgent('c'))).toBe(true);
    expect(holds.wouldDefer(HUB, urgent('b'))).toBe(false);
    expect(holds.deferUntil(HUB, urgent('b'))).toBeUndefined();
    expect(holds.deferUntil(HUB, urgent('d'))).toBe(start + 3 * MINUTE);
  });

  test('waits for the end where its turn would come no sooner', () => {
    holds.limit(HUB, 90);
    const urgent = (id: string) => request(id, now + MINUTE);
    expect(holds.deferUntil(HUB, urgent('a'))).toBeUndefined();
    expect(holds.deferUntil(HUB, urgent('b'))).toBe(now + MINUTE);
    expect(holds.deferUntil(HUB, urgent('c'))).toBe(now + 90_000 + 30_000);
  });

  test('is not one that lasts until the hold is over', () => {
    holds.limit(HUB, 600);
    expect(holds.deferUntil(HUB, request('a', now + 10 * MINUTE + 1))).toBeGreaterThanOrEqual(now + 10 * MINUTE);
  });
});

describe('S3 a retry of the user', () => {
  test('goes at once, each grant once', () => {
    holds.limit(HUB, 600);
    holds.bypass('s-a');
    expect(holds.wouldDefer(HUB, request('a'))).toBe(false);
    expect(holds.deferUntil(HUB, request('a'))).toBeUndefined();
    expect(holds.deferUntil(HUB, { subscriptionId: 's-a', grantId: 'another' })).toBeUndefined();
    expect(holds.deferUntil(HUB, request('a'))).toBeGreaterThan(now);
    expect(holds.deferUntil(HUB, request('b'))).toBeGreaterThan(now);
  });

  test('goes at once also where the hub redirects to another origin that is held', () => {
    const other = 'https://other.example/';
    for (const url of [HUB, other]) holds.limit(url, 600);
    holds.bypass('s-a');
    expect(holds.deferUntil(HUB, request('a'))).toBeUndefined();
    expect(holds.deferUntil(other, request('a'))).toBeUndefined();
    expect(holds.deferUntil(other, request('a'))).toBeGreaterThan(now);
  });

  test('is good for ten minutes', () => {
    holds.limit(HUB, 3_600);
    holds.bypass('s-a');
    now += 10 * MINUTE;
    expect(holds.deferUntil(HUB, request('a'))).toBeGreaterThan(now);
  });
});

test('what is remembered is bounded', () => {
  for (let index = 0; index <= 10_000; index += 1) holds.limit(`https://hub-${index}.example/`, 600);
  expect(holds.deferUntil('https://hub-0.example/', request('a'))).toBeUndefined();
  expect(holds.deferUntil('https://hub-10000.example/', request('a'))).toBeGreaterThan(now);
});
