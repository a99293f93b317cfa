import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { active, DAY, failure, HUB, SubscriptionMachine, SECOND_HUB, verifying } from '../subscription-machine.js';

const MINUTE = 60_000;

/**
 * A machine whose first request is deferred for ten minutes, because the origin of its hub answered 429 to another
 * request.
 */
function deferredRequest(...hubs: readonly string[]): SubscriptionMachine {
  const machine = new SubscriptionMachine().apply({ type: 'wanted' }).discovered(...hubs);
  return deferred(machine);
}

const deferred = (machine: SubscriptionMachine, minutes = 10): SubscriptionMachine =>
  machine.apply({ type: 'request-deferred', grantId: machine.grant.id, until: machine.now + minutes * MINUTE });

describe('S3 a deferred request', () => {
  test('waits without counting a failure, and no other hub is requested', () => {
    const machine = deferredRequest(HUB, SECOND_HUB);
    expect(machine.actions).toEqual([]);
    expect(machine.record).toMatchObject({ attempts: 0, passedOver: [] });
    expect(machine.record.lastError).toBeUndefined();
    expect(machine.record.grants).toMatchObject([{ advertisedHub: HUB, state: 'requested', attempts: 0 }]);
    expect(dueAt(machine.record)).toBe(machine.now + 10 * MINUTE);
  });

  test('is sent when its wait is over', () => {
    const machine = deferredRequest().due(10 * MINUTE);
    expect(machine.actions).toEqual(['subscribe']);
    machine.requested();
    expect(machine.grant).toMatchObject({ state: 'verifying', deferredUntil: undefined, nextAttemptAt: undefined });
  });

  test.each([
    ['a start', (machine: SubscriptionMachine) => machine.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB)],
    ['a discovery', (machine: SubscriptionMachine) => machine.discoveredAgain(HUB, SECOND_HUB)],
    [
      'a discovery that failed',
      (machine: SubscriptionMachine) =>
        machine.apply({ type: 'links-differ' }).apply({ type: 'discovery-failed', failure: failure('discovery') }),
    ],
    ['subscribe()', (machine: SubscriptionMachine) => machine.apply({ type: 'retried' }).discovered(HUB, SECOND_HUB)],
    [
      'a reset of the counters',
      (machine: SubscriptionMachine) => machine.apply({ type: 'counters-reset' }).discovered(HUB, SECOND_HUB),
    ],
  ])('is not sent sooner because of %s', (_name, cause) => {
    const machine = deferredRequest(HUB, SECOND_HUB).after(MINUTE);
    cause(machine);
    expect(machine.actions).not.toContain('subscribe');
    expect(machine.record.grants).toMatchObject([{ advertisedHub: HUB }]);
    machine.due(9 * MINUTE);
    expect(machine.actions).toEqual(['subscribe']);
  });

  test('may be deferred again', () => {
    const machine = deferred(deferredRequest().due(10 * MINUTE), 5);
    expect(dueAt(machine.record)).toBe(machine.now + 5 * MINUTE);
  });

  test('leaves the working grant as it is if it is a renewal', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered();
    const { state, expiresAt, secrets } = machine.grant;
    deferred(machine);
    expect(machine.grant).toMatchObject({ state, expiresAt, secrets, attempts: 0, isRenewalStarted: undefined });
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    machine.due(10 * MINUTE);
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('keeps its failures if it failed before, and a start does not send it earlier', () => {
    const machine = deferred(verifying().unreachable().due(1_000));
    expect(machine.grant).toMatchObject({ state: 'failed', attempts: 1 });
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
  });

  test('is not sent sooner when another hub is requested', () => {
    const machine = new SubscriptionMachine();
    machine.rules = { ...machine.rules, hubs: 'all' };
    machine.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    machine.apply({ type: 'request-deferred', grantId: machine.grantAt(HUB).id, until: machine.now + 10 * MINUTE });
    machine.requestedAt(SECOND_HUB).discoveredAgain(HUB, SECOND_HUB);
    expect(machine.actions).toEqual([]);
    expect(machine.grantAt(HUB).nextAttemptAt).toBe(machine.now + 10 * MINUTE);
  });

  test('is no longer open after a redirect to a rate-limited origin', () => {
    const machine = verifying().apply({ type: 'request-deferred', grantId: 'g1', until: 0, requestId: 'another' });
    expect(machine.grant).toMatchObject({ state: 'verifying', pending: { accepted: false } });
    const until = machine.now + MINUTE;
    machine.apply({ type: 'request-deferred', grantId: 'g1', until });
    expect(machine.grant).toMatchObject({ state: 'requested', pending: undefined, nextAttemptAt: until });
    machine.refused();
    expect(machine.record.attempts).toBe(0);
  });

  test.each([
    ['is open', () => verifying()],
    ['was withdrawn', () => verifying().refused().discoveredAgain(SECOND_HUB)],
    ['belongs to an unwanted grant', () => active().unwanted('unsubscribed')],
    [
      'belongs to an ended grant',
      () => new SubscriptionMachine().apply({ type: 'wanted' }).discovered().unwanted('unsubscribed'),
    ],
  ])('leaves the record unchanged if the request %s', (name, create) => {
    const machine = create();
    const [{ id } = { id: '' }] = machine.record.grants;
    if (name === 'was withdrawn') machine.record = withoutSchedule(machine, id);
    const recordBefore = machine.record;
    const deferred = {
      type: 'request-deferred',
      grantId: id,
      requestId: 'another',
      until: machine.now + MINUTE,
    } as const;
    expect(machine.apply(deferred).record).toBe(recordBefore);
    expect(machine.apply({ type: 'request-deferred', grantId: 'gone', until: 0 }).record).toBe(recordBefore);
  });

  test('ignores a wait that was set before the clock was set back', () => {
    const machine = deferredRequest().after(-DAY);
    expect(machine.apply({ type: 'wanted' }).actions).toEqual(['subscribe']);
  });
});

