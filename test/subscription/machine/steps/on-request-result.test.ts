import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../../src/subscription/machine/rules/secrets.js';
import {
  active,
  DAY,
  failure,
  SubscriptionMachine,
  SECOND_HUB,
  HUB,
  TOPIC,
  verifying,
} from '../subscription-machine.js';

describe('S2 a request', () => {
  test('is pending before it is sent, so that an early verification is confirmed', () => {
    const machine = verifying();
    expect(machine.grant.pending).toMatchObject({ mode: 'subscribe', member: 'this run', accepted: false });
    expect(machine.verified().actions).toEqual(['hook verified']);
  });

  test('changes nothing if it is accepted once more, before or after its verification', () => {
    const machine = verifying();
    const requestId = machine.grant.pending?.id ?? '';
    const again = { requestId, hub: 'https://moved.example/', moved: true } as const;
    const { record } = machine.accepted();
    expect(machine.accepted(again)).toMatchObject({ record, actions: [] });
    const { record: verifiedRecord } = machine.verified();
    expect(machine.accepted(again)).toMatchObject({ record: verifiedRecord, actions: [] });
  });

  test.each(['unreachable', 'refused'] as const)('counts as successful if it is %s after its verification', (how) => {
    const machine = verifying().verified();
    const recordBefore = machine.record;
    expect(machine[how]().record).toEqual(recordBefore);
    expect(machine.actions).toEqual([]);
  });

  test('does not count as refused if the answer comes after the deadline', () => {
    const machine = verifying().due(60_000);
    const recordBefore = machine.record;
    expect(machine.refused().record).toEqual(recordBefore);
  });

  test('may be verified by a hub that has not answered in time', () => {
    const machine = verifying().due(60_000);
    expect(machine.verified().actions).toEqual(['hook verified']);
  });

  test('has the full time to be verified from its acceptance', () => {
    const machine = verifying().after(9_000).accepted();
    expect(machine.grant.pending).toMatchObject({ accepted: true, deadline: machine.now + 60_000 });
  });

  test('is not sent for a grant that ended meanwhile', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    const { id } = machine.grant;
    machine.unwanted('unsubscribed').requested({ grantId: id });
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'unsubscribed', pending: undefined });
  });

  test('N1 is not sent while a denied request is open, because the denied request may still be verified', () => {
    const machine = verifying(HUB, SECOND_HUB);
    const { id, pending } = machine.grant;
    machine.denied().requested({ grantId: id });
    expect(machine.grantAt(HUB).pending).toMatchObject({ id: pending?.id, denied: true });
  });

  test('is not sent while another request for the same grant is open', () => {
    const machine = verifying();
    const { pending } = machine.grant;
    expect(machine.requested().actions).toEqual([]);
    expect(machine.grant.pending).toEqual(pending);
  });

  test('is not sent to a hub that was passed over meanwhile', () => {
    const machine = verifying(HUB, SECOND_HUB);
    const { id } = machine.grant;
    machine.refused().requested({ grantId: id });
    expect(machine.grantAt(HUB).pending).toBeUndefined();
  });

  test('S7 is repeated at the other form of a URL only while the first request is open', () => {
    const machine = verifying();
    expect(machine.requested({ send: 2 }).actions).toEqual(['hook requested']);
    expect(machine.grant.pending).toMatchObject({ id: 'r2', sends: 2 });
    expect(machine.requested({ send: 2 }).actions).toEqual([]);
    machine.verified();
    expect(machine.requested({ requestId: 'r2', send: 3 }).actions).toEqual([]);
  });

  test('V6 makes its secret accepted, and keeps the current secret accepted', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested({ secret: 'another' });
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual(['another', 'a secret']);
    machine.unreachable();
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual(['another', 'a secret']);
  });
});

