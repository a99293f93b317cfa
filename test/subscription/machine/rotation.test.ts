import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, SECOND_HUB, verifying, type Life } from './life.js';

const MINUTE = 60_000;

const rotateCallback = (life: Life): Life => life.apply({ type: 'rotation-wanted', rotate: 'callback' });

const rotateSecret = (life: Life): Life => life.apply({ type: 'rotation-wanted', rotate: 'secret' });

/** The renewal of a service that moves to a new callback at each renewal. */
function renewal(...hubs: readonly string[]): Life {
  const life = verifying(...hubs)
    .accepted()
    .verified();
  life.rules = { ...life.rules, rotateCallback: 'renewal' };
  return life.due(8 * DAY).discovered(...hubs);
}

const states = (life: Life): readonly string[] => life.record.grants.map(({ state }) => state);

describe('V6 a rotated secret', () => {
  test('is sent at once with the next request, and the previous one is accepted for a day', () => {
    const life = rotateSecret(active().after(DAY));
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBe(true);
    life.requested({ requestId: 'r2', secret: 'another' });
    expect(life.grant.freshSecret).toBeUndefined();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
    life.accepted({ requestId: 'r2' }).verified();
    expect(acceptedSecrets(life.grant.secrets, life.now + DAY - 1).values).toContain('a secret');
    expect(acceptedSecrets(life.grant.secrets, life.now + DAY).values).toEqual(['another']);
  });

  test('is new only in the first request of each renewal', () => {
    const life = active();
    life.rules = { ...life.rules, rotateSecret: 'renewal' };
    life.due(8 * DAY).discovered();
    expect(life.grant.freshSecret).toBe(true);
    life.requested({ secret: 'another' }).unreachable();
    life.due(dueIn(life)).discovered();
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBeUndefined();
  });

  test('is not generated again after a denial of the renewal', () => {
    const life = active();
    life.rules = { ...life.rules, rotateSecret: 'renewal' };
    life
      .due(8 * DAY)
      .discovered()
      .requested({ secret: 'another' })
      .accepted()
      .denied()
      .due(MINUTE);
    life.due(dueIn(life)).discovered();
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBeUndefined();
  });

  test('is sent right after a renewal that was open when the user rotated', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested({ secret: 'a secret' })
      .accepted();
    expect(rotateSecret(life).actions).toEqual([]);
    life.verified();
    expect(life.due(dueIn(life)).actions).toEqual(['discover']);
    expect(dueIn(life)).toBe(MINUTE);
    expect(life.discovered().grant.freshSecret).toBe(true);
    life.requested({ requestId: 'r2', secret: 'another' }).accepted({ requestId: 'r2' }).verified();
    expect(dueAt(life.record)).toBe(life.now + 8 * DAY);
  });

  test('is ignored if no grant works', () => {
    for (const life of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { grants } = life.record;
      expect(rotateSecret(life).actions).toEqual([]);
      expect(life.record.grants).toEqual(grants);
    }
  });
});

