import { describe, expect, test } from 'vitest';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import type { Subscription } from '../../../src/subscription/record/snapshot.js';
import {
  active,
  DAY,
  dueIn,
  failure,
  SubscriptionMachine,
  SECOND_HUB,
  START,
  TOPIC,
  verifying,
} from './subscription-machine.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };
const MINUTE = 60_000;

const snapshot = ({ record }: SubscriptionMachine): Subscription => subscriptionSnapshot(record, STATS);

type PlannedTimes = readonly [renewsAt: number | undefined, nextAttemptAt: number | undefined];

/** The next requests as a snapshot shows them, in epoch milliseconds. */
const plannedTimes = (machine: SubscriptionMachine): PlannedTimes => {
  const { renewsAt, nextAttemptAt } = snapshot(machine);
  return [renewsAt?.getTime(), nextAttemptAt?.getTime()];
};

/** The planned times that differ from the expected ones, at first and after each step. */
const deviations = (
  machine: SubscriptionMachine,
  expected: PlannedTimes,
  ...steps: readonly ((machine: SubscriptionMachine) => SubscriptionMachine)[]
): readonly PlannedTimes[] =>
  [plannedTimes(machine), ...steps.map((step) => plannedTimes(step(machine)))].filter(
    ([renewsAt, nextAttemptAt]) => renewsAt !== expected[0] || nextAttemptAt !== expected[1],
  );

const verifiedWithoutAnswer = (machine: SubscriptionMachine, leaseSeconds = '864000'): SubscriptionMachine =>
  machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'subscribe', leaseSeconds });

const answered = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.apply({ type: 'answered', grantId: machine.grant.id });