describe('V6 a failed renewal', () => {
  test('leaves the grant as it is, and is retried', () => {
    const machine = active().due(9 * DAY);
    const { state, expiresAt, verifiedAt } = machine.grant;
    machine.discovered().requested().unreachable();
    expect(machine.grant).toMatchObject({ state, expiresAt, verifiedAt, attempts: 1 });
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
  });

  test('is retried at the same hub if no other one is advertised', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .refused();
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.record.grants).toMatchObject([{ state: 'active', nextAttemptAt: machine.now + 90_000 }]);
  });

  test('D8 leads to a request at another advertised hub if it is refused, and not if it only fails', () => {
    const renewing = (): SubscriptionMachine =>
      verifying(HUB, SECOND_HUB)
        .verified()
        .due(9 * DAY)
        .discovered(HUB, SECOND_HUB)
        .requested();
    expect(renewing().unreachable().actions).toEqual(['hook failed']);
    const machine = renewing().refused();
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.record.grants).toMatchObject([
      { state: 'active' },
      { advertisedHub: SECOND_HUB, state: 'requested' },
    ]);
    expect(new Set(machine.record.grants.map(({ callback }) => callback)).size).toBe(2);
  });

  test('L2 is retried on its own schedule, even when the other requested hub fails', () => {
    const machine = verifying(HUB, SECOND_HUB).verified();
    const failureAt = (hub: string) => ({
      grantId: machine.grantAt(hub).id,
      failure: failure('unreachable'),
    });
    const failRequestAt = (hub: string): SubscriptionMachine =>
      machine.requestedAt(hub).apply({ type: 'unreachable', ...failureAt(hub) });
    machine.due(9 * DAY).discovered(HUB, SECOND_HUB);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      machine.random = attempt === 2 ? 1 : 0;
      failRequestAt(HUB);
      if (attempt < 2) machine.due(60_000).discovered(HUB, SECOND_HUB);
    }
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    machine.random = 0;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      failRequestAt(SECOND_HUB);
      if (attempt < 2) machine.due((dueAt(machine.record) ?? 0) - machine.now);
    }
    machine.discoveredAgain(HUB, SECOND_HUB);
    const { id } = machine.grantAt(HUB);
    expect(machine.effects).not.toContainEqual({ type: 'request', grantId: id, mode: 'subscribe' });
  });

  test('D8 leads to no request at another hub if there is only one callback', () => {
    const machine = verifying(HUB, SECOND_HUB)
      .verified()
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requested();
    machine.hasOneCallback = true;
    expect(machine.refused().actions).toEqual(['hook failed']);
    expect(machine.record.grants).toHaveLength(1);
  });

  test('does not count once a later renewal succeeds', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable()
      .due(1_000)
      .discovered()
      .requested()
      .verified();
    expect(machine.record).toMatchObject({ attempts: 0, lastError: undefined });
    expect(machine.grant.attempts).toBe(0);
  });
});

describe('a failed unsubscribe request', () => {
  test('N2 has the configured time, however short the lease, and does not count as a refusal', () => {
    const machine = active('20').unwanted('shutdown').requested();
    expect(machine.grant.pending?.deadline).toBe(machine.now + 60_000);
    expect(machine.refused().grant.refusals).toBeUndefined();
  });

  test('is retried until the lease ends, which ends the subscription', () => {
    const machine = active().unwanted('unsubscribed');
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      machine.requested().unreachable();
      expect(machine.grant).toMatchObject({ state: 'unsubscribing', attempts: attempt });
      machine.due((dueAt(machine.record) ?? 0) - machine.now);
      expect(machine.actions).toEqual(['unsubscribe']);
    }
    machine.requested().due(11 * DAY);
    expect(machine.actions).toEqual(['hook failed', 'hook unsubscribed']);
    expect(dueAt(machine.record)).toBeUndefined();
  });

  test('does not count against the subscription at a shutdown', () => {
    const machine = active();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine.unwanted('shutdown').requested().unreachable();
    expect(machine.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined, attempts: 0 });
    expect(machine.apply({ type: 'wanted' }).actions).toEqual(['subscribe']);
  });

  test('S6 names the hub, topic and callback that were subscribed', () => {
    const machine = active();
    const { id, callback } = machine.grant;
    machine.callbackOf = (path) => `https://elsewhere.example/websub/${path}`;
    machine.unwanted('unsubscribed');
    expect(machine.effects).toEqual([{ type: 'request', grantId: id, mode: 'unsubscribe' }]);
    expect(machine.grant).toMatchObject({ id, hub: HUB, topic: TOPIC, callback });
  });
});

test('an input for a grant that no longer exists changes nothing', () => {
  const machine = active();
  const recordBefore = machine.record;
  for (const type of ['refused', 'unreachable'] as const) {
    const failure = { cause: 'refused', code: 'x', message: 'x', at: 0 } as const;
    expect(machine.apply({ type, grantId: 'gone', requestId: 'r1', failure }).record).toBe(recordBefore);
  }
  expect(machine.apply({ type: 'verified', grantId: 'gone', mode: 'subscribe' }).record).toBe(recordBefore);
  expect(machine.denied('gone').record).toBe(recordBefore);
  expect(machine.accepted({ grantId: 'gone', moved: true }).effects).toEqual([]);
});
