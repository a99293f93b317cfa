import { describe, expect, test } from 'vitest';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import type { Subscription } from '../../../src/subscription/record/snapshot.js';
import { active, DAY, dueIn, failure, Life, SECOND_HUB, START, TOPIC, verifying } from './life.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, refused: 0, duplicates: 0, missed: 0 };
const MINUTE = 60_000;

const snapshot = ({ record }: Life): Subscription => subscriptionSnapshot(record, STATS);

type Plans = readonly [renewsAt: number | undefined, nextAttemptAt: number | undefined];

/** The next requests as a snapshot shows them, in epoch milliseconds. */
const plans = (life: Life): Plans => {
  const { renewsAt, nextAttemptAt } = snapshot(life);
  return [renewsAt?.getTime(), nextAttemptAt?.getTime()];
};

/** The planned times that differ from the expected ones, at first and after each step. */
const deviations = (life: Life, expected: Plans, ...steps: readonly ((life: Life) => Life)[]): readonly Plans[] =>
  [plans(life), ...steps.map((step) => plans(step(life)))].filter(
    ([renewsAt, nextAttemptAt]) => renewsAt !== expected[0] || nextAttemptAt !== expected[1],
  );

const verifiedWithoutAnswer = (life: Life, leaseSeconds = '864000'): Life =>
  life.apply({ type: 'verified', grantId: life.grant.id, mode: 'subscribe', leaseSeconds });

const answered = (life: Life): Life => life.apply({ type: 'answered', grantId: life.grant.id });

