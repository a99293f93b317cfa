import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import type { InputOf } from '../../../../src/subscription/machine/transition-types.js';
import { active, DAY, failure, RULES, verifying, type Life } from '../life.js';

const DONE: Partial<InputOf<'accepted'>> = { isDone: true };

describe('S4 a 204 to a subscribe request', () => {
  test('means verified if no verification came, and warns that the callback was never called', () => {
    const life = verifying().accepted(DONE);
    expect(life.actions).toEqual(['hook verified', 'warn']);
    expect(life.effects.at(-1)).toMatchObject({ message: expect.stringMatching(/without calling the callback/) });
    expect(life.grant).toMatchObject({
      state: 'active',
      pending: undefined,
      verifiedAt: life.now,
      hasHubAccepted: true,
    });
    expect(life.grant.secrets).toMatchObject([{ value: 'a secret', role: 'current' }]);
    // Nothing is repeated in a minute, as after a verification whose answer may not have been sent.
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test.each([
    [undefined, 86_400],
    [3_600, 3_600],
    [864_000, 86_400],
  ])('V2 grants the smaller of the requested %s s and the default: %s s', (leaseSeconds, granted) => {
    const life = verifying();
    life.rules = { ...RULES, leaseSeconds };
    life.accepted(DONE);
    expect(life.grant).toMatchObject({ leaseSeconds: granted, expiresAt: life.now + granted * 1_000 });
  });

  test('changes nothing if a verification came, which decides', () => {
    const life = verifying().verified('600');
    const { expiresAt } = life.grant;
    life.accepted(DONE);
    expect(life.actions).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'active', leaseSeconds: 600, expiresAt });
  });

  test('does not mean verified if a verification came for another topic', () => {
    const life = verifying();
    life.apply({ type: 'verification-wrong', grantId: life.grant.id, problem: 'another topic' }).accepted(DONE);
    expect(life.grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('means verified even after a denial or an error for another topic, which anyone may send', () => {
    const life = verifying();
    life.apply({ type: 'verification-wrong', grantId: life.grant.id, problem: 'another topic', isNotice: true });
    life.accepted(DONE);
    expect(life.grant.state).toBe('active');
  });

  test('renews, and does not warn again about the callback', () => {
    const life = verifying().accepted(DONE).due(DAY).discovered().requested();
    life.accepted(DONE);
    expect(life.actions).not.toContain('warn');
    expect(life.grant).toMatchObject({ state: 'active', verifiedAt: life.now });
  });

  test('L3 starts a catch-up, as a verification does', () => {
    const life = active()
      .after(3 * DAY)
      .due(8 * DAY);
    life.discovered().requested().accepted(DONE);
    expect(life.actions).toEqual(['hook verified', 'catch up']);
  });

  test('is only accepted in the form of WebSub', () => {
    expect(verifying().accepted().grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('changes only the known hub of a request that was given up', () => {
    const life = verifying().due(60_000).accepted(DONE);
    expect(life.grant).toMatchObject({ state: 'failed', hasHubAccepted: true });
  });
});

describe('S3 the answer to an unsubscribe request', () => {
  const unsubscribing = (): Life => active().unwanted('unsubscribed').requested();
  const answered = (life: Life, type: 'refused' | 'unreachable', status: number): Life =>
    life.apply({ type, grantId: life.grant.id, requestId: 'r1', failure: failure('refused', life.now), status });

  test('204 means that the subscription has ended', () => {
    const life = unsubscribing().accepted(DONE);
    expect(life.actions).toEqual(['hook unsubscribed']);
    expect(life.grant).toMatchObject({ state: 'unsubscribed', endedAt: life.now });
    expect(dueAt(life.record)).toBeUndefined();
  });

  test.each([404, 410])('%i means that the subscription has ended', (status) => {
    const life = answered(unsubscribing(), 'refused', status);
    expect(life.actions).toEqual(['hook unsubscribed']);
    expect(life.record.lastError).toBeUndefined();
    expect(life.grant.state).toBe('unsubscribed');
  });

  test.each([400, 403])('%i is a failure and is retried', (status) => {
    const life = answered(unsubscribing(), 'refused', status);
    expect(life.actions).toEqual(['hook failed']);
    expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test.each([400, 403, 451])('%i means that the subscription has ended after our 410', (status) => {
    const life = answered(active().unwanted('deleted').requested(), 'refused', status);
    expect(life.actions).toEqual(['hook unsubscribed']);
    expect(life.grant.state).toBe('unsubscribed');
  });

  test('400 means that the subscription has ended after a denial of the hub', () => {
    const life = unsubscribing();
    const denied = (grant: Life['grant']): Life['grant'] => ({ ...grant, deniedAt: life.now });
    life.record = { ...life.record, grants: life.record.grants.map(denied) };
    expect(answered(life, 'refused', 400).grant.state).toBe('unsubscribed');
  });

  test.each([
    ['unreachable', 409],
    ['unreachable', 503],
    ['refused', 301],
  ] as const)('%s (%i) is retried, even after our 410', (type, status) => {
    const life = answered(active().unwanted('deleted').requested(), type, status);
    expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test('404 to a subscribe request is a refusal', () => {
    const life = answered(verifying(), 'refused', 404);
    expect(life.actions).toEqual(['hook failed']);
    expect(life.grant.state).toBe('failed');
  });
});
