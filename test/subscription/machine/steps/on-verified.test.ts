import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, failure, HUB, SECOND_HUB, verifying, type SubscriptionMachine } from '../subscription-machine.js';

const handlerRefuses = (machine: SubscriptionMachine, mode: 'subscribe' | 'unsubscribe'): SubscriptionMachine =>
  machine.apply({ type: 'handler-refused', grantId: machine.grant.id, mode, failure: failure('handler-refused') });

const unsubscribeVerified = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });

describe('a verification', () => {
  test('V2 starts the lease when it comes, and plans the renewal', () => {
    const machine = verifying().accepted().after(5_000).verified('1000');
    expect(machine.grant).toMatchObject({
      state: 'active',
      leaseSeconds: 1_000,
      verifiedAt: machine.now,
      expiresAt: machine.now + 1_000_000,
      renewsAt: machine.now + 700_000,
    });
    expect(dueAt(machine.record)).toBe(machine.now + 700_000);
  });

  test.each([undefined, '-1', '0', 'soon'])('V2 with the lease %s gets the requested lease', (leaseParam) => {
    const machine = verifying();
    machine.rules = { ...machine.rules, leaseSeconds: 60 };
    machine.accepted().verified(leaseParam ?? '');
    expect(machine.actions).toEqual(['hook verified']);
    expect(machine.grant).toMatchObject({ leaseSeconds: 60, expiresAt: machine.now + 60_000 });
    expect(verifying().verified(leaseParam ?? '').grant.leaseSeconds).toBe(86_400);
  });

  test('V2 with a lease of ten years is renewed as with ten days', () => {
    const machine = verifying().accepted().verified('315360000');
    expect(machine.grant).toMatchObject({ leaseSeconds: 31_536_000, expiresAt: machine.now + 365 * DAY });
    expect(dueAt(machine.record)).toBe(machine.now + 8 * DAY);
  });

  test('V4 does not postpone a retried renewal if it is unsolicited', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const retryAt = dueAt(machine.record);
    expect(dueAt(machine.verified('31536000').record)).toBe(retryAt);
  });

  test('V4 answers the renewal even if it comes late', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    expect(machine.actions).toEqual(['hook failed']);
    machine.after(500).verified();
    expect(machine.actions).toEqual(['hook renewed']);
    expect(machine.grant).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
    expect(dueAt(machine.record)).toBe(machine.now + 8 * DAY);
  });

  test('V4 does not postpone a renewal hours after a late request if it is unsolicited', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    const retryAt = dueAt(machine.record);
    expect(dueAt(machine.after(3_600_000).verified().record)).toBe(retryAt);
  });

  test('L2 keeps the failure count if it is unsolicited, so that retries do not speed up', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    machine.verified();
    expect(machine.grant.attempts).toBe(1);
    expect(machine.record.attempts).toBe(1);
  });

  test('V4 answers a renewal that was given up only while the request of that renewal is open', () => {
    const gaveUp = (): SubscriptionMachine => {
      const machine = active();
      machine.rules = { ...machine.rules, maxAttempts: 1 };
      return machine
        .due(9 * DAY)
        .discovered()
        .requested({ secret: 'another' })
        .accepted()
        .due(60_000);
    };
    expect(gaveUp().record.stoppedBecause).toBe('gave-up');
    const machine = gaveUp().after(599_999).verified();
    expect(machine.record.stoppedBecause).toBeUndefined();
    expect(machine.grant.secrets.at(-1)).toEqual({ value: 'another', role: 'current' });
    expect(machine.record.attempts).toBe(0);
    expect(dueAt(machine.record)).toBeGreaterThan(machine.now + DAY);

    const hoursLater = gaveUp().after(3_600_000).verified();
    expect(hoursLater.record.stoppedBecause).toBeUndefined();
    expect(hoursLater.grant.secrets.at(-1)).toMatchObject({ value: 'another', role: 'pending' });
    expect(hoursLater.record.attempts).toBe(1);
    // The pending secret is accepted for a day only, so the hub is requested before.
    expect(dueAt(hoursLater.record)).toBeLessThan(hoursLater.now + DAY);
  });

  test('V4 is accepted after the service gave up', () => {
    const machine = verifying();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine.due(60_000);
    expect(machine.record.stoppedBecause).toBe('gave-up');
    expect(machine.verified().actions).toEqual(['hook verified']);
    expect(machine.record.stoppedBecause).toBeUndefined();
  });

  test('V4 of a hub that was passed over is accepted while no hub has granted, and the other grant is removed', () => {
    const machine = verifying(HUB, SECOND_HUB);
    const { id } = machine.grant;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      machine.accepted().due(60_000);
      if (attempt < 2) machine.due((dueAt(machine.record) ?? 0) - machine.now).requested();
    }
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    machine.requested().verified('600', id);
    expect(machine.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('V9 of a hub that refused is unsolicited: the grant works, and the other hub is still requested', () => {
    const machine = verifying(HUB, SECOND_HUB);
    const { id } = machine.grant;
    machine.refused().requested();
    const deadline = machine.grant.pending?.deadline;
    machine.verified('600', id);
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.grantAt(SECOND_HUB).pending?.deadline).toBe(deadline);
    // The hub that refused is requested when its wait is over.
    expect(machine.grantAt(HUB).nextAttemptAt).toBe(machine.now + 90_000);
    machine.accepted().verified();
    expect(machine.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([
      [HUB, 'unsubscribing'],
      [SECOND_HUB, 'active'],
    ]);
  });

  test('V1 of a hub that was passed over is refused when another hub has granted', () => {
    const machine = verifying(HUB, SECOND_HUB);
    machine.due(60_000).due(2_000).requested().verified();
    expect(machine.grant.advertisedHub).toBe(HUB);
    const failedOver = machine
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    const [oldGrant] = failedOver.record.grants;
    expect(oldGrant).toMatchObject({ advertisedHub: HUB, state: 'unsubscribed', endedAt: machine.now });
    expect(canConfirm(failedOver.record, failedOver.grantAt(HUB), 'subscribe', failedOver)).toBe(false);
  });

  test('V1 is refused while another grant is being unsubscribed', () => {
    const machine = verifying(HUB, SECOND_HUB).refused().requested().verified().unwanted('shutdown');
    const failedGrant = { ...machine.grantAt(SECOND_HUB), id: 'other', state: 'failed' } as const;
    const record = { ...machine.record, grants: [...machine.record.grants, failedGrant] };
    expect(canConfirm(record, failedGrant, 'subscribe', machine)).toBe(false);
  });

  test('V3 of a repeated unsubscribe is confirmed again, and changes nothing', () => {
    const machine = unsubscribeVerified(active().unwanted('unsubscribed').requested());
    const recordBefore = machine.record;
    expect(canConfirm(machine.record, machine.grant, 'unsubscribe', machine)).toBe(true);
    expect(unsubscribeVerified(machine).record).toBe(recordBefore);
  });
});

