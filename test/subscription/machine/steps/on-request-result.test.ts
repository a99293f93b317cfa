import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, failure, Life, SECOND_HUB, HUB, TOPIC, verifying } from '../life.js';

describe('S2 a request', () => {
  test('is pending before it is sent, so that an early verification is confirmed', () => {
    const life = verifying();
    expect(life.grant.pending).toMatchObject({ id: 'r1', mode: 'subscribe', accepted: false });
    expect(life.verified().actions).toEqual(['hook verified']);
  });

  test('changes only the known hub if it is accepted after it was verified', () => {
    const life = verifying().verified();
    const before = life.grant;
    life.accepted({ hub: 'https://moved.example/', moved: true });
    expect(life.actions).toEqual(['hook hub-moved']);
    expect(life.grant).toEqual({ ...before, hub: 'https://moved.example/', hasHubAccepted: true });
  });

  test.each(['unreachable', 'refused'] as const)('has succeeded if it is %s after it was verified', (how) => {
    const life = verifying().verified();
    const before = life.record;
    expect(life[how]().record).toEqual(before);
    expect(life.actions).toEqual([]);
  });

  test('does not count if it is answered after it was given up', () => {
    const life = verifying().due(60_000);
    const before = life.record;
    expect(life.refused().record).toEqual(before);
  });

  test('may be verified by a hub that has not answered in time', () => {
    const life = verifying().due(60_000);
    expect(life.verified().actions).toEqual(['hook verified']);
  });

  test('has the full time to be verified from its acceptance', () => {
    const life = verifying().after(9_000).accepted();
    expect(life.grant.pending).toMatchObject({ accepted: true, deadline: life.now + 60_000 });
  });

  test('is not sent for a grant that ended meanwhile', () => {
    const life = new Life().apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.unwanted('unsubscribed').requested({ grantId: id });
    expect(life.grantAt(HUB)).toMatchObject({ state: 'unsubscribed', pending: undefined });
  });

  test('N1 is not sent while a denied one is open, because that may still be verified', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.denied().requested({ grantId: id, requestId: 'r2' });
    expect(life.grantAt(HUB).pending).toMatchObject({ id: 'r1', denied: true });
  });

  test('is not sent beside an open one that overtook it in the queue', () => {
    const life = verifying().requested({ requestId: 'r2' });
    expect(life.actions).toEqual([]);
    expect(life.grant.pending).toMatchObject({ id: 'r1' });
  });

  test('is not sent to a hub that was passed over meanwhile', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    life.refused().requested({ grantId: id, requestId: 'r2' });
    expect(life.grantAt(HUB).pending).toBeUndefined();
  });

  test('S7 is sent to the other form of a URL only while the first one is not answered', () => {
    const life = verifying().requested({ requestId: 'r2', insteadOf: 'r1' });
    expect(life.grant.pending?.id).toBe('r2');
    life.verified();
    expect(life.requested({ requestId: 'r3', insteadOf: 'r2' }).actions).toEqual([]);
  });

  test('V6 makes its secret accepted, and keeps the current one', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' });
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
    life.unreachable();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
  });
});

describe('V6 a failed renewal', () => {
  test('leaves the grant as it is, and is retried', () => {
    const life = active().due(9 * DAY);
    const { state, expiresAt, verifiedAt } = life.grant;
    life.requested().unreachable();
    expect(life.grant).toMatchObject({ state, expiresAt, verifiedAt, attempts: 1 });
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('is retried at the same hub if no other one is advertised', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .refused();
    expect(life.actions).toEqual(['hook failed']);
    expect(life.record.grants).toMatchObject([{ state: 'active', nextAttemptAt: life.now + 90_000 }]);
  });

  test('D8 leads to a request at another advertised hub if it is refused, and not if it only fails', () => {
    const renewing = (): Life =>
      verifying(HUB, SECOND_HUB)
        .verified()
        .due(9 * DAY)
        .discovered(HUB, SECOND_HUB)
        .requested();
    expect(renewing().unreachable().actions).toEqual(['hook failed']);
    const life = renewing().refused();
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.record.grants).toMatchObject([{ state: 'active' }, { advertisedHub: SECOND_HUB, state: 'requested' }]);
    expect(new Set(life.record.grants.map(({ callback }) => callback)).size).toBe(2);
  });

  test('L2 is retried on its own schedule, even when the other requested hub fails', () => {
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
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    life.random = 0;
    for (let time = 0; time < 3; time += 1) {
      fails(SECOND_HUB);
      if (time < 2) life.due((dueAt(life.record) ?? 0) - life.now);
    }
    life.discovered(HUB, SECOND_HUB);
    const { id } = life.grantAt(HUB);
    expect(life.effects).not.toContainEqual({ type: 'request', grantId: id, mode: 'subscribe' });
  });

  test('D8 leads to no request at another hub if there is only one callback', () => {
    const life = verifying(HUB, SECOND_HUB)
      .verified()
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requested();
    life.hasOneCallback = true;
    expect(life.refused().actions).toEqual(['hook failed']);
    expect(life.record.grants).toHaveLength(1);
  });

  test('does not count once a later one succeeds', () => {
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

describe('a failed unsubscribe request', () => {
  test('N2 has the configured time, however short the lease, and does not count as a refusal', () => {
    const life = active('20').unwanted('shutdown').requested();
    expect(life.grant.pending?.deadline).toBe(life.now + 60_000);
    expect(life.refused().grant.refusals).toBeUndefined();
  });

  test('is retried until the lease ends, which ends the subscription', () => {
    const life = active().unwanted('unsubscribed');
    for (let time = 1; time <= 5; time += 1) {
      life.requested().unreachable();
      expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: time });
      life.due((dueAt(life.record) ?? 0) - life.now);
      expect(life.actions).toEqual(['unsubscribe']);
    }
    life.requested().due(11 * DAY);
    expect(life.actions).toEqual(['hook failed', 'hook unsubscribed']);
    expect(dueAt(life.record)).toBeUndefined();
  });

  test('does not count against the subscription at a shutdown', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.unwanted('shutdown').requested().unreachable();
    expect(life.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined, attempts: 0 });
    expect(life.apply({ type: 'wanted' }).actions).toEqual(['subscribe']);
  });

  test('S6 names the hub, topic and callback that were subscribed', () => {
    const life = active();
    const { hub, topic, callback } = life.grant;
    life.unwanted('unsubscribed');
    expect(life.grant).toMatchObject({ hub, topic, callback });
    expect(topic).toBe(TOPIC);
  });
});

test('an event for a grant that does not exist any more changes nothing', () => {
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
