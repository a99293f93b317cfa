import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, failure, HUB, SECOND_HUB, verifying, type Life } from '../life.js';

const handlerRefuses = (life: Life, mode: 'subscribe' | 'unsubscribe'): Life =>
  life.apply({ type: 'handler-refused', grantId: life.grant.id, mode, failure: failure('handler-refused') });

const unsubscribeVerified = (life: Life): Life =>
  life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });

describe('a verification', () => {
  test('V2 starts the lease when it comes, and plans the renewal', () => {
    const life = verifying().accepted().after(5_000).verified('1000');
    expect(life.grant).toMatchObject({
      state: 'active',
      leaseSeconds: 1_000,
      verifiedAt: life.now,
      expiresAt: life.now + 1_000_000,
      renewsAt: life.now + 700_000,
    });
    expect(dueAt(life.record)).toBe(life.now + 700_000);
  });

  test.each([undefined, '-1', '0', 'soon'])('V2 with the lease %s gets the requested lease', (leaseParam) => {
    const life = verifying();
    life.rules = { ...life.rules, leaseSeconds: 60 };
    life.accepted().verified(leaseParam ?? '');
    expect(life.actions).toEqual(['hook verified']);
    expect(life.grant).toMatchObject({ leaseSeconds: 60, expiresAt: life.now + 60_000 });
    expect(verifying().verified(leaseParam ?? '').grant.leaseSeconds).toBe(86_400);
  });

  test('V2 with a lease of ten years is renewed as with ten days', () => {
    const life = verifying().accepted().verified('315360000');
    expect(life.grant).toMatchObject({ leaseSeconds: 31_536_000, expiresAt: life.now + 365 * DAY });
    expect(dueAt(life.record)).toBe(life.now + 8 * DAY);
  });

  test('V4 does not postpone a retried renewal if it is unsolicited', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const again = dueAt(life.record);
    expect(dueAt(life.verified('31536000').record)).toBe(again);
  });

  test('V4 answers the renewal even if it is late every time', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    expect(life.actions).toEqual(['hook failed']);
    life.after(500).verified();
    expect(life.actions).toEqual(['hook renewed']);
    expect(life.grant).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
    expect(dueAt(life.record)).toBe(life.now + 8 * DAY);
  });

  test('V4 does not postpone a renewal hours after a late request if it is unsolicited', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    const again = dueAt(life.record);
    expect(dueAt(life.after(3_600_000).verified().record)).toBe(again);
  });

  test('L2 keeps the failure count if it is unsolicited, so that retries do not speed up', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    life.verified();
    expect(life.grant.attempts).toBe(1);
    expect(life.record.attempts).toBe(1);
  });

  test('V4 answers a renewal that was given up, while that is open', () => {
    const gaveUp = (): Life => {
      const life = active();
      life.rules = { ...life.rules, maxAttempts: 1 };
      return life
        .due(9 * DAY)
        .discovered()
        .requested({ secret: 'another' })
        .accepted()
        .due(60_000);
    };
    expect(gaveUp().record.stoppedBecause).toBe('gave-up');
    const life = gaveUp().after(599_999).verified();
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(life.grant.secrets.at(-1)).toEqual({ value: 'another', role: 'current' });
    expect(life.record.attempts).toBe(0);
    expect(dueAt(life.record)).toBeGreaterThan(life.now + DAY);

    const late = gaveUp().after(3_600_000).verified();
    expect(late.record.stoppedBecause).toBeUndefined();
    expect(late.grant.secrets.at(-1)).toMatchObject({ value: 'another', role: 'pending' });
    expect(late.record.attempts).toBe(1);
    // The pending secret is accepted for a day only, so the hub is requested before.
    expect(dueAt(late.record)).toBeLessThan(late.now + DAY);
  });

  test('V4 is accepted after the service gave up', () => {
    const life = verifying();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.due(60_000);
    expect(life.record.stoppedBecause).toBe('gave-up');
    expect(life.verified().actions).toEqual(['hook verified']);
    expect(life.record.stoppedBecause).toBeUndefined();
  });

  test('V4 of a hub that was passed over is accepted while none has granted, and the other grant is removed', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    for (let time = 0; time < 3; time += 1) {
      life.accepted().due(60_000);
      if (time < 2) life.due((dueAt(life.record) ?? 0) - life.now).requested();
    }
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    life.requested().verified('600', id);
    expect(life.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('V9 of a hub that refused is unsolicited: the grant works, and the other hub is still requested', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.refused().requested();
    const deadline = life.grant.pending?.deadline;
    life.verified('600', id);
    expect(stateOf(life.record)).toBe('active');
    expect(life.grantAt(SECOND_HUB).pending?.deadline).toBe(deadline);
    // Its hub is requested when the refusal allows it.
    expect(life.grantAt(HUB).nextAttemptAt).toBe(life.now + 90_000);
    life.accepted().verified();
    expect(life.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([
      [HUB, 'unsubscribing'],
      [SECOND_HUB, 'active'],
    ]);
  });

  test('V1 of a hub that was passed over is refused when another one has granted', () => {
    const life = verifying(HUB, SECOND_HUB);
    life.due(60_000).due(2_000).requested().verified();
    expect(life.grant.advertisedHub).toBe(HUB);
    const expired = life
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    const [old] = expired.record.grants;
    expect(old).toMatchObject({ advertisedHub: HUB, state: 'unsubscribed', endedAt: life.now });
    expect(canConfirm(expired.record, expired.grantAt(HUB), 'subscribe', expired)).toBe(false);
  });

  test('V1 is refused while another grant is unsubscribed', () => {
    const life = verifying(HUB, SECOND_HUB).refused().requested().verified().unwanted('shutdown');
    const failed = { ...life.grantAt(SECOND_HUB), id: 'other', state: 'failed' } as const;
    const record = { ...life.record, grants: [...life.record.grants, failed] };
    expect(canConfirm(record, failed, 'subscribe', life)).toBe(false);
  });

  test('V3 of a repeated unsubscribe is confirmed again, and changes nothing', () => {
    const life = unsubscribeVerified(active().unwanted('unsubscribed').requested());
    const before = life.record;
    expect(canConfirm(life.record, life.grant, 'unsubscribe', life)).toBe(true);
    expect(unsubscribeVerified(life).record).toBe(before);
  });
});

