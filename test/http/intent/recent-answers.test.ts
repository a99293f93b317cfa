import { describe, expect, test } from 'vitest';
import { NoticeThrottle, RecentAnswers } from '../../../src/http/intent/recent-answers.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import type { StoredSubscription } from '../../../src/subscription/registry/registry.js';
import { active } from '../../subscription/machine/subscription-machine.js';

const storedSubscription = (): StoredSubscription => ({
  record: active().record,
  counters: new Counters('s', new Set()),
  keys: [],
});

const MINUTE = 60_000;

describe('V9 a recent answer', () => {
  test('is remembered for a minute, for its own subscription and key only', () => {
    const [subscription, otherSubscription] = [storedSubscription(), storedSubscription()];
    const recentAnswers = new RecentAnswers<string>();
    recentAnswers.set(subscription, 'subscribe g1', 'yes', 1_000);
    expect(recentAnswers.get(subscription, 'subscribe g1', 1_000)).toBe('yes');
    expect(recentAnswers.get(subscription, 'subscribe g1', 1_000 + MINUTE - 1)).toBe('yes');
    expect(recentAnswers.get(subscription, 'subscribe g1', 1_000 + MINUTE)).toBeUndefined();
    expect(recentAnswers.get(subscription, 'unsubscribe g1', 1_000)).toBeUndefined();
    expect(recentAnswers.get(otherSubscription, 'subscribe g1', 1_000)).toBeUndefined();
  });

  test('is forgotten if the clock is set back, because it would last longer than a minute', () => {
    const subscription = storedSubscription();
    const recentAnswers = new RecentAnswers<string>();
    recentAnswers.set(subscription, 'subscribe g1', 'yes', 100_000);
    expect(recentAnswers.get(subscription, 'subscribe g1', 99_999)).toBeUndefined();
  });

  test('can be replaced and deleted', () => {
    const subscription = storedSubscription();
    const recentAnswers = new RecentAnswers<string>();
    recentAnswers.set(subscription, 'a', 'yes', 0);
    recentAnswers.set(subscription, 'a', 'no', 30_000);
    expect(recentAnswers.get(subscription, 'a', MINUTE + 29_999)).toBe('no');
    recentAnswers.delete(subscription, 'a');
    expect(recentAnswers.get(subscription, 'a', 30_000)).toBeUndefined();
    recentAnswers.delete(storedSubscription(), 'a');
  });

  test('is removed when its subscription has 64 newer answers', () => {
    const subscription = storedSubscription();
    const recentAnswers = new RecentAnswers<number>();
    for (let index = 0; index < 65; index += 1) recentAnswers.set(subscription, `k${index}`, index, 0);
    expect(recentAnswers.get(subscription, 'k0', 0)).toBeUndefined();
    expect(recentAnswers.get(subscription, 'k1', 0)).toBe(1);
    recentAnswers.set(subscription, 'k1', 1, 0);
    recentAnswers.set(subscription, 'k65', 65, 0);
    expect([recentAnswers.get(subscription, 'k1', 0), recentAnswers.get(subscription, 'k2', 0)]).toEqual([
      1,
      undefined,
    ]);
  });
});

test('N1 N3 a notice is limited to one a minute per subscription and key, and a refused claim does not count', () => {
  const subscription = storedSubscription();
  const throttle = new NoticeThrottle();
  expect(throttle.claim(subscription, 'denied g1', 0)).toBe(true);
  expect(throttle.claim(subscription, 'denied g1', MINUTE - 1)).toBe(false);
  expect(throttle.claim(subscription, 'hub-error g1', 1)).toBe(true);
  expect(throttle.claim(storedSubscription(), 'denied g1', 1)).toBe(true);
  expect(throttle.claim(subscription, 'denied g1', MINUTE)).toBe(true);
});
