import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import type { SubscriptionEvent } from '../../../../src/subscription/machine/events.js';
import { active, DAY, failure, RULES, verifying, type Life } from '../life.js';

type Accepted = Extract<SubscriptionEvent, { type: 'accepted' }>;

const DONE: Partial<Accepted> = { isDone: true };

describe('S4 a 204 to a subscribe request', () => {
  test('means verified where no verification came, and tells that the callback was never called', () => {
    const life = verifying().accepted(DONE);
    expect(life.asked).toEqual(['tell verified', 'warn']);
    expect(life.effects.at(-1)).toMatchObject({ message: expect.stringMatching(/without calling the callback/) });
    expect(life.grant).toMatchObject({ state: 'active', pending: undefined, verifiedAt: life.now, hubSettled: true });
    expect(life.grant.secrets).toMatchObject([{ value: 'a secret', role: 'current' }]);
    // Nothing is to be repeated in a minute, as it is after a verification whose answer may not have left.
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
  });

  test.each([
    [undefined, 86_400],
    [3_600, 3_600],
    [864_000, 86_400],
  ])('V2 grants the smaller of the %s s asked for and the default: %s s', (leaseSeconds, granted) => {
    const life = verifying();
    life.rules = { ...RULES, leaseSeconds };
    life.accepted(DONE);
    expect(life.grant).toMatchObject({ leaseSeconds: granted, expiresAt: life.now + granted * 1_000 });
  });

  test('changes nothing where a verification came, which decided', () => {
    const life = verifying().verified('600');
    const { expiresAt } = life.grant;
    life.accepted(DONE);
    expect(life.asked).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'active', leaseSeconds: 600, expiresAt });
  });

  test('does not mean verified where a verification came for another topic', () => {
    const life = verifying();
    life.apply({ type: 'verification-wrong', grantId: life.grant.id, problem: 'another topic' }).accepted(DONE);
    expect(life.grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('means verified although a denial or an error came for another topic, which anyone may send', () => {
    const life = verifying();
    life.apply({ type: 'verification-wrong', grantId: life.grant.id, problem: 'another topic', isNotice: true });
    life.accepted(DONE);
    expect(life.grant.state).toBe('active');
  });

  test('renews, and tells nobody once more that the callback was not called', () => {
    const life = verifying().accepted(DONE).due(DAY).discovered().requested();
    life.accepted(DONE);
    expect(life.asked).not.toContain('warn');
    expect(life.grant).toMatchObject({ state: 'active', verifiedAt: life.now });
  });

  test('L3 has what was missed made up for, as a verification does', () => {
    const life = active()
      .after(3 * DAY)
      .due(8 * DAY);
    life.discovered().requested().accepted(DONE);
    expect(life.asked).toEqual(['tell verified', 'catch up']);
  });

  test('is only accepted in WebSub’s form', () => {
    expect(verifying().accepted().grant).toMatchObject({ state: 'verifying', pending: { accepted: true } });
  });

  test('of a request that was given up changes nothing but what is known of the hub', () => {
    const life = verifying().due(60_000).accepted(DONE);
    expect(life.grant).toMatchObject({ state: 'failed', hubSettled: true });
  });
});

describe('S3 the answer to an unsubscription', () => {
  const leaving = (): Life => active().unwanted('unsubscribed').requested();
  const answered = (life: Life, type: 'refused' | 'unreachable', status: number): Life =>
    life.apply({ type, grantId: life.grant.id, requestId: 'r1', failure: failure('refused', life.now), status });

  test('204 means that it has ended', () => {
    const life = leaving().accepted(DONE);
    expect(life.asked).toEqual(['tell unsubscribed']);
    expect(life.grant).toMatchObject({ state: 'unsubscribed', endedAt: life.now });
    expect(dueAt(life.record)).toBeUndefined();
  });

  test.each([404, 410])('%i means that it has ended', (status) => {
    const life = answered(leaving(), 'refused', status);
    expect(life.asked).toEqual(['tell unsubscribed']);
    expect(life.record.lastError).toBeUndefined();
    expect(life.grant.state).toBe('unsubscribed');
  });

  test.each([400, 403])('%i is a failure, tried again', (status) => {
    const life = answered(leaving(), 'refused', status);
    expect(life.asked).toEqual(['tell failed']);
    expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test.each([400, 403, 451])('%i means that it has ended after our 410', (status) => {
    const life = answered(active().unwanted('deleted').requested(), 'refused', status);
    expect(life.asked).toEqual(['tell unsubscribed']);
    expect(life.grant.state).toBe('unsubscribed');
  });

  test('400 means that it has ended after the hub’s denial', () => {
    const life = leaving();
    const denied = (grant: Life['grant']): Life['grant'] => ({ ...grant, deniedAt: life.now });
    life.record = { ...life.record, grants: life.record.grants.map(denied) };
    expect(answered(life, 'refused', 400).grant.state).toBe('unsubscribed');
  });

  test.each([
    ['unreachable', 409],
    ['unreachable', 503],
    ['refused', 301],
  ] as const)('%s (%i) is tried again, after our 410 too', (type, status) => {
    const life = answered(active().unwanted('deleted').requested(), type, status);
    expect(life.grant).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test('404 to a subscribe request is a refusal', () => {
    const life = answered(verifying(), 'refused', 404);
    expect(life.asked).toEqual(['tell failed']);
    expect(life.grant.state).toBe('failed');
  });
});
