import { describe, expect, test } from 'vitest';
import { NoticeThrottle, RecentAnswers } from '../../../src/http/intent/recent-answers.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import type { StoredSubscription } from '../../../src/subscription/registry/registry.js';
import { active } from '../../subscription/machine/life.js';

const storedSubscription = (): StoredSubscription => ({
  record: active().record,
  counters: new Counters('s', new Set()),
  keys: [],
});

const MINUTE = 60_000;

describe('V9 a recent answer', () => {
  test('is remembered for a minute, for its own subscription and key only', () => {
    const [stored, other] = [storedSubscription(), storedSubscription()];
    const recent = new RecentAnswers<string>();
    recent.set(stored, 'subscribe g1', 'yes', 1_000);
    expect(recent.get(stored, 'subscribe g1', 1_000)).toBe('yes');
    expect(recent.get(stored, 'subscribe g1', 1_000 + MINUTE - 1)).toBe('yes');
    expect(recent.get(stored, 'subscribe g1', 1_000 + MINUTE)).toBeUndefined();
    expect(recent.get(stored, 'unsubscribe g1', 1_000)).toBeUndefined();
    expect(recent.get(other, 'subscribe g1', 1_000)).toBeUndefined();
  });

  test('is forgotten if the clock is set back: it would last longer than a minute', () => {
    const stored = storedSubscription();
    const recent = new RecentAnswers<string>();
    recent.set(stored, 'subscribe g1', 'yes', 100_000);
    expect(recent.get(stored, 'subscribe g1', 99_999)).toBeUndefined();
  });

  test('can be replaced and deleted', () => {
    const stored = storedSubscription();
    const recent = new RecentAnswers<string>();
    recent.set(stored, 'a', 'yes', 0);
    recent.set(stored, 'a', 'no', 30_000);
    expect(recent.get(stored, 'a', MINUTE + 29_999)).toBe('no');
    recent.delete(stored, 'a');
    expect(recent.get(stored, 'a', 30_000)).toBeUndefined();
    recent.delete(storedSubscription(), 'a');
  });

  test('is one of at most 64 per subscription: the oldest is removed', () => {
    const stored = storedSubscription();
    const recent = new RecentAnswers<number>();
    for (let index = 0; index < 65; index += 1) recent.set(stored, `k${index}`, index, 0);
    expect(recent.get(stored, 'k0', 0)).toBeUndefined();
    expect(recent.get(stored, 'k1', 0)).toBe(1);
    recent.set(stored, 'k1', 1, 0);
    recent.set(stored, 'k65', 65, 0);
    expect([recent.get(stored, 'k1', 0), recent.get(stored, 'k2', 0)]).toEqual([1, undefined]);
  });
});

test('N1 N3 a notice is limited to one a minute per subscription and key, and a refused claim does not count', () => {
  const stored = storedSubscription();
  const throttle = new NoticeThrottle();
  expect(throttle.claim(stored, 'denied g1', 0)).toBe(true);
  expect(throttle.claim(stored, 'denied g1', MINUTE - 1)).toBe(false);
  expect(throttle.claim(stored, 'hub-error g1', 1)).toBe(true);
  expect(throttle.claim(storedSubscription(), 'denied g1', 1)).toBe(true);
  expect(throttle.claim(stored, 'denied g1', MINUTE)).toBe(true);
});
