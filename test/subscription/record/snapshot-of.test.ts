import assert from 'node:assert';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { grantSnapshot, subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import type { Subscription } from '../../../src/subscription/record/snapshot.js';
import {
  active,
  DAY,
  failure,
  HUB,
  SubscriptionMachine,
  SECOND_HUB,
  START,
  TOPIC,
  verifying,
} from '../machine/subscription-machine.js';

const STATS = { received: 1, rejected: 2, delivered: 3, failed: 4, refused: 0, duplicates: 0, missed: 5 };

const snapshot = ({ record }: SubscriptionMachine): Subscription => subscriptionSnapshot(record, STATS);

describe('a snapshot', () => {
  test('of an active subscription has times as dates, and the fields of its first grant', () => {
    const machine = active();
    const { callback, renewsAt = 0 } = machine.grant;
    const grant = {
      id: machine.grant.id,
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
    const { id: _id, advertisedHub: _advertisedHub, state: _state, ...sharedFields } = grant;
    expect(snapshot(machine)).toStrictEqual({
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
      ...sharedFields,
    });
  });

  test('of a new subscription omits unknown fields', () => {
    expect(Object.keys(snapshot(new SubscriptionMachine()))).toEqual(
      'id service target declared desired state grants createdAt attempts nextAttemptAt failures stats'.split(' '),
    );
  });

  test('after a failure shows the next attempt and the reason', () => {
    const machine = verifying().unreachable();
    expect(snapshot(machine)).toMatchObject({
      state: 'failed',
      attempts: 1,
      nextAttemptAt: new Date(START + 1_000),
      lastError: { ...failure('unreachable'), at: new Date(START) },
      failures: { unreachable: { count: 1, lastAt: new Date(START), message: 'because of unreachable' } },
    });
    expect(snapshot(machine)).not.toHaveProperty('gaveUp');
  });

  test('shows when a failed renewal is retried', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(snapshot(machine).renewsAt).toEqual(new Date(machine.now + 1_000));
  });

  test.each(['gave-up', 'handler-refused'] as const)('shows that the library gave up (%s)', (stoppedBecause) => {
    const machine = verifying().unreachable();
    machine.record = { ...machine.record, stoppedBecause };
    expect(snapshot(machine)).toMatchObject({ state: 'failed', gaveUp: true });
    expect(snapshot(machine)).not.toHaveProperty('nextAttemptAt');
  });

  test('N2 after a denial shows when the hub is requested again, not when the request fails', () => {
    const machine = verifying().accepted().denied();
    const nextAttemptAt = new Date(START + 90_000);
    const { grants } = snapshot(machine);
    expect(snapshot(machine)).toMatchObject({ state: 'denied', attempts: 0, nextAttemptAt });
    expect(grants).toMatchObject([{ state: 'denied' }]);
    expect(snapshot(machine.due(60_000))).toMatchObject({ state: 'denied', attempts: 1, nextAttemptAt });
  });

  test('N1 after an unsolicited denial shows when the hub is requested, and no renewal', () => {
    const machine = active().after(DAY).denied();
    const snap = snapshot(machine);
    expect(snap).toMatchObject({ state: 'denied', nextAttemptAt: new Date(machine.now + 90_000) });
    expect(snap.grants).toMatchObject([{ state: 'denied', expiresAt: new Date(START + 10 * DAY) }]);
    expect(snap).not.toHaveProperty('renewsAt');
  });

  test('N1 is active if only the renewal was denied', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied()
      .due(60_000);
    expect(snapshot(machine)).toMatchObject({
      state: 'active',
      renewsAt: new Date(machine.now + 30_000),
      grants: [{ state: 'active' }],
    });
    expect(snapshot(machine).lastError).toMatchObject({ cause: 'denied' });
  });

  test('N2 shows that the library gave up after a denial', () => {
    const machine = verifying().accepted();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    expect(snapshot(machine.denied().due(60_000))).toMatchObject({ state: 'denied', gaveUp: true });
  });

  test('counts the failures of an unsubscription', () => {
    const machine = active().unwanted('unsubscribed').requested().unreachable();
    expect(snapshot(machine)).toMatchObject({
      state: 'unsubscribing',
      attempts: 1,
      nextAttemptAt: new Date(START + 1_000),
    });
  });

  test('lists working grants first and ended grants last', () => {
    const machine = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    expect(snapshot(machine).grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([
      [SECOND_HUB, 'active'],
      [HUB, 'unsubscribed'],
    ]);
    expect(snapshot(machine).hub).toBe(SECOND_HUB);
  });

  test('contains neither secret nor verify token', () => {
    const machine = verifying();
    const json = JSON.stringify([
      snapshot(machine),
      grantSnapshot({ ...machine.grant, verifyToken: 'a secret token' }),
    ]);
    expect(machine.grant.secrets).toMatchObject([{ value: 'a secret' }]);
    expect(json).not.toContain('a secret');
  });

  test('hides its callbacks from console.log, but not from JSON', () => {
    const snap = snapshot(active());
    const { callback = '' } = snap;
    const deep = { depth: null, showHidden: true };
    expect(JSON.stringify(snap).split(callback)).toHaveLength(3);
    for (const value of [snap, snap.grants[0], { snap }, [snap], snap.grants]) {
      expect(inspect(value, deep)).not.toContain(callback);
      expect(inspect(value, deep)).toContain(`topic: '${TOPIC}'`);
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
