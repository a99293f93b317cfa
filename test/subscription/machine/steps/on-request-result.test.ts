import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, failure, Life, SECOND_HUB, HUB, TOPIC, verifying } from '../life.js';

describe('S2 a request', () => {
  test('is pending before it leaves, so that a verification that comes first is confirmed', () => {
    const life = verifying();
    expect(life.grant.pending).toMatchObject({ id: 'r1', mode: 'subscribe', accepted: false });
    expect(life.verified().asked).toEqual(['tell verified']);
  });

  test('that is accepted after it was verified changes nothing but what is known of the hub', () => {
    const life = verifying().verified();
    const before = life.grant;
    life.accepted({ hub: 'https://moved.example/', moved: true });
    expect(life.asked).toEqual(['tell hub-moved']);
    expect(life.grant).toEqual({ ...before, hub: 'https://moved.example/', hubSettled: true });
  });

  test.each(['unreachable', 'refused'] as const)('that is %s after it was verified has succeeded', (how) => {
    const life = verifying().verified();
    const before = life.record;
    expect(life[how]().record).toEqual(before);
    expect(life.asked).toEqual([]);
  });

  test('that was given up does not count when it is answered after all', () => {
    const life = verifying().due(60_000);
    const before = life.record;
    expect(life.refused().record).toEqual(before);
  });

  test('may be verified by a hub that has not answered in time', () => {
    const life = verifying().due(60_000);
    expect(life.verified().asked).toEqual(['tell verified']);
  });

  test('has as long to be verified from its acceptance as from its leaving', () => {
    const life = verifying().after(9_000).accepted();
    expect(life.grant.pending).toMatchObject({ accepted: true, deadline: life.now + 60_000 });
  });

  test('does not leave for a grant that ended meanwhile', () => {
    const life = new Life().apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.unwanted('unsubscribed').requested({ grantId: id });
    expect(life.grantAt(HUB)).toMatchObject({ state: 'unsubscribed', pending: undefined });
  });

  test('N1 does not leave while one that was denied is open: that may be verified still', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.denied().requested({ grantId: id, requestId: 'r2' });
    expect(life.grantAt(HUB).pending).toMatchObject({ id: 'r1', denied: true });
  });

  test('does not leave beside one that is open: it waited for its turn, and was overtaken', () => {
    const life = verifying().requested({ requestId: 'r2' });
    expect(life.asked).toEqual([]);
    expect(life.grant.pending).toMatchObject({ id: 'r1' });
  });

  test('does not leave for a hub whose turn is over', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.refused().requested({ grantId: id, requestId: 'r2' });
    expect(life.grantAt(HUB).pending).toBeUndefined();
  });

  test('S7 leaves for the other form of a URL only while the first is not answered', () => {
    const life = verifying().requested({ requestId: 'r2', insteadOf: 'r1' });
    expect(life.grant.pending?.id).toBe('r2');
    life.verified();
    expect(life.requested({ requestId: 'r3', insteadOf: 'r2' }).asked).toEqual([]);
  });

  test('V6 makes its secret acceptable, and leaves the one that holds', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' });
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
    life.unreachable();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
  });
});