describe('V7 a handler that refuses a subscription', () => {
  test('ends the requests until a retry', () => {
    const machine = handlerRefuses(verifying(HUB, SECOND_HUB), 'subscribe');
    expect(stateOf(machine.record)).toBe('failed');
    expect(machine.record).toMatchObject({
      stoppedBecause: 'handler-refused',
      lastError: { cause: 'handler-refused' },
    });
    expect(dueAt(machine.record)).toBeUndefined();
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(false);
    expect(machine.apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test('V6 leaves the grant until its lease ends if it refuses a renewal', () => {
    const machine = handlerRefuses(
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      'subscribe',
    );
    expect(machine.grant).toMatchObject({ state: 'active', pending: undefined });
    expect(machine.due(DAY).actions).toEqual(['hook expired']);
    expect(stateOf(machine.record)).toBe('failed');
  });

  test.each(['unsubscribed', 'deleted'] as const)(
    'does not make a subscription wanted again that was %s meanwhile',
    (why) => {
      const machine = verifying();
      const { id } = machine.grant;
      machine.unwanted(why).apply({
        type: 'handler-refused',
        grantId: id,
        mode: 'subscribe',
        failure: failure('handler-refused'),
      });
      expect(machine.record).toMatchObject({ desired: 'unsubscribed', stoppedBecause: why });
    },
  );
});

describe('a handler that refuses an unsubscribe', () => {
  test('keeps the subscription, which is renewed', () => {
    const machine = handlerRefuses(active().unwanted('unsubscribed').requested(), 'unsubscribe');
    expect(machine.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined });
    expect(stateOf(machine.record)).toBe('active');
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
  });

  test('changes nothing when it is too late, because the hub has ended the subscription', () => {
    const machine = unsubscribeVerified(active().unwanted('unsubscribed').requested());
    expect(stateOf(handlerRefuses(machine, 'unsubscribe').record)).toBe('unsubscribed');
  });

  test('keeps the stop reason at a shutdown', () => {
    const machine = handlerRefuses(
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      'subscribe',
    );
    machine.unwanted('shutdown').requested();
    expect(handlerRefuses(machine, 'unsubscribe').record.stoppedBecause).toBe('handler-refused');
  });
});

describe('V9 a handler that refuses an unsolicited verification', () => {
  test.each([
    ['while the grant works', () => active().after(DAY)],
    ['while the grant waits after a failure', () => verifying().unreachable()],
    ['when the lease has ended', () => active().due(11 * DAY)],
    ['after a denial', () => active().denied()],
  ])('changes nothing %s', (_name, create) => {
    const machine = create();
    const { record } = machine;
    expect(handlerRefuses(machine, 'subscribe').record).toBe(record);
    expect(machine.actions).toEqual([]);
  });

  test('ends the requests if the verification was requested and came late', () => {
    const machine = handlerRefuses(verifying().accepted().due(60_000), 'subscribe');
    expect(machine.record.stoppedBecause).toBe('handler-refused');
  });
});

describe('V1 an answer to a verification', () => {
  const confirmed = (): SubscriptionMachine => {
    const machine = verifying().accepted();
    return machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
  };

  test('leaves the renewal as planned once it was sent', () => {
    const machine = confirmed().apply({ type: 'answered', grantId: 'g1' });
    expect(machine.grant).toMatchObject({ isConfirmationUnsent: undefined, nextAttemptAt: undefined });
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
    const { record } = machine;
    expect(machine.apply({ type: 'answered', grantId: 'g1' }).record).toBe(record);
  });

  test('leads to a request within a minute if nobody knows whether it was sent', () => {
    expect(confirmed().due(60_000).actions).toEqual(['discover']);
  });

  test('does not postpone work that started before it was sent', () => {
    const machine = confirmed().due(60_000).discovered().requested();
    const { pending } = machine.grant;
    machine.apply({ type: 'answered', grantId: 'g1' });
    expect(machine.grant.pending).toEqual(pending);
  });
});

describe('V4 an unsolicited verification', () => {
  const LEASE = 10 * DAY;

  test('moves the expiry later by the granted lease at most, and does not postpone the renewal', () => {
    const machine = active();
    const { renewsAt } = machine.grant;
    machine.after(3 * DAY).verified('31536000');
    expect(machine.actions).toEqual(['hook renewed']);
    expect(machine.grant).toMatchObject({ renewsAt, leaseSeconds: 864_000, expiresAt: machine.now + LEASE });
  });

  test('never moves the expiry earlier', () => {
    const machine = active();
    const { expiresAt } = machine.grant;
    for (const lease of ['1', '600', '0', 'x'])
      expect(machine.after(60_000).verified(lease).grant.expiresAt).toBe(expiresAt);
  });

  test('brings the renewal forward if its lease is shorter', () => {
    const machine = active().after(DAY).verified('600');
    expect(machine.grant).toMatchObject({ renewsAt: machine.now + 300_000, broughtForwardAt: machine.now });
  });

  test.each(['1', '10', '600'])(
    'brings the renewal forward once an hour when it repeats with a lease of %s s',
    (lease) => {
      const machine = active().after(DAY);
      const requestTimes: number[] = [];
      const end = machine.now + 6 * 3_600_000;
      while (machine.now < end) {
        machine.after(1_000).verified(lease).due();
        if (!machine.actions.includes('discover')) continue;
        requestTimes.push(machine.now);
        machine.discovered().requested().accepted().verified();
      }
      expect(requestTimes.length).toBeLessThanOrEqual(6);
      for (const [index, at] of requestTimes.slice(1).entries())
        expect(at - (requestTimes[index] ?? 0)).toBeGreaterThan(3_590_000);
    },
  );

  test('changes neither attempts nor secrets', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' })
      .unreachable()
      .after(1_000);
    const { secrets, attempts } = machine.grant;
    machine.verified();
    expect(machine.grant).toMatchObject({ secrets, attempts });
    expect(machine.record).toMatchObject({ attempts: 1, lastError: { cause: 'unreachable' } });
  });

  test('is confirmed after a failure and after the end of a lease, but only while the subscription is wanted', () => {
    for (const machine of [active(), verifying().unreachable(), active().due(11 * DAY)]) {
      expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(true);
    }
    const machine = active().unwanted('unsubscribed');
    expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(false);
  });

  test('replaces no other grant', () => {
    const machine = verifying(HUB, SECOND_HUB)
      .accepted()
      .verified()
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requested()
      .refused();
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    machine.verified('864000', machine.grantAt(HUB).id);
    expect(machine.record.grants).toHaveLength(2);
  });
});

/** The grant whose hub the last input requested. */
const requestedGrant = ({ effects }: SubscriptionMachine): string | undefined =>
  effects.flatMap((effect) => (effect.type === 'request' && effect.mode === 'subscribe' ? effect.grantId : []))[0];

describe('V9 a verification while the POST is open', () => {
  const inPost = (...hubs: readonly string[]): SubscriptionMachine => verifying(...hubs).verifiedInPost();

  test('counts at once, so the grant is active and the hook is called', () => {
    const machine = inPost();
    expect(machine.actions).toEqual(['hook verified']);
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.grant).toMatchObject({
      expiresAt: machine.now + 10 * DAY,
      pending: { accepted: false, verified: true },
    });
    machine.accepted();
    expect(machine.actions).toEqual([]);
    expect(machine.grant).toMatchObject({ pending: undefined, attempts: 0, nextAttemptAt: undefined });
    expect(machine.grant.secrets).toEqual([{ value: 'a secret', role: 'current' }]);
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
  });

  test.each(['unreachable', 'refused'] as const)(
    'keeps the grant if the POST is %s, and the hub is requested again',
    (how) => {
      const machine = inPost()[how]();
      expect(machine.actions).toEqual(['hook failed']);
      expect(stateOf(machine.record)).toBe('active');
      expect(machine.record).toMatchObject({ attempts: 1, grants: [{ attempts: 1, pending: undefined }] });
      expect(dueAt(machine.record)).toBe(machine.now + (how === 'refused' ? 90_000 : 1_000));
    },
  );

  test('keeps the grant if the POST is not answered by the deadline, and the hub is requested again', () => {
    const machine = inPost().due(60_000);
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.record.lastError).toMatchObject({ cause: 'unreachable' });
    expect(machine.record.lastError?.message).toContain('did not answer');
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
  });

  test('does not postpone the next try if its answer is stored after the POST has failed', () => {
    const machine = verifying();
    machine.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' }).unreachable();
    machine.apply({ type: 'answered', grantId: 'g1' });
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
  });

  test('changes no requests if a forger sent it while the hub is down', () => {
    const requestLog = (isForged: boolean, hubs: readonly string[]): readonly string[] => {
      const machine = verifying(...hubs);
      const log: string[] = [];
      for (let attempt = 0; attempt < 6; attempt += 1) {
        const { id, advertisedHub } =
          machine.record.grants.find(({ pending }) => pending?.id === 'r1') ?? machine.grant;
        if (isForged) machine.verifiedInPost('31536000', id);
        machine.apply({
          type: 'unreachable',
          grantId: id,
          failure: failure('unreachable', machine.now),
        });
        log.push(`${advertisedHub} ${machine.now}`);
        let grantId = requestedGrant(machine);
        if (isForged) machine.verifiedInPost('31536000', id);
        for (let step = 0; step < 5 && grantId === undefined; step += 1) {
          machine.due(Math.max(0, (dueAt(machine.record) ?? 0) - machine.now));
          if (machine.actions.includes('discover')) machine.discovered(...hubs);
          grantId = requestedGrant(machine);
        }
        machine.requested({ grantId: grantId ?? 'none' });
      }
      return log;
    };
    expect(requestLog(true, [HUB])).toEqual(requestLog(false, [HUB]));
    // The next advertised hub is requested as soon, and the first one continues with its own backoff.
    const both = [HUB, SECOND_HUB];
    expect(requestLog(true, both).slice(0, 4)).toEqual(requestLog(false, both).slice(0, 4));
  });

  test('is expected again, and requested again, if its lease ends before the POST has ended', () => {
    const machine = verifying().verifiedInPost('1').due(10_000);
    expect(machine.actions).toEqual(['hook expired', 'catch up']);
    machine.accepted();
    expect(machine.grant).toMatchObject({ state: 'expired', pending: { accepted: true } });
    expect(machine.due((dueAt(machine.record) ?? Infinity) - machine.now).actions).toEqual(['hook failed']);
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
  });

  test('plans the next renewal by the new lease if it answers a renewal', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered(HUB)
      .requested()
      .verifiedInPost('864000')
      .accepted();
    expect(machine.grant).toMatchObject({ state: 'active', expiresAt: machine.now + 10 * DAY });
    expect(machine.grant.renewsAt).toBeGreaterThan(machine.now + 7 * DAY);
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
  });

  test('replaces no other grant before the POST has ended', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .verifiedInPost();
    expect(machine.record.grants.map(({ state }) => state)).toEqual(['active', 'active']);
    expect(machine.accepted().actions).toEqual(['unsubscribe']);
  });

  test('L4 leads to another request if the process ended before the POST has ended', () => {
    expect(inPost().restarted().actions).toEqual(['subscribe']);
  });
});
