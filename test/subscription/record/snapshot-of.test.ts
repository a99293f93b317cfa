import assert from 'node:assert';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { grantSnapshot, subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import type { Subscription } from '../../../src/subscription/record/snapshot.js';
import { active, DAY, failure, HUB, Life, SECOND_HUB, START, TOPIC, verifying } from '../machine/life.js';

const STATS = { received: 1, rejected: 2, delivered: 3, failed: 4, refused: 0, duplicates: 0, missed: 5 };

const snapshot = ({ record }: Life): Subscription => subscriptionSnapshot(record, STATS);

describe('a snapshot', () => {
  test('of an active subscription has times as dates, and the fields of its first grant', () => {
    const life = active();
    const { callback, renewsAt = 0 } = life.grant;
    const grant = {
      id: life.grant.id,
      advertisedHub: HUB,
      hub: HUB,
      topic: TOPIC,
      callback,
      state: 'active',
      leaseSeconds: 864_000,
      verifiedAt: new Date(START),
      expiresAt: new Date(START + 10 * DAY),
      renewsAt: new Date(renewsAt),
    };
    const { id: _id, advertisedHub: _advertisedHub, state: _state, ...first } = grant;
    expect(snapshot(life)).toStrictEqual({
      id: 's',
      service: 'News',
      target: TOPIC,
      declared: true,
      desired: 'subscribed',
      state: 'active',
      grants: [grant],
      createdAt: new Date(START),
      attempts: 0,
      failures: {},
      stats: STATS,
      ...first,
    });
  });

  test('of a new subscription omits unknown fields', () => {
    expect(Object.keys(snapshot(new Life()))).toEqual(
      'id service target declared desired state grants createdAt attempts nextAttemptAt failures stats'.split(' '),
    );
  });

  test('after a failure shows the next attempt and the reason', () => {
    const life = verifying().unreachable();
    expect(snapshot(life)).toMatchObject({
      state: 'failed',
      attempts: 1,
      nextAttemptAt: new Date(START + 1_000),
      lastError: { ...failure('unreachable'), at: new Date(START) },
      failures: { unreachable: { count: 1, lastAt: new Date(START), message: 'because of unreachable' } },
    });
    expect(snapshot(life)).not.toHaveProperty('gaveUp');
  });

  test('shows when a failed renewal is retried', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(snapshot(life).renewsAt).toEqual(new Date(life.now + 1_000));
  });

  test.each(['gave-up', 'handler-refused'] as const)('shows that it gave up: %s', (stoppedBecause) => {
    const life = verifying().unreachable();
    life.record = { ...life.record, stoppedBecause };
    expect(snapshot(life)).toMatchObject({ state: 'failed', gaveUp: true });
    expect(snapshot(life)).not.toHaveProperty('nextAttemptAt');
  });

  test('N2 after a denial shows when the hub is asked again, not when the request fails', () => {
    const life = verifying().accepted().denied();
    const nextAttemptAt = new Date(START + 90_000);
    const { grants } = snapshot(life);
    expect(snapshot(life)).toMatchObject({ state: 'denied', attempts: 0, nextAttemptAt });
    expect(grants).toMatchObject([{ state: 'denied' }]);
    expect(snapshot(life.due(60_000))).toMatchObject({ state: 'denied', attempts: 1, nextAttemptAt });
  });

  test('N1 after an unsolicited denial shows when the hub is asked, and no renewal', () => {
    const life = active().after(DAY).denied();
    const snap = snapshot(life);
    expect(snap).toMatchObject({ state: 'denied', nextAttemptAt: new Date(life.now + 90_000) });
    expect(snap.grants).toMatchObject([{ state: 'denied', expiresAt: new Date(START + 10 * DAY) }]);
    expect(snap).not.toHaveProperty('renewsAt');
  });

  test('N1 is active if only the renewal was denied', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied()
      .due(60_000);
    expect(snapshot(life)).toMatchObject({
      state: 'active',
      renewsAt: new Date(life.now + 30_000),
      grants: [{ state: 'active' }],
    });
    expect(snapshot(life).lastError).toMatchObject({ cause: 'denied' });
  });

  test('N2 shows that it gave up after a denial', () => {
    const life = verifying().accepted();
    life.rules = { ...life.rules, maxAttempts: 1 };
    expect(snapshot(life.denied().due(60_000))).toMatchObject({ state: 'denied', gaveUp: true });
  });

  test('counts the failures of an unsubscription', () => {
    const life = active().unwanted('unsubscribed').requested().unreachable();
    expect(snapshot(life)).toMatchObject({
      state: 'unsubscribing',
      attempts: 1,
      nextAttemptAt: new Date(START + 1_000),
    });
  });

  test('lists working grants first and ended ones last', () => {
    const life = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    expect(snapshot(life).grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([
      [SECOND_HUB, 'active'],
      [HUB, 'unsubscribed'],
    ]);
    expect(snapshot(life).hub).toBe(SECOND_HUB);
  });

  test('contains neither secret nor verify token', () => {
    const life = verifying();
    const json = JSON.stringify([snapshot(life), grantSnapshot({ ...life.grant, verifyToken: 'a secret token' })]);
    expect(life.grant.secrets).toMatchObject([{ value: 'a secret' }]);
    expect(json).not.toContain('a secret');
  });

  test('hides its callbacks from console.log, and from nothing else', () => {
    const snap = snapshot(active());
    const { callback = '' } = snap;
    const deep = { depth: null, showHidden: true };
    expect(JSON.stringify(snap).split(callback)).toHaveLength(3);
    for (const shown of [snap, snap.grants[0], { snap }, [snap], snap.grants]) {
      expect(inspect(shown, deep)).not.toContain(callback);
      expect(inspect(shown, deep)).toContain(`topic: '${TOPIC}'`);
    }
  });

  test('is a plain object, which can be copied, cloned and compared', () => {
    const snap = snapshot(active());
    assert.deepStrictEqual(snap, { ...snap });
    assert.deepStrictEqual(structuredClone(snap), snap);
    expect(Object.getPrototypeOf(snap)).toBe(Object.prototype);
    expect(Reflect.ownKeys({ ...snap })).toEqual(Object.keys(snap));
  });
});
