import { describe, expect, test } from 'vitest';
import { isScheduledByAnotherClock } from '../../src/subscription/clock-jump.js';
import { dueAt } from '../../src/subscription/due.js';
import { active, DAY, Life, verifying } from './life.js';

const soon = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

describe('a clock that was set back by a day', () => {
  test('L1 renews at once what was verified in what is the future now', () => {
    const life = active().after(-DAY);
    expect(isScheduledByAnotherClock(life.record, life)).toBe(true);
    expect(life.due().asked).toEqual(['discover']);
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(isScheduledByAnotherClock(life.record, life)).toBe(false);
    expect(life.grant.expiresAt).toBe(life.now + 10 * DAY);
  });

  test('L1 renews once, and where that fails again in good time', () => {
    const life = active().due(-DAY).discovered().requested({ requestId: 'r1' }).unreachable();
    expect(life.due().asked).toEqual([]);
    expect(soon(life)).toBeLessThanOrEqual(3_600_000);
  });

  test('L2 gives a hub no longer to verify than it ever has', () => {
    expect(verifying().due(-DAY).asked).toEqual(['tell failed']);
  });

  test('L2 S3 lets nothing wait for longer than a day', () => {
    const life = verifying().unreachable(80_000).due(-DAY);
    expect(life.asked).toEqual(['subscribe']);
  });
});

test('a clock that was put right by seconds changes nothing', () => {
  const life = active().after(-30_000);
  const { record } = life;
  expect(isScheduledByAnotherClock(record, life)).toBe(false);
  expect(life.due().record).toBe(record);
});

test('L3 a clock that was set forth renews what has come due by it, and no more', () => {
  expect(active().due(DAY).asked).toEqual([]);
  expect(active().due(9 * DAY).asked).toEqual(['discover']);
});

test('L2 a failure in what is the future now lets nothing wait for it, and once', () => {
  const life = verifying().after(3_600_000).unreachable(3_600).due(-3_600_000);
  expect(life.asked).toEqual(['subscribe']);
  expect(life.record.lastError?.at).toBe(life.now);
  expect(isScheduledByAnotherClock(life.record, life)).toBe(false);
});
