import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import type { InputOf } from '../../../../src/subscription/machine/transition-types.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, failure, RULES, verifying, type SubscriptionMachine } from '../subscription-machine.js';

const DONE: Partial<InputOf<'accepted'>> = { isDone: true };

describe('S4 a 204 to a subscribe request', () => {
  test('means verified if no verification came, and warns that the callback was never called', () => {
    const machine = verifying().accepted(DONE);
    expect(machine.actions).toEqual(['hook verified', 'log subscription.unverified']);
    expect(machine.effects.at(-1)).toMatchObject({ grantId: machine.grant.id, leaseSeconds: DAY / 1_000 });
    expect(machine.grant).toMatchObject({
      state: 'active',
      pending: undefined,
      verifiedAt: machine.now,
      hasHubAccepted: true,
    });
    expect(machine.grant.secrets).toMatchObject([{ value: 'a secret', role: 'current' }]);
    // No request follows within a minute, unlike after a verification whose answer may not have been sent.
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
  });

  test.each([
    [undefined, 86_400],
    [3_600, 3_600],
    [864_000, 86_400],
  ])('V2 grants the smaller of the requested %s s and the default: %s s', (leaseSeconds, granted) => {
    const machine = verifying();
    machine.rules = { ...RULES, leaseSeconds };
    machine.accepted(DONE);
    expect(machine.grant).toMatchObject({ leaseSeconds: granted, expiresAt: machine.now + granted * 1_000 });
  });

  test('changes nothing if a verification came, which decides', () => {
    const machine = verifying().verified('600');
    const { expiresAt } = machine.grant;
    machine.accepted(DONE);
    expect(machine.actions).toEqual([]);
    expect(machine.grant).toMatchObject({ state: 'active', leaseSeconds: 600, expiresAt });
  });

  test('does not mean verified if a verification came for another topic', () => {
    const machine = verifying();
    machine.apply({ type: 'verification-wrong', grantId: machine.grant.id, problem: 'another topic' }).accepted(DONE);
    expect(machine.grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('means verified even after a denial or an error for another topic, which anyone may send', () => {
    const machine = verifying();
    machine.apply({ type: 'verification-wrong', grantId: machine.grant.id, problem: 'another topic', isNotice: true });
    machine.accepted(DONE);
    expect(machine.grant.state).toBe('active');
  });

  test('renews, and does not warn again about the callback', () => {
    const machine = verifying().accepted(DONE).due(DAY).discovered().requested();
    machine.accepted(DONE);
    expect(machine.actions).not.toContain('log subscription.unverified');
    expect(machine.grant).toMatchObject({ state: 'active', verifiedAt: machine.now });
  });

  test('L3 starts a catch-up, as a verification does', () => {
    const machine = active()
      .after(3 * DAY)
      .due(8 * DAY);
    machine.discovered().requested().accepted(DONE);
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
  });

  test('does not mean verified if the request had the form of WebSub', () => {
    expect(verifying().accepted().grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('changes nothing once the request was given up', () => {
    const machine = verifying();
    const requestId = machine.grant.pending?.id ?? '';
    const { record } = machine.due(60_000);
    expect(stateOf(record)).toBe('failed');
    expect(machine.accepted({ ...DONE, requestId }).record).toBe(record);
  });
});

describe('S3 the answer to an unsubscribe request', () => {
  const unsubscribing = (): SubscriptionMachine => active().unwanted('unsubscribed').requested();
  const answered = (
    machine: SubscriptionMachine,
    type: 'refused' | 'unreachable',
    status: number,
  ): SubscriptionMachine =>
    machine.apply({
      type,
      grantId: machine.grant.id,
      failure: failure('refused', machine.now),
      status,
    });

  test('204 means that the subscription has ended', () => {
    const machine = unsubscribing().accepted(DONE);
    expect(machine.actions).toEqual(['hook unsubscribed']);
    expect(machine.grant).toMatchObject({ state: 'unsubscribed', endedAt: machine.now });
    expect(dueAt(machine.record)).toBeUndefined();
  });

  test.each([404, 410])('%i means that the subscription has ended', (status) => {
    const machine = answered(unsubscribing(), 'refused', status);
    expect(machine.actions).toEqual(['hook unsubscribed']);
    expect(machine.record.lastError).toBeUndefined();
    expect(machine.grant.state).toBe('unsubscribed');
  });

  test.each([400, 403])('%i is a failure and is retried', (status) => {
    const machine = answered(unsubscribing(), 'refused', status);
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test.each([400, 403, 451])('%i means that the subscription has ended after our 410', (status) => {
    const machine = answered(active().unwanted('deleted').requested(), 'refused', status);
    expect(machine.actions).toEqual(['hook unsubscribed']);
    expect(machine.grant.state).toBe('unsubscribed');
  });

  test('400 means that the subscription has ended after a denial of the hub', () => {
    const machine = unsubscribing();
    const withDenial = (grant: SubscriptionMachine['grant']): SubscriptionMachine['grant'] => ({
      ...grant,
      deniedAt: machine.now,
    });
    machine.record = { ...machine.record, grants: machine.record.grants.map(withDenial) };
    expect(answered(machine, 'refused', 400).grant.state).toBe('unsubscribed');
  });

  test.each([
    ['unreachable', 409],
    ['unreachable', 503],
    ['refused', 301],
  ] as const)('%s (%i) is retried, even after our 410', (type, status) => {
    const machine = answered(active().unwanted('deleted').requested(), type, status);
    expect(machine.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test('404 to a subscribe request is a refusal', () => {
    const machine = answered(verifying(), 'refused', 404);
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.grant.state).toBe('failed');
  });
});
