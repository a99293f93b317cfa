import { describe, expect, test } from 'vitest';
import { active, DAY, HUB, SubscriptionMachine, RULES, SECOND_HUB, START, TOPIC } from '../subscription-machine.js';

/** The topic was fetched for the gap that is open, or for another one. */
function fetched(
  machine: SubscriptionMachine,
  { gapId = machine.record.catchUp?.id ?? 'no catch-up', beganAt = machine.now } = {},
): SubscriptionMachine {
  return machine.apply({ type: 'caught-up', gapId, beganAt, fetched: { topic: TOPIC, etag: '"1"' } });
}

const requested = (): SubscriptionMachine =>
  new SubscriptionMachine().apply({ type: 'wanted' }).discovered().requested();

describe('L3 events may have been missed', () => {
  test('since a lease ended, until a hub delivers again and the topic was fetched', () => {
    const machine = active().due(10 * DAY + 5_000);
    expect(machine.actions).toContain('catch up');
    expect(machine.record.gapSince).toBe(START + 10 * DAY);

    fetched(machine.after(1_000));
    expect(machine.record.gapSince).toBe(machine.now);

    machine.after(60_000).discovered().requested().accepted().verified();
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(machine).record.fetched).toEqual({ topic: TOPIC, etag: '"1"' });
    expect(machine.record).not.toHaveProperty('gapSince');
  });

  test('also by a fetch that began before the hub verified: its result does not count', () => {
    const machine = active().due(10 * DAY);
    const beganAt = machine.now;
    const gapId = machine.record.catchUp?.id ?? 'no catch-up';
    machine.discovered().requested().accepted().after(3_000).verified();
    const { record } = machine;
    expect(fetched(machine, { gapId, beganAt }).record).toBe(record);
    expect(fetched(machine).record).not.toHaveProperty('gapSince');
  });

  test('while a hub fails, even if its lease runs and the topic was fetched meanwhile', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    machine.after(60_000).apply({ type: 'resumed', receivedUntil: undefined, fetchAt: machine.now });
    fetched(machine);
    expect(machine.record.gapSince).toBe(machine.now);
  });

  test('since a shutdown unsubscribed it, until it is back and caught up', () => {
    const machine = active().after(5_000).unwanted('shutdown');
    const stoppedAt = machine.now;
    machine.requested().apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
    expect(machine.record.gapSince).toBe(stoppedAt);
    machine.after(1_000).apply({ type: 'wanted' }).discovered().requested().verified();
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(machine).record.gapSince).toBeUndefined();
  });

  test('since the first failure of a hub that failed for a minute, even while its lease ran', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const failedAt = machine.now;
    expect(machine.record.gapSince).toBe(failedAt);
    machine.due(60_000).discovered().requested().verified();
    expect(machine.actions).toEqual(['hook renewed', 'catch up']);
    expect(machine.record.gapSince).toBe(failedAt);
  });

  test('but not if a hub failed for a shorter time and no lease ended', () => {
    const first = requested().unreachable().due(5_000).requested().verified();
    expect(first.actions).toEqual(['hook verified']);
    expect(first.record).not.toHaveProperty('gapSince');

    const renewal = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    renewal.due(59_000).discovered().requested().verified();
    expect(renewal.actions).toEqual(['hook renewed']);
    expect(renewal.record).not.toHaveProperty('gapSince');
  });

  test('since the first failure, if nothing was granted for longer than a minute', () => {
    const machine = requested().unreachable().due(60_000).requested().verified();
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
    expect(machine.record.gapSince).toBe(START);
  });

  test('since an unsolicited denial, once the hub grants again', () => {
    const machine = active().after(DAY).denied();
    expect(machine.record.gapSince).toBe(machine.now);
    machine.due(90_000).requested().accepted().verified();
    expect(machine.actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(machine.record.gapSince).toBe(START + DAY);
  });

  test('but not while a denied renewal leaves a working grant', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied()
      .due(60_000);
    expect(machine.record).not.toHaveProperty('gapSince');
    machine.due(30_000).discovered().requested().accepted().verified();
    expect(machine.actions).toEqual(['hook renewed']);
  });

  test('and a catch-up starts at once if the hub verified while its POST is open', () => {
    const machine = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .verifiedInPost();
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(machine).record.gapSince).toBeUndefined();
    expect(machine.accepted().actions).toEqual([]);
  });

  test('since a hub error undid a verification', () => {
    const machine = active().hubError();
    expect(machine.record.gapSince).toBe(machine.now);
  });
});

describe('no event was missed', () => {
  test.each(['unsubscribed', 'deleted', 'pruned'] as const)('while the subscription was not wanted: %s', (why) => {
    const machine = active().after(5_000).unwanted(why).requested();
    machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
    machine.after(DAY).apply({ type: 'retried' }).discovered().requested().verified();
    expect(machine.actions).toEqual(['hook verified']);
    expect(machine.record).not.toHaveProperty('gapSince');
  });

  test('by a first subscription, a renewal, or another hub that takes over at once', () => {
    expect(active().record).not.toHaveProperty('gapSince');
    expect(
      active()
        .due(8 * DAY)
        .discovered()
        .requested()
        .verified().record,
    ).not.toHaveProperty('gapSince');
    const moved = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB);
    moved.requestedAt(SECOND_HUB).verified('864000', moved.grantAt(SECOND_HUB).id);
    expect(moved.record).not.toHaveProperty('gapSince');
  });

  test("while another hub delivers, with hubs: 'all'", () => {
    const machine = new SubscriptionMachine();
    machine.rules = { ...RULES, hubs: 'all' };
    machine.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB);
    machine.verified('864000', machine.grantAt(HUB).id).due(60_000);
    expect(machine.actions).toContain('hook failed');
    expect(machine.record).not.toHaveProperty('gapSince');
  });

  test('with catchUp: false', () => {
    const machine = active();
    machine.rules = { ...RULES, catchUp: false };
    machine.due(10 * DAY);
    expect(machine.actions).toEqual(['hook expired', 'discover']);
    expect(machine.record).not.toHaveProperty('gapSince');
  });
});

describe('L3 the time of the first verification', () => {
  test('is stored once: renewals, restarts and another hub leave it as it is', () => {
    const machine = active();
    expect(machine.record.firstVerifiedAt).toBe(START);
    const moved = machine.due(8 * DAY).discovered(SECOND_HUB);
    moved.requestedAt(SECOND_HUB).verified('864000', moved.grantAt(SECOND_HUB).id);
    expect(moved.record.firstVerifiedAt).toBe(START);
    moved
      .due(20 * DAY)
      .discovered(HUB)
      .requestedAt(HUB);
    moved.verified('864000', moved.grantAt(HUB).id);
    expect(moved.record.firstVerifiedAt).toBe(START);
  });

  test('is not stored when a hub is only requested', () => {
    expect(requested().record).not.toHaveProperty('firstVerifiedAt');
    expect(requested().after(DAY).verified().record.firstVerifiedAt).toBe(START + DAY);
  });

  test('is not stored by a renewal of a grant that 0.1.0 had verified', () => {
    const { firstVerifiedAt: _unknown, ...recordOfEarlierVersion } = active().record;
    const machine = new SubscriptionMachine(recordOfEarlierVersion);
    machine
      .due(8 * DAY)
      .discovered()
      .requested()
      .verified();
    expect(machine.record).not.toHaveProperty('firstVerifiedAt');
  });
});

test('a fetch for a subscription without a gap does not change it', () => {
  const machine = active();
  const { record } = machine;
  expect(fetched(machine).record).toBe(record);
});
