import { describe, expect, test } from 'vitest';
import { NoticeThrottle, RecentAnswers } from '../../../src/http/intent/recent-answers.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import type { StoredSubscription } from '../../../src/subscription/registry/registry.js';
import { active } from '../../subscription/machine/life.js';

const entry = (): StoredSubscription => ({ record: active().record, counters: new Counters('s', new Set()), keys: [] });

const MINUTE = 60_000;

describe('V9 what was answered', () => {
  test('is known for a minute, for the same subscription and question alone', () => {
    const [one, other] = [entry(), entry()];
    const recent = new RecentAnswers<string>();
    recent.set(one, 'subscribe g1', 'yes', 1_000);
    expect(recent.get(one, 'subscribe g1', 1_000)).toBe('yes');
    expect(recent.get(one, 'subscribe g1', 1_000 + MINUTE - 1)).toBe('yes');
    expect(recent.get(one, 'subscribe g1', 1_000 + MINUTE)).toBeUndefined();
    expect(recent.get(one, 'unsubscribe g1', 1_000)).toBeUndefined();
    expect(recent.get(other, 'subscribe g1', 1_000)).toBeUndefined();
  });

  test('is not known by a clock that was set back since: it would be for longer than a minute', () => {
    const one = entry();
    const recent = new RecentAnswers<string>();
    recent.set(one, 'subscribe g1', 'yes', 100_000);
    expect(recent.get(one, 'subscribe g1', 99_999)).toBeUndefined();
  });

  test('may be forgotten, or be another one since', () => {
    const one = entry();
    const recent = new RecentAnswers<string>();
    recent.set(one, 'a', 'yes', 0);
    recent.set(one, 'a', 'no', 30_000);
    expect(recent.get(one, 'a', MINUTE + 29_999)).toBe('no');
    recent.delete(one, 'a');
    expect(recent.get(one, 'a', 30_000)).toBeUndefined();
    recent.delete(entry(), 'a');
  });

  test('takes no more room for all that is asked: of 64 the oldest goes', () => {
    const one = entry();
    const recent = new RecentAnswers<number>();
    for (let index = 0; index < 65; index += 1) recent.set(one, `k${index}`, index, 0);
    expect(recent.get(one, 'k0', 0)).toBeUndefined();
    expect(recent.get(one, 'k1', 0)).toBe(1);
    recent.set(one, 'k1', 1, 0);
    recent.set(one, 'k65', 65, 0);
    expect([recent.get(one, 'k1', 0), recent.get(one, 'k2', 0)]).toEqual([1, undefined]);
  });
});

test('N1 N3 what happens once a minute is told apart by its key, and a refused claim is no claim', () => {
  const one = entry();
  const once = new NoticeThrottle();
  expect(once.claim(one, 'denied g1', 0)).toBe(true);
  expect(once.claim(one, 'denied g1', MINUTE - 1)).toBe(false);
  expect(once.claim(one, 'hub-error g1', 1)).toBe(true);
  expect(once.claim(entry(), 'denied g1', 1)).toBe(true);
  expect(once.claim(one, 'denied g1', MINUTE)).toBe(true);
});
