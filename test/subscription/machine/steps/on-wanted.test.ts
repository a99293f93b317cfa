import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, SubscriptionMachine, TOPIC, verifying } from '../subscription-machine.js';

const handlerRefused = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.apply({
    type: 'handler-refused',
    grantId: machine.grant.id,
    mode: 'subscribe',
    failure: failure('handler-refused'),
  });

const started = (machine: SubscriptionMachine, milliseconds = 0): SubscriptionMachine =>
  machine.after(milliseconds).restarted();

describe('a start', () => {
  test('L4 does not change a leased grant', () => {
    const machine = active();
    const recordBefore = machine.record;
    expect(started(machine, DAY).record).toBe(recordBefore);
    expect(machine.actions).toEqual([]);
  });

  test('L4 requests again after a verification whose answer may not have been sent', () => {
    const machine = verifying().accepted();
    machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
    expect(started(machine, 1_000).actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.state).toBe('active');
  });

  test('L4 spreads renewals that came due meanwhile', () => {
    const waits = [0, 0.5, 0.999].map((random) => {
      const machine = active();
      machine.after(9 * DAY).random = random;
      started(machine);
      return (dueAt(machine.record) ?? 0) - machine.now;
    });
    expect(waits[1]).toBe(15_000);
    expect(waits[2]).toBeLessThan(30_000);
  });

  test('L4 spreads an overdue renewal early enough for its lease', () => {
    const machine = active('10');
    machine.random = 0.999;
    started(machine, 6_000);
    expect((dueAt(machine.record) ?? 0) - machine.now).toBeLessThan(1_000);
    expect(machine.due(1_000).actions).toEqual(['discover']);
  });

  test('L3 subscribes again at once after a lease that ended meanwhile', () => {
    const machine = started(active(), 11 * DAY);
    expect(machine.actions).toEqual(['hook expired', 'discover']);
    expect(stateOf(machine.record)).toBe('expired');
  });

  test('restarts an interrupted discovery', () => {
    expect(started(new SubscriptionMachine().apply({ type: 'wanted' }), 2_000).actions).toEqual(['discover']);
  });

  test('requests a grant whose request was never stored', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' }).discovered();
    expect(started(machine, 2_000).actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('S2 sends a request without an answer again, because it may not have been sent', () => {
    const machine = started(verifying(), 2_000);
    expect(machine.actions).toEqual(['subscribe']);
    const { currentRequest: id } = machine.grant;
    expect(machine.requested().grant.pending).toMatchObject({
      id,
      deadline: machine.now + 60_000,
    });
  });

  test('waits for the verification of an accepted request', () => {
    const machine = started(verifying().accepted(), 2_000);
    expect(machine.actions).toEqual([]);
    expect(machine.due(60_000).actions).toEqual(['hook failed']);
  });

  test('counts the failure of a request whose deadline passed meanwhile', () => {
    const machine = started(verifying().accepted(), DAY);
    expect(machine.actions).toEqual(['hook failed']);
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
  });

  test('L2 keeps a wait after a failure', () => {
    const machine = verifying().unreachable(3_600);
    const retryAt = dueAt(machine.record);
    expect(started(machine, 60_000).actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(retryAt);
  });

  test('L2 sends a request when the wait is over', () => {
    expect(started(verifying().unreachable(), DAY).actions).toEqual(['subscribe']);
  });

  test('S6 subscribes again under the same callback after an unsubscribe that the shutdown interrupted', () => {
    const machine = active();
    const { id, callback } = machine.grant;
    started(machine.unwanted('shutdown').requested(), 2_000);
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant).toMatchObject({ id, callback, state: 'active', pending: undefined });
    expect(machine.requested().verified().actions).toEqual(['hook renewed']);
  });

  test('starts a discovery after an interrupted unsubscribe if the lease has ended', () => {
    const machine = started(active().unwanted('shutdown').requested(), 11 * DAY);
    expect(machine.actions).toEqual(['discover']);
    expect(stateOf(machine.record)).toBe('expired');
  });

  test('subscribes again under the same callback after the shutdown unsubscribed the grant', () => {
    const machine = active();
    const { callback } = machine.grant;
    machine.unwanted('shutdown').requested();
    machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
    expect(stateOf(machine.record)).toBe('unsubscribed');
    expect(started(machine, DAY).actions).toEqual(['discover']);
    expect(stateOf(machine.record)).toBe('requested');
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant).toMatchObject({ callback, endedAt: undefined });
  });

  test.each(['unsubscribed', 'deleted'] as const)('does not request a subscription that was %s', (why) => {
    expect(started(active().unwanted(why).requested().accepted(), 2_000).actions).toEqual([]);
    expect(started(verifying().unwanted(why), 2_000).actions).toEqual([]);
  });
});

describe('a subscription that is no longer wanted', () => {
  test.each(['unsubscribed', 'deleted'] as const)(
    'is unsubscribed at its hub if a grant is live, and triggers its hook afterwards (%s)',
    (why) => {
      const machine = active().unwanted(why);
      expect(machine.actions).toEqual(['unsubscribe']);
      machine.requested().apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
      expect(machine.actions).toEqual(['hook unsubscribed']);
      expect(machine.record).toMatchObject({ desired: 'unsubscribed', stoppedBecause: why });
      expect(dueAt(machine.record)).toBeUndefined();
    },
  );

  test('ends at once if no grant is live, and triggers its hook once', () => {
    const machine = verifying().unwanted('unsubscribed');
    expect(machine.effects).toEqual([{ type: 'hook', name: 'unsubscribed', grantId: machine.grant.id }]);
    expect(machine.grant).toMatchObject({ state: 'unsubscribed', pending: undefined, endedAt: machine.now });
    expect(machine.unwanted('unsubscribed').actions).toEqual([]);
    expect(new SubscriptionMachine().unwanted('unsubscribed').effects).toEqual([
      { type: 'hook', name: 'unsubscribed' },
    ]);
  });

  test('can be wanted again during the unsubscribe and afterwards', () => {
    const unsubscribing = active().unwanted('unsubscribed').requested();
    expect(unsubscribing.apply({ type: 'retried' }).actions).toEqual(['subscribe']);
    const unsubscribed = active().unwanted('unsubscribed').requested();
    unsubscribed.apply({ type: 'verified', grantId: unsubscribed.grant.id, mode: 'unsubscribe' });
    expect(unsubscribed.apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test('S8 gets another callback when it is wanted again and no hub has ever granted it', () => {
    const machine = verifying();
    const { callback } = machine.grant;
    machine.unwanted('unsubscribed').apply({ type: 'retried' }).discovered();
    expect(machine.grant.callback).not.toBe(callback);
    expect(machine.record.grants).toHaveLength(2);
  });

  test('S6 is unsubscribed once more at a shutdown if the first unsubscribe request failed', () => {
    const machine = active().unwanted('unsubscribed').requested().unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.unwanted('shutdown').actions).toEqual(['unsubscribe']);
    expect(machine.grant.attempts).toBe(0);
    expect(machine.requested().unwanted('shutdown').actions).toEqual([]);
  });

  test('is unwanted only until the next start after a shutdown', () => {
    const machine = active().unwanted('shutdown');
    expect(machine.actions).toEqual(['unsubscribe']);
    expect(machine.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined });
    expect(verifying().unwanted('shutdown').grant.state).toBe('verifying');
  });

  test('counts the failures of its unsubscribe requests from zero', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable()
      .unwanted('shutdown');
    expect(machine.grant.attempts).toBe(0);
  });
});

describe('a retry', () => {
  test('L1 renews at once a grant that waits after a failed renewal', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(machine.after(1_000).apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test.each(['retried', 'counters-reset'] as const)('resumes a failed renewal that the user wanted (%s)', (type) => {
    const machine = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested();
    expect(machine.unreachable(3_600).apply({ type }).actions).toEqual(['discover']);
  });

  test('S3 does not wait for a Retry-After', () => {
    const machine = verifying().unreachable(3_600).apply({ type: 'retried' });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('continues a started renewal, so that the hub gets the changed parameters', () => {
    const machine = active().apply({ type: 'retried', overrides: { secret: 'another' } });
    expect(machine.actions).toEqual(['discover']);
    machine.apply({ type: 'retried' });
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('leaves a pending request alone', () => {
    expect(verifying().apply({ type: 'retried' }).actions).toEqual([]);
  });

  test('stores new overrides, and keeps the stored overrides if it has none', () => {
    const machine = verifying().apply({ type: 'retried', overrides: { leaseSeconds: 60 } });
    expect(machine.record.overrides).toEqual({ leaseSeconds: 60 });
    expect(machine.apply({ type: 'retried' }).record.overrides).toEqual({ leaseSeconds: 60 });
  });

  test.each([
    { leaseSeconds: 60 },
    { secret: 'another' },
    { secret: false as const },
    { customParams: { tenant: 'a' } },
  ])('with new overrides renews a live grant at once: %j', (overrides) => {
    const machine = active().after(DAY).apply({ type: 'retried', overrides });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.grant.state).toBe('active');
    machine.discovered().requested().verified();
    expect(machine.apply({ type: 'retried', overrides }).actions).toEqual([]);
  });

  test('with new overrides replaces the overrides that it sets, and keeps the others', () => {
    const machine = active().apply({
      type: 'retried',
      overrides: { leaseSeconds: 60, customParams: { a: '1', b: '2' } },
    });
    machine.discovered().requested().verified();
    expect(machine.apply({ type: 'retried', overrides: { customParams: { c: '3' } } }).actions).toEqual(['discover']);
    expect(machine.record.overrides).toEqual({ leaseSeconds: 60, customParams: { c: '3' } });
  });

  test('with the same parameters in another order requests nothing', () => {
    const machine = active().apply({ type: 'retried', overrides: { customParams: { a: '1', b: '2' } } });
    machine.discovered().requested().verified();
    expect(machine.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1' } } }).actions).toEqual([]);
    expect(machine.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1', c: '3' } } }).actions).toEqual(
      ['discover'],
    );
  });

  test('with new overrides during a request renews only once, after that request is verified', () => {
    const machine = verifying().apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
    expect(machine.actions).toEqual([]);
    machine.accepted().verified();
    expect(dueAt(machine.record)).toBe(machine.now);
    expect(machine.due().actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    machine.requested().verified();
    expect(dueAt(machine.record)).toBeGreaterThan(machine.now + DAY);
  });

  test.each([
    ['a first request', verifying().accepted()],
    [
      'a renewal',
      active()
        .due(9 * DAY)
        .discovered()
        .requested()
        .accepted(),
    ],
  ])(
    'with new overrides renews once %s is verified late, because that request had the previous overrides',
    (_name, machine) => {
      machine.due(dueIn(machine)).apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
      machine.verified().discovered();
      expect(machine.actions).toEqual([]);
      expect(dueAt(machine.record)).toBe(machine.now);
    },
  );

  test('with a new secret during a request renews, even if the request is repeated in another form', () => {
    const machine = verifying().apply({ type: 'retried', overrides: { secret: 'another' } });
    machine.requested({ send: 2 }).verified();
    expect(dueAt(machine.record)).toBe(machine.now);
    machine.due().discovered().requested().verified();
    expect(dueAt(machine.record)).toBeGreaterThan(machine.now + DAY);
  });

  test('with new overrides during a failed renewal sends one request', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(machine.apply({ type: 'retried', overrides: { leaseSeconds: 60 } }).actions).toEqual(['discover']);
  });
});

describe('a renewal that the user wants', () => {
  test('D10 starts at once, with discovery', () => {
    const machine = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.requested().verified().actions).toEqual(['hook renewed']);
  });

  test('does not start twice, and does not start for a grant that does not work', () => {
    const machine = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(machine.apply({ type: 'renewal-wanted' }).actions).toEqual([]);
    expect(machine.discovered().requested().apply({ type: 'renewal-wanted' }).actions).toEqual([]);
    for (const other of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { record } = other;
      expect(other.apply({ type: 'renewal-wanted' }).record).toBe(record);
    }
  });
});

describe('a reset of the counters', () => {
  test('clears the failures by cause, and retries at once the work that waits because of failures', () => {
    const machine = verifying().unreachable(3_600);
    expect(machine.record.failures).toMatchObject({ unreachable: { count: 1 } });
    machine.apply({ type: 'counters-reset' });
    expect(machine.record).toMatchObject({ attempts: 0, failures: undefined, grants: [{ attempts: 0 }] });
    expect(machine.actions).toEqual(['discover']);
  });

  test('S6 retries a failed unsubscribe at once', () => {
    const machine = active().unwanted('unsubscribed').requested().refused();
    expect(machine.apply({ type: 'counters-reset' }).grant.attempts).toBe(0);
    expect(machine.due().actions).toEqual(['unsubscribe']);
  });

  test('enables a subscription that gave up, and keeps other stop reasons', () => {
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    expect(gaveUp.unreachable().record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.apply({ type: 'counters-reset' }).record.stoppedBecause).toBeUndefined();
    expect(gaveUp.actions).toEqual(['discover']);
    const refused = handlerRefused(verifying());
    expect(refused.apply({ type: 'counters-reset' }).record.stoppedBecause).toBe('handler-refused');
    expect(refused.actions).toEqual([]);
  });

  test.each(['denied', 'refused'] as const)('N2 does not lead to an earlier request at a hub that has %s', (how) => {
    const machine = verifying().accepted()[how]();
    const at = machine.grant.notBefore ?? machine.record.nextAttemptAt ?? 0;
    machine.after(1_000).apply({ type: 'counters-reset' });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual([]);
    expect(machine.record.nextAttemptAt).toBe(at);
    const renewing = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted();
    renewing[how]();
    const next = dueAt(renewing.record);
    expect(dueAt(renewing.apply({ type: 'counters-reset' }).record)).toBe(next);
    expect(renewing.actions).toEqual([]);
  });

  test('leaves a working grant that is not due as it is', () => {
    expect(active().after(DAY).apply({ type: 'counters-reset' }).actions).toEqual([]);
  });
});

test('rejected content is stored as the last error, and changes nothing else', () => {
  const machine = active();
  const { record } = machine;
  machine.apply({ type: 'content-rejected', failure: failure('unsigned') });
  expect(machine.record.lastError?.cause).toBe('unsigned');
  expect({ ...machine.record, lastError: record.lastError }).toEqual(record);
});

describe('a start under another public URL', () => {
  const startedUnderNewUrl = (machine: SubscriptionMachine): SubscriptionMachine => {
    machine.callbackOf = (path) => `https://elsewhere.example/websub/${path}`;
    return started(machine, 1_000);
  };

  test('L6 requests the current callback, and leaves the old callback after its verification', () => {
    const machine = active();
    const [oldGrant] = machine.record.grants;
    startedUnderNewUrl(machine);
    expect(machine.actions).toEqual(['log subscription.callback-changed', 'discover']);
    expect(machine.effects[0]).toMatchObject({ isOldAccepted: true });
    expect(machine.record.grants).toEqual([oldGrant]);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.callback).toMatch(/^https:\/\/elsewhere\.example\//);
    expect(machine.requested().verified().actions).toEqual(['hook verified', 'unsubscribe']);
    expect(machine.record.grants).toMatchObject([
      { callback: oldGrant?.callback, topic: TOPIC, hub: HUB, state: 'unsubscribing', superseded: true },
      { state: 'active' },
    ]);
  });

  test('L6 makes a grant with a fixed path expire, and requests it under the new URL', () => {
    const machine = active();
    machine.record = { ...machine.record, grants: machine.record.grants.map((grant) => ({ ...grant, path: 'news' })) };
    startedUnderNewUrl(machine);
    expect(machine.actions).toEqual(['log subscription.callback-changed', 'discover']);
    expect(machine.effects[0]).toMatchObject({ isOldAccepted: false });
    expect(stateOf(machine.record)).toBe('expired');
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.callback).toBe('https://elsewhere.example/websub/news');
    expect(machine.requested().verified().grant.state).toBe('active');
  });

  test('L6 lets an unsubscribe that only the shutdown wanted continue', () => {
    const machine = startedUnderNewUrl(active().unwanted('shutdown').requested());
    expect(machine.actions).toEqual(['log subscription.callback-changed', 'discover', 'unsubscribe']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    machine.requested().verified();
    expect(machine.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
  });

  test('L6 resets a grant that was not verified yet, and leaves an ended grant as it is', () => {
    expect(startedUnderNewUrl(verifying()).grant).toMatchObject({ state: 'requested', pending: undefined });
    const withEndedGrant = active()
      .after(9 * DAY)
      .denied()
      .due(DAY);
    const [ended] = withEndedGrant.record.grants;
    expect(startedUnderNewUrl(withEndedGrant.discovered()).record.grants[0]).toEqual(ended);
  });
});

describe('S8 with several grants at one hub', () => {
  const requestedGrants = ({ effects }: SubscriptionMachine): readonly string[] =>
    effects.flatMap((effect) => (effect.type === 'request' ? effect.grantId : []));

  test('the planned grant is requested, and the ended grant is not', () => {
    const machine = active();
    machine.callbackOf = (path) => `https://other.example/${path}`;
    started(machine).unwanted('shutdown').discovered();
    const { id } = machine.grant;
    machine.requested({ grantId: machine.record.grants[0]?.id ?? '', mode: 'unsubscribe' });
    machine.apply({ type: 'verified', grantId: machine.record.grants[0]?.id ?? '', mode: 'unsubscribe' });
    expect(requestedGrants(started(machine, 1_000).discovered())).toEqual([id]);
  });

  test('the latest of the ended grants is requested again', () => {
    const machine = active().unwanted('shutdown').requested();
    machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
    const earlier = { ...machine.grant, id: 'earlier', path: 'earlier', callback: machine.callbackOf('earlier') };
    const { id } = machine.grant;
    machine.record = { ...machine.record, grants: [earlier, ...machine.record.grants] };
    expect(requestedGrants(started(machine).discovered())).toEqual([id]);
  });
});
