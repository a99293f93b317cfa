import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import {
  active,
  DAY,
  dueIn,
  failure,
  HUB,
  SECOND_HUB,
  verifying,
  type SubscriptionMachine,
} from './subscription-machine.js';

const MINUTE = 60_000;

const rotateCallback = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.apply({ type: 'rotation-wanted', rotate: 'callback' });

const rotateSecret = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.apply({ type: 'rotation-wanted', rotate: 'secret' });

/** The renewal of a service that moves to a new callback at each renewal. */
function rotatingRenewal(...hubs: readonly string[]): SubscriptionMachine {
  const machine = verifying(...hubs)
    .accepted()
    .verified();
  machine.rules = { ...machine.rules, rotateCallback: 'renewal' };
  return machine.due(8 * DAY).discovered(...hubs);
}

const states = (machine: SubscriptionMachine): readonly string[] => machine.record.grants.map(({ state }) => state);

describe('V6 a rotated secret', () => {
  test('is sent at once with the next request, and the previous secret is accepted for a day', () => {
    const machine = rotateSecret(active().after(DAY));
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.freshSecret).toBe(true);
    machine.requested({ secret: 'another' });
    expect(machine.grant.freshSecret).toBeUndefined();
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual(['another', 'a secret']);
    machine.accepted().verified();
    expect(acceptedSecrets(machine.grant.secrets, machine.now + DAY - 1).values).toContain('a secret');
    expect(acceptedSecrets(machine.grant.secrets, machine.now + DAY).values).toEqual(['another']);
  });

  test('is new only in the first request of each renewal', () => {
    const machine = active();
    machine.rules = { ...machine.rules, rotateSecret: 'renewal' };
    machine.due(8 * DAY).discovered();
    expect(machine.grant.freshSecret).toBe(true);
    machine.requested({ secret: 'another' }).unreachable();
    machine.due(dueIn(machine)).discovered();
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant.freshSecret).toBeUndefined();
  });

  test('is not generated again after a denial of the renewal', () => {
    const machine = active();
    machine.rules = { ...machine.rules, rotateSecret: 'renewal' };
    machine
      .due(8 * DAY)
      .discovered()
      .requested({ secret: 'another' })
      .accepted()
      .denied()
      .due(MINUTE);
    machine.due(dueIn(machine)).discovered();
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant.freshSecret).toBeUndefined();
  });

  test('is sent right after a renewal that was open when the user rotated', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested({ secret: 'a secret' })
      .accepted();
    expect(rotateSecret(machine).actions).toEqual([]);
    machine.verified();
    expect(machine.due(dueIn(machine)).actions).toEqual(['discover']);
    expect(dueIn(machine)).toBe(MINUTE);
    expect(machine.discovered().grant.freshSecret).toBe(true);
    machine.requested({ secret: 'another' }).accepted().verified();
    expect(dueAt(machine.record)).toBe(machine.now + 8 * DAY);
  });

  test('is not requested if no grant works', () => {
    for (const machine of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { grants } = machine.record;
      expect(rotateSecret(machine).actions).toEqual([]);
      expect(machine.record.grants).toEqual(grants);
    }
  });
});