describe('V7 a handler that refuses a subscription', () => {
  test('ends the requests until a retry', () => {
    const life = handlerRefuses(verifying(HUB, SECOND_HUB), 'subscribe');
    expect(stateOf(life.record)).toBe('failed');
    expect(life.record).toMatchObject({ stoppedBecause: 'handler-refused', lastError: { cause: 'handler-refused' } });
    expect(dueAt(life.record)).toBeUndefined();
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(false);
    expect(life.apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test('V6 leaves the grant until its lease ends if it refuses a renewal', () => {
    const life = handlerRefuses(
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      'subscribe',
    );
    expect(life.grant).toMatchObject({ state: 'active', pending: undefined });
    expect(life.due(DAY).actions).toEqual(['hook expired']);
    expect(stateOf(life.record)).toBe('failed');
  });

  test.each(['unsubscribed', 'deleted'] as const)(
    'does not make a subscription wanted again that was %s meanwhile',
    (why) => {
      const life = verifying();
      const { id } = life.grant;
      life.unwanted(why).apply({
        type: 'handler-refused',
        grantId: id,
        mode: 'subscribe',
        failure: failure('handler-refused'),
      });
      expect(life.record).toMatchObject({ desired: 'unsubscribed', stoppedBecause: why });
    },
  );
});

describe('a handler that refuses an unsubscribe', () => {
  test('keeps the subscription, which is renewed', () => {
    const life = handlerRefuses(active().unwanted('unsubscribed').requested(), 'unsubscribe');
    expect(life.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined });
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test('changes nothing when it is too late, because the hub has ended it', () => {
    const life = unsubscribeVerified(active().unwanted('unsubscribed').requested());
    expect(stateOf(handlerRefuses(life, 'unsubscribe').record)).toBe('unsubscribed');
  });

  test('keeps the stop reason at a shutdown', () => {
    const life = handlerRefuses(
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      'subscribe',
    );
    life.unwanted('shutdown').requested();
    expect(handlerRefuses(life, 'unsubscribe').record.stoppedBecause).toBe('handler-refused');
  });
});

describe('V9 a handler that refuses an unsolicited verification', () => {
  test.each([
    ['while it works', () => active().after(DAY)],
    ['while it waits after a failure', () => verifying().unreachable()],
    ['when its lease ran out', () => active().due(11 * DAY)],
    ['after a denial', () => active().denied()],
  ])('changes nothing: %s', (_name, at) => {
    const life = at();
    const { record } = life;
    expect(handlerRefuses(life, 'subscribe').record).toBe(record);
    expect(life.actions).toEqual([]);
  });

  test('ends the requests if the verification was requested, even a late one', () => {
    const life = handlerRefuses(verifying().accepted().due(60_000), 'subscribe');
    expect(life.record.stoppedBecause).toBe('handler-refused');
  });
});

describe('V1 an answer to a verification', () => {
  const confirmed = (): Life => {
    const life = verifying().accepted();
    return life.apply({ type: 'verified', grantId: life.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
  };

  test('leaves the renewal as planned once it was sent', () => {
    const life = confirmed().apply({ type: 'answered', grantId: 'g1' });
    expect(life.grant).toMatchObject({ isConfirmationUnsent: undefined, nextAttemptAt: undefined });
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    const { record } = life;
    expect(life.apply({ type: 'answered', grantId: 'g1' }).record).toBe(record);
  });

  test('leads to a request within a minute if nobody knows whether it was sent', () => {
    expect(confirmed().due(60_000).actions).toEqual(['discover']);
  });

  test('does not postpone work that started before it was sent', () => {
    const life = confirmed().due(60_000).discovered().requested({ requestId: 'r2' });
    life.apply({ type: 'answered', grantId: 'g1' });
    expect(life.grant.pending).toMatchObject({ id: 'r2' });
  });
});

describe('V4 an unsolicited verification', () => {
  const LEASE = 10 * DAY;

  test('moves the expiry later by the granted lease at most, and does not postpone the renewal', () => {
    const life = active();
    const { renewsAt } = life.grant;
    life.after(3 * DAY).verified('31536000');
    expect(life.actions).toEqual(['hook renewed']);
    expect(life.grant).toMatchObject({ renewsAt, leaseSeconds: 864_000, expiresAt: life.now + LEASE });
  });

  test('never moves the expiry earlier', () => {
    const life = active();
    const { expiresAt } = life.grant;
    for (const lease of ['1', '600', '0', 'x'])
      expect(life.after(60_000).verified(lease).grant.expiresAt).toBe(expiresAt);
  });

  test('brings the renewal forward if its lease is shorter', () => {
    const life = active().after(DAY).verified('600');
    expect(life.grant).toMatchObject({ renewsAt: life.now + 300_000, broughtForwardAt: life.now });
  });

  test.each(['1', '10', '600'])(
    'brings the renewal forward once an hour when it repeats with a lease of %s s',
    (lease) => {
      const life = active().after(DAY);
      const requestTimes: number[] = [];
      const end = life.now + 6 * 3_600_000;
      while (life.now < end) {
        life.after(1_000).verified(lease).due();
        if (!life.actions.includes('discover')) continue;
        requestTimes.push(life.now);
        life.discovered().requested().accepted().verified();
      }
      expect(requestTimes.length).toBeLessThanOrEqual(6);
      for (const [index, at] of requestTimes.slice(1).entries())
        expect(at - (requestTimes[index] ?? 0)).toBeGreaterThan(3_590_000);
    },
  );

  test('changes neither attempts nor secrets', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' })
      .unreachable()
      .after(1_000);
    const { secrets, attempts } = life.grant;
    life.verified();
    expect(life.grant).toMatchObject({ secrets, attempts });
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'unreachable' } });
  });

  test('is confirmed while the subscription is wanted, and after a hub was given up', () => {
    for (const life of [active(), verifying().unreachable(), active().due(11 * DAY)]) {
      expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(true);
    }
    const life = active().unwanted('unsubscribed');
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(false);
  });

  test('replaces no other grant', () => {
    const life = verifying(HUB, SECOND_HUB)
      .accepted()
      .verified()
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requested()
      .refused();
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    life.verified('864000', life.grantAt(HUB).id);
    expect(life.record.grants).toHaveLength(2);
  });
});

/** The grant whose hub the last event requested. */
const requestedGrant = ({ effects }: Life): string | undefined =>
  effects.flatMap((effect) => (effect.type === 'request' && effect.mode === 'subscribe' ? effect.grantId : []))[0];

describe('V9 a verification while the POST is open', () => {
  const inPost = (...hubs: readonly string[]): Life => verifying(...hubs).verifiedInPost();

  test('counts at once: the grant is active, the hook is called, content is accepted', () => {
    const life = inPost();
    expect(life.actions).toEqual(['hook verified']);
    expect(stateOf(life.record)).toBe('active');
    expect(life.grant).toMatchObject({ expiresAt: life.now + 10 * DAY, pending: { accepted: false, verified: true } });
    life.accepted();
    expect(life.actions).toEqual([]);
    expect(life.grant).toMatchObject({ pending: undefined, attempts: 0, nextAttemptAt: undefined });
    expect(life.grant.secrets).toEqual([{ value: 'a secret', role: 'current' }]);
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test.each(['unreachable', 'refused'] as const)(
    'keeps the grant if the POST is %s, and the hub is requested again',
    (how) => {
      const life = inPost()[how]();
      expect(life.actions).toEqual(['hook failed']);
      expect(stateOf(life.record)).toBe('active');
      expect(life.record).toMatchObject({ attempts: 1, grants: [{ attempts: 1, pending: undefined }] });
      expect(dueAt(life.record)).toBe(life.now + (how === 'refused' ? 90_000 : 1_000));
    },
  );

  test('keeps the grant if the POST is not answered by the deadline, and the hub is requested again', () => {
    const life = inPost().due(60_000);
    expect(life.actions).toEqual(['hook failed']);
    expect(life.record.lastError).toMatchObject({ cause: 'unreachable' });
    expect(life.record.lastError?.message).toContain('did not answer the request');
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('does not postpone the next try if its answer is stored after the POST has failed', () => {
    const life = verifying();
    life.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' }).unreachable();
    life.apply({ type: 'answered', grantId: 'g1' });
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('changes no requests if a stranger sent it while the hub is down', () => {
    const requestLog = (isForged: boolean, hubs: readonly string[]): readonly string[] => {
      const life = verifying(...hubs);
      const log: string[] = [];
      for (let time = 0; time < 6; time += 1) {
        const { id, advertisedHub } = life.record.grants.find(({ pending }) => pending?.id === 'r1') ?? life.grant;
        if (isForged) life.verifiedInPost('31536000', id);
        life.apply({ type: 'unreachable', grantId: id, requestId: 'r1', failure: failure('unreachable', life.now) });
        log.push(`${advertisedHub} ${life.now}`);
        let grantId = requestedGrant(life);
        if (isForged) life.verifiedInPost('31536000', id);
        for (let step = 0; step < 5 && grantId === undefined; step += 1) {
          life.due(Math.max(0, (dueAt(life.record) ?? 0) - life.now));
          if (life.actions.includes('discover')) life.discovered(...hubs);
          grantId = requestedGrant(life);
        }
        life.requested({ grantId: grantId ?? 'none' });
      }
      return log;
    };
    expect(requestLog(true, [HUB])).toEqual(requestLog(false, [HUB]));
    // The next advertised hub is requested as soon, and the first one continues with its own backoff.
    const both = [HUB, SECOND_HUB];
    expect(requestLog(true, both).slice(0, 4)).toEqual(requestLog(false, both).slice(0, 4));
  });

  test('is expected again, and requested again, if its lease ends before the POST', () => {
    const life = verifying().verifiedInPost('1').due(10_000);
    expect(life.actions).toEqual(['hook expired', 'catch up']);
    life.accepted();
    expect(life.grant).toMatchObject({ state: 'expired', pending: { accepted: true } });
    expect(life.due((dueAt(life.record) ?? Infinity) - life.now).actions).toEqual(['hook failed']);
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('plans the next renewal by the new lease if it answers a renewal', () => {
    const life = active()
      .due(8 * DAY)
      .discovered(HUB)
      .requested()
      .verifiedInPost('864000')
      .accepted();
    expect(life.grant).toMatchObject({ state: 'active', expiresAt: life.now + 10 * DAY });
    expect(life.grant.renewsAt).toBeGreaterThan(life.now + 7 * DAY);
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test('replaces no other grant before the POST has ended', () => {
    const life = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .verifiedInPost();
    expect(life.record.grants.map(({ state }) => state)).toEqual(['active', 'active']);
    expect(life.accepted().actions).toEqual(['unsubscribe']);
  });

  test('L4 leads to another request if the process ended before the POST', () => {
    expect(inPost().apply({ type: 'wanted' }).actions).toEqual(['subscribe']);
  });
});
