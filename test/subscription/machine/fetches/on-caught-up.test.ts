import { describe, expect, test } from 'vitest';
import { active, DAY, SubscriptionMachine, TOPIC } from '../subscription-machine.js';
import { catchUpDueAt } from '../../../../src/subscription/machine/fetches/catch-up-plan.js';

const HOUR = 3_600_000;

/** A subscription whose lease has ended, so that its topic is about to be fetched. */
const catchingUp = (): SubscriptionMachine => active().due(10 * DAY);

const dueIn = ({ record, now }: SubscriptionMachine): number => (catchUpDueAt(record) ?? Infinity) - now;

describe('L3 a catch-up', () => {
  test('is planned for now, and ends with its fetch', () => {
    const machine = catchingUp();
    expect(machine.record.catchUp).toEqual({ id: 'r3', at: machine.now, requestedAt: machine.now });
    machine.apply({ type: 'caught-up', beganAt: machine.now, fetched: { topic: TOPIC } });
    expect(machine.record).not.toHaveProperty('catchUp');
    expect(machine.record.fetched).toEqual({ topic: TOPIC });
  });

  test('is tried again after a failed fetch, with growing waits, and keeps the time of its request', () => {
    const machine = catchingUp();
    const requestedAt = machine.now;
    const waits: number[] = [];
    for (let attempts = 1; attempts <= 12; attempts += 1) {
      machine.apply({ type: 'catch-up-failed', notBefore: 0 });
      waits.push(dueIn(machine));
      expect(machine.record.catchUp).toMatchObject({ attempts, requestedAt });
      machine.after(dueIn(machine));
    }
    expect(waits.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(waits.at(-1)).toBe(HOUR / 2);
  });

  test("is not tried before the publisher's Retry-After", () => {
    const machine = catchingUp();
    machine.apply({ type: 'catch-up-failed', notBefore: machine.now + 2 * HOUR });
    expect(dueIn(machine)).toBe(2 * HOUR);
  });

  test('that ended the process waits until a hub verifies', () => {
    const machine = catchingUp().apply({ type: 'catch-up-skipped' });
    expect(dueIn(machine)).toBe(Infinity);
    machine.after(60_000).discovered().requested().accepted().verified();
    expect(dueIn(machine)).toBe(0);
  });

  test('keeps its plan when a hub verifies a renewal', () => {
    const machine = active().after(DAY);
    machine.apply({ type: 'resumed', receivedUntil: machine.now - HOUR, fetchAt: machine.now + HOUR });
    const { catchUp } = machine.record;
    machine.apply({ type: 'renewal-wanted' }).discovered().requested().accepted().verified();
    expect(machine.record.catchUp).toBe(catchUp);
  });

  test.each(['unsubscribed', 'deleted', 'pruned'] as const)(
    'ends when the subscription is no longer wanted: %s',
    (why) => {
      expect(catchingUp().unwanted(why).record).not.toHaveProperty('catchUp');
    },
  );

  test('is not planned for a topic that cannot be fetched', () => {
    const hub = 'https://hub.example/';
    const machine = new SubscriptionMachine({ target: { hub, topic: 'patient:1' } });
    machine
      .apply({ type: 'wanted' })
      .requested()
      .accepted()
      .verified()
      .due(10 * DAY);
    expect(machine.record.gapSince).toBeDefined();
    expect(machine.record).not.toHaveProperty('catchUp');
    machine.apply({ type: 'resumed', receivedUntil: machine.now - HOUR, fetchAt: machine.now });
    expect(machine.record).not.toHaveProperty('catchUp');
  });

  test('without anything to fetch is dropped, and its gap stays', () => {
    const machine = catchingUp().apply({ type: 'catch-up-dropped' });
    expect(machine.record).not.toHaveProperty('catchUp');
    expect(machine.record.gapSince).toBeDefined();
  });

  test('is not due while the subscription is stopped', () => {
    const machine = catchingUp();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine.discovered().requested().unreachable();
    expect(machine.record.stoppedBecause).toBe('gave-up');
    expect(dueIn(machine)).toBe(Infinity);
  });
});

describe('the result of a catch-up that is not planned any more changes nothing', () => {
  const results = [
    { type: 'caught-up', beganAt: 0, fetched: { topic: TOPIC } },
    { type: 'catch-up-failed', notBefore: 0 },
    { type: 'catch-up-skipped' },
    { type: 'catch-up-dropped' },
    { type: 'room-found' },
    { type: 'room-missing' },
  ] as const;

  test.each(results)('$type: twice', (result) => {
    const machine = catchingUp();
    const gapId = machine.record.catchUp?.id ?? '';
    machine.apply({ ...result, gapId });
    const { record } = machine;
    machine.after(1_000).apply({ ...result, gapId });
    expect(machine.record).toBe(record);
    expect(machine.effects).toEqual([]);
  });

  test.each(results)('$type: late, after another gap has begun', (result) => {
    const machine = catchingUp();
    const gapId = machine.record.catchUp?.id ?? '';
    machine.discovered().requested().accepted().verified();
    const { record } = machine;
    expect(record.catchUp?.id).not.toBe(gapId);
    expect(machine.apply({ ...result, gapId }).record).toBe(record);
  });
});
