import { describe, expect, test } from 'vitest';
import { isAffectedByClockSetBack } from '../../../../src/subscription/machine/rules/clock-set-back.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { active, DAY, Life, verifying } from '../life.js';

const dueIn = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

describe('a clock that was set back by a day', () => {
  test('L1 renews at once a grant that was verified in the future by the new clock', () => {
    const life = active().after(-DAY);
    expect(isAffectedByClockSetBack(life.record, life)).toBe(true);
    expect(life.due().actions).toEqual(['discover']);
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(isAffectedByClockSetBack(life.record, life)).toBe(false);
    expect(life.grant.expiresAt).toBe(life.now + 10 * DAY);
  });

  test('L1 renews once, and retries in good time if that fails', () => {
    const life = active().due(-DAY).discovered().requested({ requestId: 'r1' }).unreachable();
    expect(life.due().actions).toEqual([]);
    expect(dueIn(life)).toBeLessThanOrEqual(3_600_000);
  });

  test('L2 gives a hub no longer to verify than usual', () => {
    expect(verifying().due(-DAY).actions).toEqual(['hook failed']);
  });

  test('L2 S3 lets nothing wait longer than a day', () => {
    const life = verifying().unreachable(80_000).due(-DAY);
    expect(life.actions).toEqual(['subscribe']);
  });
});

describe('a clock that was set back by a day, after a denial', () => {
  test('N1 checks the denial with the hub at once, not a day later', () => {
    const life = active().after(DAY).denied().after(-DAY);
    life.record = { ...life.record, lastError: undefined };
    expect(isAffectedByClockSetBack(life.record, life)).toBe(true);
    expect(life.due().actions).toContain('subscribe');
    expect(isAffectedByClockSetBack(life.record, life)).toBe(false);
  });

  test('N1 treats the next denial as new, and ignores others within the minute', () => {
    const life = active().after(DAY).denied().after(-DAY).due();
    const { record } = life;
    expect(record.grants[0]?.deniedAt).toBe(life.now);
    expect(life.denied('g1').record).toBe(record);
    expect(life.after(60_000).denied('g1').actions).toEqual(['hook denied']);
  });

  test('N1 lets a check under the only callback wait an hour at most', () => {
    const life = new Life();
    life.hasOneCallback = true;
    life.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
    life
      .after(2 * DAY)
      .denied()
      .due(90_000)
      .requested({ requestId: 'r2' })
      .accepted({ requestId: 'r2' })
      .verified();
    life.after(-DAY).due();
    expect(life.grant.denialCheckedAt).toBe(life.now);
    life.discovered().requested({ requestId: 'r3' }).accepted({ requestId: 'r3' }).verified().denied();
    expect(dueIn(life)).toBe(3_600_000);
  });

  test('V9 accepts a late verification for no longer than usual', () => {
    const life = verifying().accepted().due(60_000);
    life.after(-DAY).due();
    expect(life.grant.lateUntil).toBe(life.now + 600_000);
  });
});

describe('a clock that was set back by two hours', () => {
  test('V4 lets a shorter lease bring a renewal forward again after an hour', () => {
    const life = active().after(DAY).verified('600');
    expect(life.grant.broughtForwardAt).toBe(life.now);
    life.after(-7_200_000).due();
    expect(life.grant.broughtForwardAt).toBe(life.now);
  });

  test('N3 counts the hour without a hub error by the new clock', () => {
    const life = active().hubError().after(-7_200_000).due();
    expect(life.grant).toMatchObject({ hubErrorAt: life.now, grantedAt: life.now });
    expect(isAffectedByClockSetBack(life.record, life)).toBe(false);
  });
});

test('a clock correction of seconds changes nothing', () => {
  const life = active().after(-30_000);
  const { record } = life;
  expect(isAffectedByClockSetBack(record, life)).toBe(false);
  expect(life.due().record).toBe(record);
});

test('L3 a clock that was set forward renews what is due by it, and nothing else', () => {
  expect(active().due(DAY).actions).toEqual([]);
  expect(active().due(9 * DAY).actions).toEqual(['discover']);
});

test('L2 a failure in the future by the new clock delays nothing, and is corrected once', () => {
  const life = verifying().after(3_600_000).unreachable(3_600).due(-3_600_000);
  expect(life.actions).toEqual(['subscribe']);
  expect(life.record.lastError?.at).toBe(life.now);
  expect(isAffectedByClockSetBack(life.record, life)).toBe(false);
});
