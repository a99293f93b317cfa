import { describe, expect, test } from 'vitest';
import { mayConfirm } from '../../src/subscription/answering.js';
import { dueAt } from '../../src/subscription/due.js';
import { stateOf } from '../../src/subscription/state.js';
import { active, DAY, failure, HUB, SECOND_HUB, verifying, type Life } from './life.js';

const handlerRefuses = (life: Life, mode: 'subscribe' | 'unsubscribe'): Life =>
  life.apply({ type: 'handler-refused', grantId: life.grant.id, mode, failure: failure('handler-refused') });

const unsubscriptionVerified = (life: Life): Life =>
  life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });

describe('a verification', () => {
  test('V2 begins the lease when it comes, and plans the renewal', () => {
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

  test('V2 with an odd lease is confirmed, with a warning', () => {
    const life = verifying().verified('-1');
    expect(life.asked).toEqual(['tell verified', 'warn']);
    expect(life.grant.leaseSeconds).toBe(86_400);
  });

  test('V4 that nobody asked for moves the expiry, and does not put the renewal off', () => {
    const life = active();
    const { renewsAt } = life.grant;
    life.after(3 * DAY).verified('31536000');
    expect(life.grant).toMatchObject({ renewsAt, expiresAt: life.now + 365 * DAY });
  });

  test('V4 that nobody asked for does not put off a renewal that is tried again', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const again = dueAt(life.record);
    expect(dueAt(life.verified('31536000').record)).toBe(again);
  });

  test('V4 that is late every time is the answer to the renewal all the same', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    expect(life.asked).toEqual(['tell failed']);
    life.after(500).verified();
    expect(life.asked).toEqual(['tell renewed']);
    expect(life.grant).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
    expect(dueAt(life.record)).toBe(life.now + 8 * DAY);
  });

  test('V4 that nobody asked for puts off no renewal because one was late, hours ago', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted()
      .due(60_000);
    const again = dueAt(life.record);
    expect(dueAt(life.after(3_600_000).verified().record)).toBe(again);
  });

  test('L2 that nobody asked for leaves the failures counted: what fails is not to be tried faster for it', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    life.verified();
    expect(life.grant.attempts).toBe(1);
    expect(life.record.attempts).toBe(1);
  });

  test('V4 that comes after renewing was given up is the answer to it', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' })
      .accepted()
      .due(60_000);
    expect(life.record.hold).toBe('gave-up');
    life.after(3_600_000).verified();
    expect(life.record.hold).toBeUndefined();
    expect(life.grant.secrets.at(-1)).toEqual({ value: 'another', role: 'current' });
    expect(dueAt(life.record)).toBeGreaterThan(life.now + DAY);
  });

  test('V4 that nobody asked for may bring the renewal forward, where its lease is shorter', () => {
    const life = active().after(DAY).verified('600');
    expect(life.grant).toMatchObject({ renewsAt: life.now + 300_000, expiresAt: life.now + 600_000 });
  });

  test('V4 is welcome after asking was given up', () => {
    const life = verifying();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.due(60_000);
    expect(life.record.hold).toBe('gave-up');
    expect(life.verified().asked).toEqual(['tell verified']);
    expect(life.record.hold).toBeUndefined();
  });

  test('V4 of a hub that was passed over is welcome while none has granted, and the other is dropped', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.refused().requested().verified('600', id);
    expect(life.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('V1 of a hub that was passed over is refused when another has granted', () => {
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
    expect(mayConfirm(expired.record, expired.grantAt(HUB), 'subscribe', expired)).toBe(false);
  });

  test('V1 while another grant is being unsubscribed is refused', () => {
    const life = verifying(HUB, SECOND_HUB).refused().requested().verified().unwanted('shutdown');
    const failed = { ...life.grantAt(SECOND_HUB), id: 'other', state: 'failed' } as const;
    const record = { ...life.record, grants: [...life.record.grants, failed] };
    expect(mayConfirm(record, failed, 'subscribe', life)).toBe(false);
  });

  test('V3 of an unsubscription that is repeated is confirmed again, and changes nothing', () => {
    const life = unsubscriptionVerified(active().unwanted('unsubscribed').requested());
    const before = life.record;
    expect(mayConfirm(life.record, life.grant, 'unsubscribe', life)).toBe(true);
    expect(unsubscriptionVerified(life).record).toBe(before);
  });
});

describe('V7 a handler that refuses a subscription', () => {
  test('ends the asking, until it is retried', () => {
    const life = handlerRefuses(verifying(HUB, SECOND_HUB), 'subscribe');
    expect(stateOf(life.record)).toBe('failed');
    expect(life.record).toMatchObject({ hold: 'handler-refused', lastError: { cause: 'handler-refused' } });
    expect(dueAt(life.record)).toBeUndefined();
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    expect(mayConfirm(life.record, life.grant, 'subscribe', life)).toBe(false);
    expect(life.apply({ type: 'retried' }).asked).toEqual(['discover']);
  });

  test('V6 of a renewal leaves the grant until its lease ends', () => {
    const life = handlerRefuses(
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      'subscribe',
    );
    expect(life.grant).toMatchObject({ state: 'active', pending: undefined });
    expect(life.due(DAY).asked).toEqual(['tell expired']);
    expect(stateOf(life.record)).toBe('failed');
  });

  test.each(['unsubscribed', 'deleted'] as const)('does not make it wanted again that was %s meanwhile', (why) => {
    const life = verifying();
    const { id } = life.grant;
    life.unwanted(why).apply({
      type: 'handler-refused',
      grantId: id,
      mode: 'subscribe',
      failure: failure('handler-refused'),
    });
    expect(life.record).toMatchObject({ desired: 'unsubscribed', hold: why });
  });
});