describe('S3 retry(id)', () => {
  test('does not wait for a deferral', () => {
    const machine = deferredRequest(HUB, SECOND_HUB).apply({ type: 'retried', isImmediate: true });
    expect(machine.effects).toEqual([{ type: 'bypass-rate-limits' }, { type: 'discover' }]);
    expect(machine.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
  });

  test('makes a deferred renewal due, although it was planned for later', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered();
    deferred(machine);
    machine.apply({ type: 'retried', isImmediate: true });
    expect(machine.effects).toContainEqual({ type: 'bypass-rate-limits' });
    expect(machine.due().actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });
});

describe('S3 a grant that was answered 429', () => {
  const answered = (status: number, retryAfterSeconds: number, random = 0.5): SubscriptionMachine => {
    const machine = verifying();
    machine.random = random;
    const { id: grantId } = machine.grant;
    const error = failure('hub-error', machine.now);
    return machine.apply({ type: 'unreachable', grantId, failure: error, retryAfterSeconds, status });
  };

  test('waits as long as the Retry-After plus a random time, so that grants do not return all at once', () => {
    const [first, second] = [answered(429, 600, 0), answered(429, 600, 0.9)];
    expect(first.grant).toMatchObject({ notBefore: first.now + 600_000, nextAttemptAt: first.now + 600_000 });
    expect(second.grant.nextAttemptAt).toBe(second.now + 600_000 + 54_000);
  });

  test('waits a day at most', () => {
    const machine = answered(429, 10 * 86_400);
    expect(machine.grant.notBefore).toBe(machine.now + DAY);
  });

  test('gets the random time only after a 429 with Retry-After', () => {
    expect(answered(503, 600).grant.nextAttemptAt).toBe(answered(503, 600).now + 600_000);
    expect(answered(429, 0).grant.nextAttemptAt).toBe(answered(429, 0).now + 1_000);
  });
});

function withoutSchedule({ record }: SubscriptionMachine, grantId: string): SubscriptionMachine['record'] {
  const withoutNextAttempt = (grant: SubscriptionMachine['grant']): SubscriptionMachine['grant'] => ({
    ...grant,
    nextAttemptAt: undefined,
  });
  return {
    ...record,
    grants: record.grants.map((grant) => (grant.id === grantId ? withoutNextAttempt(grant) : grant)),
  };
}