describe('the planned times of a snapshot', () => {
  test('are absent while a first request is in flight', () => {
    expect(
      deviations(
        new Life().apply({ type: 'wanted' }),
        [undefined, undefined],
        (life) => life.discovered(),
        (life) => life.requested(),
        (life) => life.accepted(),
      ),
    ).toEqual([]);
  });

  test('are right from the verification on, before and after the answer to it was sent', () => {
    const life = verifying().accepted();
    verifiedWithoutAnswer(life);
    const planned = life.grant.renewsAt;
    expect(planned).toBeGreaterThan(START + 7 * DAY);
    expect(deviations(life, [planned, undefined], answered)).toEqual([]);
  });

  test('stay the same from a verification during the open request until that request has ended', () => {
    const life = verifiedWithoutAnswer(verifying());
    const [renewsAt] = plans(life);
    expect(renewsAt).toBeGreaterThan(START + 7 * DAY);
    life.random = 0.9;
    expect(deviations(life, [renewsAt, undefined], answered, (one) => one.accepted())).toEqual([]);
    expect(life.grant.renewsAt).toBe(renewsAt);
    const accepted = verifiedWithoutAnswer(verifying());
    accepted.random = 0.1;
    expect(deviations(accepted, plans(accepted), (one) => one.accepted(), answered)).toEqual([]);
  });

  test('follow the new lease once a renewal is verified, also during its open request', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested();
    verifiedWithoutAnswer(life);
    const [renewsAt] = plans(life);
    expect(renewsAt).toBeGreaterThan(life.now + 7 * DAY);
    life.random = 0.9;
    expect(deviations(life, [renewsAt, undefined], (one) => one.accepted(), answered)).toEqual([]);
  });

  test('stay as planned while a renewal is in flight', () => {
    const life = active();
    const planned = life.grant.renewsAt;
    expect(
      deviations(
        life,
        [planned, undefined],
        (one) => one.due(9 * DAY),
        (one) => one.discovered(),
        (one) => one.requested(),
        (one) => one.accepted(),
      ),
    ).toEqual([]);
    expect(plans(verifiedWithoutAnswer(life))[0]).toBe(life.grant.renewsAt);
    expect(life.grant.renewsAt).toBeGreaterThan(life.now);
  });

  test('stay as planned while the user renews', () => {
    const life = active().after(DAY);
    const planned = life.grant.renewsAt;
    expect(
      deviations(
        life,
        [planned, undefined],
        (one) => one.apply({ type: 'renewal-wanted' }),
        (one) => one.discovered(),
        (one) => one.requested(),
      ),
    ).toEqual([]);
  });

  test('stay as planned while a renewal moves to another callback', () => {
    const life = active();
    life.rules = { ...life.rules, rotateCallback: 'renewal' };
    const planned = life.grant.renewsAt;
    expect(
      deviations(
        life,
        [planned, undefined],
        (one) => one.due(9 * DAY),
        (one) => one.discovered(),
        (one) => one.requested(),
      ),
    ).toEqual([]);
    const error = failure('unreachable', life.now);
    life.apply({ type: 'unreachable', grantId: life.grant.id, requestId: 'r1', failure: error });
    // The old grant is renewed on its own, unless the other callback is verified first.
    expect(plans(life)).toEqual([life.now + MINUTE, life.now + 1_000]);
  });

  test('stay as planned while a renewal moves to another hub', () => {
    const life = active();
    const planned = life.grant.renewsAt;
    expect(
      deviations(
        life,
        [planned, undefined],
        (one) => one.due(9 * DAY),
        (one) => one.discovered(SECOND_HUB),
        (one) => one.requested(),
      ),
    ).toEqual([]);
  });

  test('show when the old callback is renewed on its own, after the hub refused or deferred another callback', () => {
    const rotating = (): Life => {
      const life = active();
      life.rules = { ...life.rules, rotateCallback: 'renewal', verifyTimeoutSeconds: 300 };
      return life.due(9 * DAY).discovered();
    };
    const refused = rotating().requested().after(5_000);
    const at = refused.now + 295_000;
    expect(plans(refused.refused())).toEqual([at, at]);
    expect(dueIn(refused)).toBe(295_000);
    const deferred = rotating();
    deferred.apply({ type: 'request-deferred', grantId: deferred.grant.id, until: deferred.now + 10 * MINUTE });
    expect(plans(deferred)).toEqual([deferred.now + 5 * MINUTE, deferred.now + 5 * MINUTE]);
  });

  test('show when the old hub is renewed on its own, after another hub could not be reached', () => {
    const life = active()
      .due(9 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .unreachable();
    expect(plans(life)).toEqual([life.now + MINUTE, life.now + 1_000]);
  });

  test('show the next try after a failure, and nothing while that is in flight', () => {
    const life = verifying().unreachable();
    expect(plans(life)).toEqual([undefined, START + 1_000]);
    expect(deviations(life.due(1_000), [undefined, undefined], (one) => one.requested())).toEqual([]);
    const renewing = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(plans(renewing)).toEqual([renewing.now + 1_000, renewing.now + 1_000]);
    const planned = renewing.grant.renewsAt;
    expect(deviations(renewing.due(dueIn(renewing)), [planned, undefined], (one) => one.discovered())).toEqual([]);
  });

  test('show the next try, even if a publisher or hub sets the same wait as the guard of work in flight', () => {
    const until = START + MINUTE;
    const retryAfter = { url: TOPIC, until };
    const life = new Life().apply({ type: 'wanted' });
    life.apply({ type: 'discovery-failed', failure: failure('discovery', START), retryAfter });
    expect(plans(life)).toEqual([undefined, until]);
    const deferred = new Life().apply({ type: 'wanted' }).apply({ type: 'discovery-deferred', until });
    expect(plans(deferred)).toEqual([undefined, until]);
    expect(plans(verifying().unreachable(60))).toEqual([undefined, until]);
    const waiting = new Life().apply({ type: 'wanted' }).discovered();
    waiting.apply({ type: 'request-deferred', grantId: waiting.grant.id, until });
    expect(plans(waiting)).toEqual([undefined, until]);
  });

  test('are absent while an unsubscribe request is in flight, and show the next try after it failed', () => {
    const life = active().unwanted('unsubscribed');
    expect(deviations(life, [undefined, undefined], (one) => one.requested())).toEqual([]);
    expect(plans(life.unreachable())).toEqual([undefined, START + 1_000]);
  });

  test('are right after a restart, whenever the process died', () => {
    const unansweredYet = verifiedWithoutAnswer(verifying().accepted());
    const planned = unansweredYet.grant.renewsAt;
    expect(
      deviations(unansweredYet.after(1_000), [planned, undefined], (one) => one.apply({ type: 'wanted' })),
    ).toEqual([]);
    const renewing = active().due(9 * DAY);
    expect(deviations(renewing, [renewing.grant.renewsAt, undefined], (one) => one.apply({ type: 'wanted' }))).toEqual(
      [],
    );
  });

  test('are right for a record of an earlier version, which does not mark guards of work in flight', () => {
    const life = verifiedWithoutAnswer(verifying().accepted());
    const earlier = (grant: Life['grant']): Life['grant'] => ({ ...grant, guardedUntil: undefined });
    life.record = { ...life.record, grants: life.record.grants.map(earlier) };
    expect(life.grant.nextAttemptAt).toBe(START + MINUTE);
    expect(plans(life)).toEqual([life.grant.renewsAt, undefined]);
    life.record = {
      ...life.record,
      grants: active()
        .due(9 * DAY)
        .record.grants.map(earlier),
    };
    expect(plans(life)).toEqual([life.grant.renewsAt, undefined]);
  });

  test('show the wait that a hub asked for if that is later than the renewal', () => {
    const life = active();
    const notBefore = (life.grant.renewsAt ?? 0) + DAY;
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, notBefore })) };
    expect(dueIn(life)).toBe(notBefore - life.now);
    expect(plans(life)).toEqual([notBefore, undefined]);
  });
});