describe('S8 a rotated callback', () => {
  test('is requested at once with a new grant, and the old grant is left when that is verified', () => {
    const life = rotateCallback(active().after(DAY));
    expect(life.actions).toEqual(['subscribe']);
    expect(states(life)).toEqual(['active', 'requested']);
    expect(life.grant).toMatchObject({ advertisedHub: HUB, replaces: 'g1' });
    expect(life.grant.callback).not.toBe(life.record.grants[0]?.callback);
    life.requested().accepted();
    expect(stateOf(life.record)).toBe('active');
    expect(life.verified().actions).toEqual(['hook verified', 'unsubscribe']);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
    life.apply({ type: 'verified', grantId: 'g1', mode: 'unsubscribe' });
    expect(states(life)).toEqual(['unsubscribed', 'active']);
  });

  test('is not requested twice at a time', () => {
    const life = rotateCallback(active().after(DAY));
    expect(rotateCallback(life).actions).toEqual([]);
    expect(life.record.grants).toHaveLength(2);
  });

  test('V9 leaves the old grant only when the POST has ended, if it was verified before', () => {
    const life = rotateCallback(active().after(DAY)).requested().verifiedInPost();
    expect(states(life)).toEqual(['active', 'active']);
    expect(life.accepted().actions).toEqual(['unsubscribe']);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
  });

  test('D10 moves at each renewal; if it is not verified in time, the grant is renewed as it is, and the move continues', () => {
    const life = renewal(HUB);
    expect(life.actions).toEqual(['subscribe']);
    expect(states(life)).toEqual(['active', 'requested']);
    life.requested().accepted().due(MINUTE);
    expect(life.actions).toEqual(['discover', 'hook failed']);
    expect(life.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    life.requested({ grantId: 'g1', requestId: 'r2' }).verified('864000', 'g1');
    expect(states(life)).toEqual(['active', 'failed']);
    expect(life.due(dueIn(life)).effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
  });

  test('N1 is dropped when it is denied: the hub waits as N2 says, and the renewal stays as it was', () => {
    const life = renewal(HUB).requested().accepted().denied();
    const denied = life.now;
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('active');
    life.due(MINUTE);
    expect(life.actions).toEqual([]);
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(life.record).toMatchObject({ attempts: 0, stoppedBecause: undefined });
    expect(dueAt(life.record)).toBe(denied + 90_000);
    expect(life.due(30_000).actions).toEqual(['discover']);
    // Not under yet another callback each time until the lease ends.
    expect(life.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    life.requested({ requestId: 'r2' }).verified();
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: undefined }]);
    life.due(8 * DAY).discovered(HUB);
    expect(life.record.grants).toHaveLength(2);
  });

  test.each(['denied', 'refused'] as const)('D8 leads to no request at another hub when it is %s', (how) => {
    for (const life of [
      renewal(HUB, SECOND_HUB),
      rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)),
    ]) {
      life.requested();
      if (how === 'denied') life.accepted().denied().due(MINUTE);
      else life.refused();
      expect(life.actions).not.toContain('subscribe');
      expect(life.record).toMatchObject({ attempts: 0, passedOver: [], grants: [{ id: 'g1', state: 'active' }] });
      expect(life.record.grants).toHaveLength(1);
    }
  });

  test('L2 is retried under the same callback when the hub is unreachable, and no other hub is requested', () => {
    const life = rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    const { callback } = life.grant;
    for (let time = 0; time < 5; time += 1) {
      life.unreachable();
      expect(life.actions).toEqual(['hook failed']);
      expect(life.record.attempts).toBe(0);
      expect(life.due(dueIn(life)).actions).toEqual(['subscribe']);
      expect(life.grant.callback).toBe(callback);
      life.requested();
    }
    expect(stateOf(life.record)).toBe('active');
  });

  test('is requested like any other grant once the grant it replaces does not work', () => {
    const life = rotateCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    life.denied('g1');
    expect(stateOf(life.record)).toBe('verifying');
    life.refused();
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
  });

  test('is not possible if there is only one callback', () => {
    const life = active();
    life.hasOneCallback = true;
    life.rules = { ...life.rules, rotateCallback: 'renewal' };
    expect(rotateCallback(life).actions).toEqual([]);
    expect(life.due(8 * DAY).discovered().effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
  });

  test("N2 does not stop the subscription with afterDenial: 'stop' when it is denied, because the working grant was not denied", () => {
    const life = renewal(HUB);
    life.rules = { ...life.rules, afterDenial: 'stop' };
    life.requested().accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
  });

  test('N1 is dropped as well when it is denied late', () => {
    const life = rotateCallback(active().after(DAY)).requested().accepted().due(MINUTE).after(100).denied();
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    // The hook reports it nevertheless.
    expect(life.effects).toMatchObject([
      { name: 'denied', grantId: 'g2', removedGrant: { id: 'g2', state: 'failed' } },
    ]);
    expect(rotateCallback(life).actions).toEqual(['subscribe']);
  });

  test('L4 continues after a restart', () => {
    const life = rotateCallback(active().after(DAY)).requested().apply({ type: 'wanted' });
    expect(life.effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
    const failed = rotateCallback(active().after(DAY)).requested();
    failed.apply({ type: 'unreachable', grantId: 'g2', requestId: 'r1', failure: failure('unreachable', failed.now) });
    const at = dueAt(failed.record);
    expect(dueAt(failed.apply({ type: 'wanted' }).record)).toBe(at);
  });
});