describe('V6 a renewal that fails', () => {
  test('leaves the grant as it is, and is tried again', () => {
    const life = active().due(9 * DAY);
    const { state, expiresAt, verifiedAt } = life.grant;
    life.requested().unreachable();
    expect(life.grant).toMatchObject({ state, expiresAt, verifiedAt, attempts: 1 });
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('is tried again at the same hub, where no other one is advertised', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .refused();
    expect(life.asked).toEqual(['tell failed']);
    expect(life.record.grants).toMatchObject([{ state: 'active', nextAttemptAt: life.now + 90_000 }]);
  });

  test('D8 has another advertised hub asked beside it where it is refused, and not where it only fails', () => {
    const renewing = (): Life =>
      verifying(HUB, SECOND_HUB)
        .verified()
        .due(9 * DAY)
        .discovered(HUB, SECOND_HUB)
        .requested();
    expect(renewing().unreachable().asked).toEqual(['tell failed']);
    const life = renewing().refused();
    expect(life.asked).toEqual(['tell failed', 'subscribe']);
    expect(life.record.grants).toMatchObject([{ state: 'active' }, { advertisedHub: SECOND_HUB, state: 'requested' }]);
    expect(new Set(life.record.grants.map(({ callback }) => callback)).size).toBe(2);
  });

  test('L2 is tried again by its own schedule, also when the hub asked beside it fails', () => {
    const life = verifying(HUB, SECOND_HUB).verified();
    const at = (hub: string) => ({
      grantId: life.grantAt(hub).id,
      requestId: `at ${hub}`,
      failure: failure('unreachable'),
    });
    const fails = (hub: string): Life => life.requestedAt(hub).apply({ type: 'unreachable', ...at(hub) });
    life.due(9 * DAY).discovered(HUB, SECOND_HUB);
    for (let time = 0; time < 3; time += 1) {
      life.random = time === 2 ? 1 : 0;
      fails(HUB);
      if (time < 2) life.due(60_000).discovered(HUB, SECOND_HUB);
    }
    expect(life.asked).toEqual(['tell failed', 'subscribe']);
    life.random = 0;
    for (let time = 0; time < 3; time += 1) {
      fails(SECOND_HUB);
      if (time < 2) life.due((dueAt(life.record) ?? 0) - life.now);
    }
    life.discovered(HUB, SECOND_HUB);
    const { id } = life.grantAt(HUB);
    expect(life.effects).not.toContainEqual({ type: 'request', grantId: id, mode: 'subscribe' });
  });

  test('D8 has no other hub asked beside it where there is one callback to give', () => {
    const life = verifying(HUB, SECOND_HUB)
      .verified()
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requested();
    life.hasOneCallback = true;
    expect(life.refused().asked).toEqual(['tell failed']);
    expect(life.record.grants).toHaveLength(1);
  });

  test('counts no more once one succeeds', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable()
      .due(1_000)
      .requested()
      .verified();
    expect(life.record).toMatchObject({ attempts: 0, lastError: undefined });
    expect(life.grant.attempts).toBe(0);
  });
});

describe('an unsubscription that fails', () => {
  test('N2 has as long as is configured, however short the lease, and is no refusal of what is wanted', () => {
    const life = active('20').unwanted('shutdown').requested();
    expect(life.grant.pending?.deadline).toBe(life.now + 60_000);
    expect(life.refused().grant.refusals).toBeUndefined();
  });

  test('is tried again until the lease ends, and then is one by itself', () => {
    const life = active().unwanted('unsubscribed');
    for (let time = 1; time <= 5; time += 1) {
      life.requested().unreachable();
      expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: time });
      life.due((dueAt(life.record) ?? 0) - life.now);
      expect(life.asked).toEqual(['unsubscribe']);
    }
    life.requested().due(11 * DAY);
    expect(life.asked).toEqual(['tell failed', 'tell unsubscribed']);
    expect(dueAt(life.record)).toBeUndefined();
  });

  test('at a shutdown does not count against what is wanted', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.unwanted('shutdown').requested().unreachable();
    expect(life.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined, attempts: 0 });
    expect(life.apply({ type: 'wanted' }).asked).toEqual(['subscribe']);
  });

  test('S6 is asked of the hub, topic and callback that were subscribed', () => {
    const life = active();
    const { hub, topic, callback } = life.grant;
    life.unwanted('unsubscribed');
    expect(life.grant).toMatchObject({ hub, topic, callback });
    expect(topic).toBe(TOPIC);
  });
});

test('what concerns a grant that is not there any more changes nothing', () => {
  const life = active();
  const before = life.record;
  for (const type of ['refused', 'unreachable'] as const) {
    const failure = { cause: 'refused', code: 'x', message: 'x', at: 0 } as const;
    expect(life.apply({ type, grantId: 'gone', requestId: 'r1', failure }).record).toBe(before);
  }
  expect(life.apply({ type: 'verified', grantId: 'gone', mode: 'subscribe' }).record).toBe(before);
  expect(life.denied('gone').record).toBe(before);
  expect(life.accepted({ grantId: 'gone', moved: true }).effects).toEqual([]);
});