describe('S8 a rotated callback', () => {
  test('is requested at once with a new grant, and the old grant is left when the new grant is verified', () => {
    const machine = rotateCallback(active().after(DAY));
    expect(machine.actions).toEqual(['subscribe']);
    expect(states(machine)).toEqual(['active', 'requested']);
    expect(machine.grant).toMatchObject({ advertisedHub: HUB, replaces: 'g1' });
    expect(machine.grant.callback).not.toBe(machine.record.grants[0]?.callback);
    machine.requested().accepted();
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.verified().actions).toEqual(['hook verified', 'unsubscribe']);
    expect(states(machine)).toEqual(['unsubscribing', 'active']);
    machine.requested({ grantId: 'g1', mode: 'unsubscribe' });
    machine.apply({ type: 'verified', grantId: 'g1', mode: 'unsubscribe' });
    expect(states(machine)).toEqual(['unsubscribed', 'active']);
  });

  test('is not requested twice at a time', () => {
    const machine = rotateCallback(active().after(DAY));
    expect(rotateCallback(machine).actions).toEqual([]);
    expect(machine.record.grants).toHaveLength(2);
  });

  test('V9 replaces the old grant only after its POST has ended, even if it was verified earlier', () => {
    const machine = rotateCallback(active().after(DAY)).requested().verifiedInPost();
    expect(states(machine)).toEqual(['active', 'active']);
    expect(machine.accepted().actions).toEqual(['unsubscribe']);
    expect(states(machine)).toEqual(['unsubscribing', 'active']);
  });

  test('D10 is requested again after the renewal of the old grant if it is not verified in time', () => {
    const machine = rotatingRenewal(HUB);
    expect(machine.actions).toEqual(['subscribe']);
    expect(states(machine)).toEqual(['active', 'requested']);
    machine.requested().accepted().due(MINUTE);
    expect(machine.actions).toEqual(['discover', 'hook failed']);
    expect(machine.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    machine.requested({ grantId: 'g1' }).verified('864000', 'g1');
    expect(states(machine)).toEqual(['active', 'failed']);
    expect(machine.due(dueIn(machine)).effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
  });

  test('N1 is dropped when the hub denies it, and the old callback is renewed after the wait of N2', () => {
    const machine = rotatingRenewal(HUB).requested().accepted().denied();
    const deniedAt = machine.now;
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('active');
    machine.due(MINUTE);
    expect(machine.actions).toEqual([]);
    expect(machine.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(machine.record).toMatchObject({ attempts: 0, stoppedBecause: undefined });
    expect(dueAt(machine.record)).toBe(deniedAt + 90_000);
    expect(machine.due(30_000).actions).toEqual(['discover']);
    // The next requests do not try another new callback each time.
    expect(machine.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    machine.requested().verified();
    expect(machine.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: undefined }]);
    machine.due(8 * DAY).discovered(HUB);
    expect(machine.record.grants).toHaveLength(2);
  });

  test.each(['denied', 'refused'] as const)('D8 leads to no request at another hub when it is %s', (how) => {
    for (const machine of [
      rotatingRenewal(HUB, SECOND_HUB),
      rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)),
    ]) {
      machine.requested();
      if (how === 'denied') machine.accepted().denied().due(MINUTE);
      else machine.refused();
      expect(machine.actions).not.toContain('subscribe');
      expect(machine.record).toMatchObject({ attempts: 0, passedOver: [], grants: [{ id: 'g1', state: 'active' }] });
      expect(machine.record.grants).toHaveLength(1);
    }
  });

  test('L2 is retried under the same callback when the hub is unreachable, and no other hub is requested', () => {
    const machine = rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    const { callback } = machine.grant;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      machine.unreachable();
      expect(machine.actions).toEqual(['hook failed']);
      expect(machine.record.attempts).toBe(0);
      expect(machine.due(dueIn(machine)).actions).toEqual(['subscribe']);
      expect(machine.grant.callback).toBe(callback);
      machine.requested();
    }
    expect(stateOf(machine.record)).toBe('active');
  });

  test('is requested like any other grant once the grant that it replaces no longer works', () => {
    const machine = rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    machine.denied('g1');
    expect(stateOf(machine.record)).toBe('verifying');
    machine.refused();
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant.advertisedHub).toBe(SECOND_HUB);
  });

  test('is not possible if there is only one callback', () => {
    const machine = active();
    machine.hasOneCallback = true;
    machine.rules = { ...machine.rules, rotateCallback: 'renewal' };
    expect(rotateCallback(machine).actions).toEqual([]);
    expect(machine.due(8 * DAY).discovered().effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
  });

  test("N2 does not stop the subscription with afterDenial: 'stop' when it is denied, because a grant works", () => {
    const machine = rotatingRenewal(HUB);
    machine.rules = { ...machine.rules, afterDenial: 'stop' };
    machine.requested().accepted().denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBeUndefined();
  });

  test('N1 is dropped as well when it is denied late', () => {
    const machine = rotateCallback(active().after(DAY)).requested().accepted().due(MINUTE).after(100).denied();
    expect(machine.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
    // The hook reports it nevertheless.
    expect(machine.effects).toMatchObject([
      { name: 'denied', grantId: 'g2', removedGrant: { id: 'g2', state: 'failed' } },
    ]);
    expect(rotateCallback(machine).actions).toEqual(['subscribe']);
  });

  test('L4 continues after a restart', () => {
    const machine = rotateCallback(active().after(DAY)).requested().restarted();
    expect(machine.effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
    const failedRotation = rotateCallback(active().after(DAY)).requested();
    failedRotation.apply({
      type: 'unreachable',
      grantId: 'g2',
      failure: failure('unreachable', failedRotation.now),
    });
    const at = dueAt(failedRotation.record);
    expect(dueAt(failedRotation.restarted().record)).toBe(at);
  });
});
