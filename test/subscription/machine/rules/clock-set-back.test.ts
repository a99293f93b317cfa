import { describe, expect, test } from 'vitest';
import { isAffectedByClockSetBack } from '../../../../src/subscription/machine/rules/clock-set-back.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { active, DAY, SubscriptionMachine, verifying } from '../subscription-machine.js';

const dueIn = (machine: SubscriptionMachine): number => (dueAt(machine.record) ?? Infinity) - machine.now;

describe('after the clock was set back by a day', () => {
  test('L1 a grant that was verified in the future by the new clock is renewed at once', () => {
    const machine = active().after(-DAY);
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(true);
    expect(machine.due().actions).toEqual(['discover']);
    machine.discovered().requested().verified();
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
    expect(machine.grant.expiresAt).toBe(machine.now + 10 * DAY);
  });

  test('L1 a failed renewal is not repeated at once, but within an hour', () => {
    const machine = active().due(-DAY).discovered().requested().unreachable();
    expect(machine.due().actions).toEqual([]);
    expect(dueIn(machine)).toBeLessThanOrEqual(3_600_000);
  });

  test('L3 a planned catch-up runs within an hour, and a failing one is given up in time', () => {
    const machine = active().after(DAY);
    machine.apply({ type: 'resumed', receivedUntil: machine.now, fetchAt: machine.now + 1_000 });
    machine.after(-DAY);
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(true);
    machine.due();
    expect(machine.record.catchUp).toMatchObject({ at: machine.now + 3_600_000, requestedAt: machine.now });
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
  });

  test("L3 a catch-up that waits for the publisher's Retry-After keeps its time", () => {
    const machine = active().due(10 * DAY);
    const until = machine.now + 80_000_000;
    machine.apply({ type: 'publisher-retry-after', retryAfter: { url: 'https://publisher.example/feed', until } });
    machine.apply({ type: 'catch-up-failed', notBefore: until });
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
  });

  test('the next poll runs at once', () => {
    const machine = new SubscriptionMachine();
    machine.rules = { ...machine.rules, pollSeconds: 600 };
    machine.apply({ type: 'wanted' }).discovered();
    machine.apply({ type: 'polled', fetched: { topic: 'https://publisher.example/feed' }, missing: [] });
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
    machine.after(-30_000);
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
    machine.after(-DAY);
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(true);
    expect(machine.due().record.poll?.at).toBe(machine.now);
  });

  test('L2 an open request fails at once, instead of a day later', () => {
    expect(verifying().due(-DAY).actions).toEqual(['hook failed']);
  });

  test('L2 S3 a wait that would now be longer than a day ends at once', () => {
    const machine = verifying().unreachable(80_000).due(-DAY);
    expect(machine.actions).toEqual(['subscribe']);
  });

  test('N1 a denial is checked with the hub at once, not a day later', () => {
    const machine = active().after(DAY).denied().after(-DAY);
    machine.record = { ...machine.record, lastError: undefined };
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(true);
    expect(machine.due().actions).toContain('subscribe');
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
  });

  test('N1 another denial is ignored for a minute, and then counts', () => {
    const machine = active().after(DAY).denied().after(-DAY).due();
    const { record } = machine;
    expect(record.grants[0]?.deniedAt).toBe(machine.now);
    expect(machine.denied('g1').record).toBe(record);
    expect(machine.after(60_000).denied('g1').actions).toEqual(['hook denied']);
  });

  test('N1 a check under the only callback waits an hour at most', () => {
    const machine = new SubscriptionMachine();
    machine.hasOneCallback = true;
    machine.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
    machine
      .after(2 * DAY)
      .denied()
      .due(90_000)
      .requested()
      .accepted()
      .verified();
    machine.after(-DAY).due();
    expect(machine.grant.denialCheckedAt).toBe(machine.now);
    machine.discovered().requested().accepted().verified().denied();
    expect(dueIn(machine)).toBe(3_600_000);
  });

  test('V9 a late verification is accepted for no longer than usual', () => {
    const machine = verifying().accepted().due(60_000);
    machine.after(-DAY).due();
    expect(machine.grant.lateUntil).toBe(machine.now + 600_000);
  });
});

describe('after the clock was set back by two hours', () => {
  test('V4 the hour until a renewal can be brought forward again starts at the new time', () => {
    const machine = active().after(DAY).verified('600');
    expect(machine.grant.broughtForwardAt).toBe(machine.now);
    machine.after(-7_200_000).due();
    const { now } = machine;
    expect(machine.grant.broughtForwardAt).toBe(now);
    machine.discovered().requested().accepted().verified();
    expect(machine.after(3_599_000).verified('600').grant.broughtForwardAt).toBe(now);
    expect(machine.after(1_000).verified('600').grant.broughtForwardAt).toBe(machine.now);
  });

  test('N3 the hour without a hub error starts at the new time', () => {
    const machine = active().hubError().after(-7_200_000).due();
    expect(machine.grant).toMatchObject({ hubErrorAt: machine.now, grantedAt: machine.now });
    expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
  });
});

test('a clock correction of seconds changes nothing', () => {
  const machine = active().after(-30_000);
  const { record } = machine;
  expect(isAffectedByClockSetBack(record, machine)).toBe(false);
  expect(machine.due().record).toBe(record);
});

test('L3 a clock that was set forward starts only renewals that are due at the new time', () => {
  expect(active().due(DAY).actions).toEqual([]);
  expect(active().due(9 * DAY).actions).toEqual(['discover']);
});

test('L2 the time of a failure in the future is corrected, and the next request is sent at once', () => {
  const machine = verifying().after(3_600_000).unreachable(3_600).due(-3_600_000);
  expect(machine.actions).toEqual(['subscribe']);
  expect(machine.record.lastError?.at).toBe(machine.now);
  expect(isAffectedByClockSetBack(machine.record, machine)).toBe(false);
});