describe('a handler that refuses an unsubscription', () => {
  test('stays subscribed, and is renewed', () => {
    const life = handlerRefuses(active().unwanted('unsubscribed').requested(), 'unsubscribe');
    expect(life.record).toMatchObject({ desired: 'subscribed', hold: undefined });
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test('when it is too late changes nothing: the hub has let go', () => {
    const life = unsubscriptionVerified(active().unwanted('unsubscribed').requested());
    expect(stateOf(handlerRefuses(life, 'unsubscribe').record)).toBe('unsubscribed');
  });

  test('at a shutdown keeps what held the subscription', () => {
    const life = handlerRefuses(active(), 'subscribe').unwanted('shutdown').requested();
    expect(handlerRefuses(life, 'unsubscribe').record.hold).toBe('handler-refused');
  });
});

describe('a denial', () => {
  test('N1 ends the subscription at any time', () => {
    for (const life of [
      verifying(),
      active(),
      active()
        .due(9 * DAY)
        .discovered()
        .requested(),
      active().due(10 * DAY),
    ]) {
      life.denied();
      expect(stateOf(life.record)).toBe('denied');
      expect(life.grant).toMatchObject({ state: 'denied', pending: undefined, endedAt: life.now });
      expect(life.record.lastError?.cause).toBe('denied');
      expect(dueAt(life.record)).toBeUndefined();
    }
  });

  test('N2 by the last hub holds until it is retried, also through a restart', () => {
    const life = active().denied();
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    expect(life.after(DAY).due().asked).toEqual([]);
    expect(life.apply({ type: 'retried' }).asked).toEqual(['discover']);
    const denied = life.grant.callback;
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.callback).not.toBe(denied);
  });

  test('N2 has another advertised hub asked, and never the one that denied', () => {
    const life = verifying(HUB, SECOND_HUB).denied();
    expect(life.asked).toEqual(['tell denied', 'subscribe']);
    life.requested().refused();
    const again = (dueAt(life.record) ?? 0) - life.now;
    expect(life.due(again).discovered(HUB, SECOND_HUB).asked).toEqual(['subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
    expect(life.denied().asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('denied');
  });

  test('N2 by a hub that was passed over does not disturb the one being asked', () => {
    const life = verifying(HUB, SECOND_HUB).refused().requested();
    const { pending } = life.grant;
    life.denied(life.grantAt(HUB).id);
    expect(life.asked).toEqual(['tell denied']);
    expect(life.grant).toMatchObject({ advertisedHub: SECOND_HUB, state: 'verifying', pending });
  });

  test('S3 by a hub that was passed over does not shorten the wait of another', () => {
    const life = verifying(HUB, SECOND_HUB).refused().requested().unreachable(3_600);
    const again = dueAt(life.record);
    life.denied(life.grantAt(HUB).id);
    expect(life.asked).toEqual(['tell denied']);
    expect(dueAt(life.record)).toBe(again);
  });

  test('V6 by another hub leaves the grant that works', () => {
    const life = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    life.denied(life.grantAt(HUB).id);
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('active');
  });

  test.each(['gave-up', 'handler-refused'] as const)('holds as such also after %s', (hold) => {
    const life = verifying().unreachable();
    life.record = { ...life.record, hold };
    expect(stateOf(life.denied().record)).toBe('denied');
  });

  test('after asking was given up does not have another hub asked', () => {
    const life = verifying(HUB, SECOND_HUB);
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.unreachable().denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(life.record.hold).toBe('gave-up');
  });

  test('that is repeated is not told again', () => {
    const life = active().denied();
    expect(life.denied().asked).toEqual([]);
  });

  test('N2 holds where discovery finds no hub but those that have denied', () => {
    const life = verifying(HUB, SECOND_HUB).denied().requested().refused();
    life.due((dueAt(life.record) ?? 0) - life.now).discovered(HUB);
    expect(stateOf(life.record)).toBe('denied');
    expect(dueAt(life.record)).toBeUndefined();
  });
});

describe('V1 an answer to a verification', () => {
  const confirmed = (): Life => {
    const life = verifying();
    return life.apply({ type: 'verified', grantId: life.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
  };

  test('that has left lets the renewal be as it was planned', () => {
    const life = confirmed().apply({ type: 'answered', grantId: 'g1' });
    expect(life.grant).toMatchObject({ unanswered: undefined, nextAttemptAt: undefined });
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    const { record } = life;
    expect(life.apply({ type: 'answered', grantId: 'g1' }).record).toBe(record);
  });

  test('of which nothing is known has the hub asked again within a minute', () => {
    expect(confirmed().due(60_000).asked).toEqual(['discover']);
  });

  test('that has left late does not put off what has begun meanwhile', () => {
    const life = confirmed().due(60_000).discovered().requested({ requestId: 'r2' });
    life.apply({ type: 'answered', grantId: 'g1' });
    expect(life.grant.pending).toMatchObject({ id: 'r2' });
  });
});