describe('the planned times of a snapshot', () => {
  test('are absent while a first request is in flight', () => {
    expect(
      deviations(
        new SubscriptionMachine().apply({ type: 'wanted' }),
        [undefined, undefined],
        (machine) => machine.discovered(),
        (machine) => machine.requested(),
        (machine) => machine.accepted(),
      ),
    ).toEqual([]);
  });

  test('show the renewal from the verification on, before and after the answer to the verification was sent', () => {
    const machine = verifying().accepted();
    verifiedWithoutAnswer(machine);
    const plannedRenewal = machine.grant.renewsAt;
    expect(plannedRenewal).toBeGreaterThan(START + 7 * DAY);
    expect(deviations(machine, [plannedRenewal, undefined], answered)).toEqual([]);
  });

  test('stay the same from a verification during the open request until the request has ended', () => {
    const machine = verifiedWithoutAnswer(verifying());
    const [renewsAt] = plannedTimes(machine);
    expect(renewsAt).toBeGreaterThan(START + 7 * DAY);
    machine.random = 0.9;
    expect(deviations(machine, [renewsAt, undefined], answered, (current) => current.accepted())).toEqual([]);
    expect(machine.grant.renewsAt).toBe(renewsAt);
    const acceptedLater = verifiedWithoutAnswer(verifying());
    acceptedLater.random = 0.1;
    expect(deviations(acceptedLater, plannedTimes(acceptedLater), (current) => current.accepted(), answered)).toEqual(
      [],
    );
  });

  test('follow the new lease once a renewal is verified, even while its request is open', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested();
    verifiedWithoutAnswer(machine);
    const [renewsAt] = plannedTimes(machine);
    expect(renewsAt).toBeGreaterThan(machine.now + 7 * DAY);
    machine.random = 0.9;
    expect(deviations(machine, [renewsAt, undefined], (current) => current.accepted(), answered)).toEqual([]);
  });

  test('stay as planned while a renewal is in flight', () => {
    const machine = active();
    const plannedRenewal = machine.grant.renewsAt;
    expect(
      deviations(
        machine,
        [plannedRenewal, undefined],
        (current) => current.due(9 * DAY),
        (current) => current.discovered(),
        (current) => current.requested(),
        (current) => current.accepted(),
      ),
    ).toEqual([]);
    expect(plannedTimes(verifiedWithoutAnswer(machine))[0]).toBe(machine.grant.renewsAt);
    expect(machine.grant.renewsAt).toBeGreaterThan(machine.now);
  });

  test('stay as planned while the user renews', () => {
    const machine = active().after(DAY);
    const plannedRenewal = machine.grant.renewsAt;
    expect(
      deviations(
        machine,
        [plannedRenewal, undefined],
        (current) => current.apply({ type: 'renewal-wanted' }),
        (current) => current.discovered(),
        (current) => current.requested(),
      ),
    ).toEqual([]);
  });

  test('stay as planned while a renewal moves to another callback', () => {
    const machine = active();
    machine.rules = { ...machine.rules, rotateCallback: 'renewal' };
    const plannedRenewal = machine.grant.renewsAt;
    expect(
      deviations(
        machine,
        [plannedRenewal, undefined],
        (current) => current.due(9 * DAY),
        (current) => current.discovered(),
        (current) => current.requested(),
      ),
    ).toEqual([]);
    const error = failure('unreachable', machine.now);
    machine.apply({ type: 'unreachable', grantId: machine.grant.id, failure: error });
    // The old grant is renewed on its own, unless the other callback is verified first.
    expect(plannedTimes(machine)).toEqual([machine.now + MINUTE, machine.now + 1_000]);
  });

  test('stay as planned while a renewal moves to another hub', () => {
    const machine = active();
    const plannedRenewal = machine.grant.renewsAt;
    expect(
      deviations(
        machine,
        [plannedRenewal, undefined],
        (current) => current.due(9 * DAY),
        (current) => current.discovered(SECOND_HUB),
        (current) => current.requested(),
      ),
    ).toEqual([]);
  });

  test('show when the old callback is renewed on its own, after the hub refused or deferred another callback', () => {
    const rotating = (): SubscriptionMachine => {
      const machine = active();
      machine.rules = { ...machine.rules, rotateCallback: 'renewal', verifyTimeoutSeconds: 300 };
      return machine.due(9 * DAY).discovered();
    };
    const refusedRotation = rotating().requested().after(5_000);
    const at = refusedRotation.now + 295_000;
    expect(plannedTimes(refusedRotation.refused())).toEqual([at, at]);
    expect(dueIn(refusedRotation)).toBe(295_000);
    const deferredRotation = rotating();
    deferredRotation.apply({
      type: 'request-deferred',
      grantId: deferredRotation.grant.id,
      until: deferredRotation.now + 10 * MINUTE,
    });
    expect(plannedTimes(deferredRotation)).toEqual([
      deferredRotation.now + 5 * MINUTE,
      deferredRotation.now + 5 * MINUTE,
    ]);
  });

  test('show when the old hub is renewed on its own, after another hub could not be reached', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .unreachable();
    expect(plannedTimes(machine)).toEqual([machine.now + MINUTE, machine.now + 1_000]);
  });

  test('show the next try after a failure, and only the planned renewal while the next try is in flight', () => {
    const machine = verifying().unreachable();
    expect(plannedTimes(machine)).toEqual([undefined, START + 1_000]);
    expect(deviations(machine.due(1_000), [undefined, undefined], (current) => current.requested())).toEqual([]);
    const renewing = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(plannedTimes(renewing)).toEqual([renewing.now + 1_000, renewing.now + 1_000]);
    const plannedRenewal = renewing.grant.renewsAt;
    expect(
      deviations(renewing.due(dueIn(renewing)), [plannedRenewal, undefined], (current) => current.discovered()),
    ).toEqual([]);
  });

  test('show the next try, even if a publisher or hub sets the same wait as the guard of work in flight', () => {
    const until = START + MINUTE;
    const retryAfter = { url: TOPIC, until };
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    machine.apply({ type: 'discovery-failed', failure: failure('discovery', START), retryAfter });
    expect(plannedTimes(machine)).toEqual([undefined, until]);
    const deferred = new SubscriptionMachine().apply({ type: 'wanted' }).apply({ type: 'discovery-deferred', until });
    expect(plannedTimes(deferred)).toEqual([undefined, until]);
    expect(plannedTimes(verifying().unreachable(60))).toEqual([undefined, until]);
    const waiting = new SubscriptionMachine().apply({ type: 'wanted' }).discovered();
    waiting.apply({ type: 'request-deferred', grantId: waiting.grant.id, until });
    expect(plannedTimes(waiting)).toEqual([undefined, until]);
  });

  test('are absent while an unsubscribe request is in flight, and show the next try after it failed', () => {
    const machine = active().unwanted('unsubscribed');
    expect(deviations(machine, [undefined, undefined], (current) => current.requested())).toEqual([]);
    expect(plannedTimes(machine.unreachable())).toEqual([undefined, START + 1_000]);
  });

  test('show the renewal after a restart, even if the process died before an answer or during a renewal', () => {
    const unanswered = verifiedWithoutAnswer(verifying().accepted());
    const plannedRenewal = unanswered.grant.renewsAt;
    expect(
      deviations(unanswered.after(1_000), [plannedRenewal, undefined], (current) => current.apply({ type: 'wanted' })),
    ).toEqual([]);
    const renewing = active().due(9 * DAY);
    expect(
      deviations(renewing, [renewing.grant.renewsAt, undefined], (current) => current.apply({ type: 'wanted' })),
    ).toEqual([]);
  });

  test('show the renewal for a record of an earlier version, which does not mark guards of work in flight', () => {
    const machine = verifiedWithoutAnswer(verifying().accepted());
    const withoutGuard = (grant: SubscriptionMachine['grant']): SubscriptionMachine['grant'] => ({
      ...grant,
      guardedUntil: undefined,
    });
    machine.record = { ...machine.record, grants: machine.record.grants.map(withoutGuard) };
    expect(machine.grant.nextAttemptAt).toBe(START + MINUTE);
    expect(plannedTimes(machine)).toEqual([machine.grant.renewsAt, undefined]);
    machine.record = {
      ...machine.record,
      grants: active()
        .due(9 * DAY)
        .record.grants.map(withoutGuard),
    };
    expect(plannedTimes(machine)).toEqual([machine.grant.renewsAt, undefined]);
  });

  test('show the wait that a hub asked for if that is later than the renewal', () => {
    const machine = active();
    const notBefore = (machine.grant.renewsAt ?? 0) + DAY;
    machine.record = { ...machine.record, grants: machine.record.grants.map((grant) => ({ ...grant, notBefore })) };
    expect(dueIn(machine)).toBe(notBefore - machine.now);
    expect(plannedTimes(machine)).toEqual([notBefore, undefined]);
  });
});
