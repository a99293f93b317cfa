import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, SECOND_HUB, verifying, type Life } from './life.js';

const MINUTE = 60_000;

const wantsCallback = (life: Life): Life => life.apply({ type: 'rotation-wanted', what: 'callback' });

const wantsSecret = (life: Life): Life => life.apply({ type: 'rotation-wanted', what: 'secret' });

/** The renewal of a service that moves to another callback with each. */
function renewal(...hubs: readonly string[]): Life {
  const life = verifying(...hubs)
    .accepted()
    .verified();
  life.rules = { ...life.rules, rotateCallback: 'renewal' };
  return life.due(8 * DAY).discovered(...hubs);
}

const states = (life: Life): readonly string[] => life.record.grants.map(({ state }) => state);

describe('V6 a secret that is rotated', () => {
  test('is asked for at once with the next request, and the one before is accepted for a day', () => {
    const life = wantsSecret(active().after(DAY));
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBe(true);
    life.requested({ requestId: 'r2', secret: 'another' });
    expect(life.grant.freshSecret).toBeUndefined();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['another', 'a secret']);
    life.accepted({ requestId: 'r2' }).verified();
    expect(acceptedSecrets(life.grant.secrets, life.now + DAY - 1).values).toContain('a secret');
    expect(acceptedSecrets(life.grant.secrets, life.now + DAY).values).toEqual(['another']);
  });

  test('at each renewal is asked for with its first request alone', () => {
    const life = active();
    life.rules = { ...life.rules, rotateSecret: 'renewal' };
    life.due(8 * DAY).discovered();
    expect(life.grant.freshSecret).toBe(true);
    life.requested({ secret: 'another' }).unreachable();
    life.due(dueIn(life)).discovered();
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBeUndefined();
  });

  test('is not drawn again after a denial of the renewal', () => {
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
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant.freshSecret).toBeUndefined();
  });

  test('is asked for right after a renewal that was open when it was wanted', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested({ secret: 'a secret' })
      .accepted();
    expect(wantsSecret(life).asked).toEqual([]);
    life.verified();
    expect(life.due(dueIn(life)).asked).toEqual(['discover']);
    expect(dueIn(life)).toBe(MINUTE);
    expect(life.discovered().grant.freshSecret).toBe(true);
    life.requested({ requestId: 'r2', secret: 'another' }).accepted({ requestId: 'r2' }).verified();
    expect(dueAt(life.record)).toBe(life.now + 8 * DAY);
  });

  test('is of no interest where nothing works', () => {
    for (const life of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { grants } = life.record;
      expect(wantsSecret(life).asked).toEqual([]);
      expect(life.record.grants).toEqual(grants);
    }
  });
});

describe('S8 a callback that is rotated', () => {
  test('is asked for at once by a new grant, and the old one is left when that is verified', () => {
    const life = wantsCallback(active().after(DAY));
    expect(life.asked).toEqual(['subscribe']);
    expect(states(life)).toEqual(['active', 'requested']);
    expect(life.grant).toMatchObject({ advertisedHub: HUB, replaces: 'g1' });
    expect(life.grant.callback).not.toBe(life.record.grants[0]?.callback);
    life.requested().accepted();
    expect(stateOf(life.record)).toBe('active');
    expect(life.verified().asked).toEqual(['tell verified', 'unsubscribe']);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
    life.apply({ type: 'verified', grantId: 'g1', mode: 'unsubscribe' });
    expect(states(life)).toEqual(['unsubscribed', 'active']);
  });

  test('is not asked for twice at a time', () => {
    const life = wantsCallback(active().after(DAY));
    expect(wantsCallback(life).asked).toEqual([]);
    expect(life.record.grants).toHaveLength(2);
  });

  test('V9 leaves the old one only when the POST has ended, where it was verified before', () => {
    const life = wantsCallback(active().after(DAY)).requested().verifiedInPost();
    expect(states(life)).toEqual(['active', 'active']);
    expect(life.accepted().asked).toEqual(['unsubscribe']);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
  });

  test('D10 moves at each renewal; not verified in time, the grant is renewed as it is, and the move goes on', () => {
    const life = renewal(HUB);
    expect(life.asked).toEqual(['subscribe']);
    expect(states(life)).toEqual(['active', 'requested']);
    life.requested().accepted().due(MINUTE);
    expect(life.asked).toEqual(['discover', 'tell failed']);
    expect(life.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    life.requested({ grantId: 'g1', requestId: 'r2' }).verified('864000', 'g1');
    expect(states(life)).toEqual(['active', 'failed']);
    expect(life.due(dueIn(life)).effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
  });

  test('N1 that is denied is forgotten: the hub is not asked before N2 says, and the renewal is as it was', () => {
    const life = renewal(HUB).requested().accepted().denied();
    const denied = life.now;
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('active');
    life.due(MINUTE);
    expect(life.asked).toEqual([]);
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(life.record).toMatchObject({ attempts: 0, stoppedBecause: undefined });
    expect(dueAt(life.record)).toBe(denied + 90_000);
    expect(life.due(30_000).asked).toEqual(['discover']);
    // Not under yet another callback, time and again, until the lease has run out.
    expect(life.discovered(HUB).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    life.requested({ requestId: 'r2' }).verified();
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: undefined }]);
    life.due(8 * DAY).discovered(HUB);
    expect(life.record.grants).toHaveLength(2);
  });

  test.each(['denied', 'refused'] as const)('D8 that is %s has no other hub asked', (how) => {
    for (const life of [
      renewal(HUB, SECOND_HUB),
      wantsCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)),
    ]) {
      life.requested();
      if (how === 'denied') life.accepted().denied().due(MINUTE);
      else life.refused();
      expect(life.asked).not.toContain('subscribe');
      expect(life.record).toMatchObject({ attempts: 0, passedOver: [], grants: [{ id: 'g1', state: 'active' }] });
      expect(life.record.grants).toHaveLength(1);
    }
  });

  test('L2 that cannot be asked for is tried again under the same callback, and no other hub is asked', () => {
    const life = wantsCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    const { callback } = life.grant;
    for (let time = 0; time < 5; time += 1) {
      life.unreachable();
      expect(life.asked).toEqual(['tell failed']);
      expect(life.record.attempts).toBe(0);
      expect(life.due(dueIn(life)).asked).toEqual(['subscribe']);
      expect(life.grant.callback).toBe(callback);
      life.requested();
    }
    expect(stateOf(life.record)).toBe('active');
  });

  test('is asked for as is anything else, once the grant it was to replace does not work', () => {
    const life = wantsCallback(verifying(HUB, SECOND_HUB).accepted().verified().after(DAY)).requested();
    life.denied('g1');
    expect(stateOf(life.record)).toBe('verifying');
    life.refused();
    expect(life.asked).toEqual(['tell failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
  });

  test('is not to be had where there is one callback to give', () => {
    const life = active();
    life.hasOneCallback = true;
    life.rules = { ...life.rules, rotateCallback: 'renewal' };
    expect(wantsCallback(life).asked).toEqual([]);
    expect(life.due(8 * DAY).discovered().effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
  });

  test("N2 that is denied does not hold with afterDenial: 'stop': the hub denied nothing that works", () => {
    const life = renewal(HUB);
    life.rules = { ...life.rules, afterDenial: 'stop' };
    life.requested().accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
  });

  test('N1 that is denied late is forgotten likewise', () => {
    const life = wantsCallback(active().after(DAY)).requested().accepted().due(MINUTE).after(100).denied();
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'active', refusals: 1 }]);
    expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    // The hook tells of it all the same.
    expect(life.effects).toMatchObject([
      { name: 'denied', grantId: 'g2', removedGrant: { id: 'g2', state: 'failed' } },
    ]);
    expect(wantsCallback(life).asked).toEqual(['subscribe']);
  });

  test('L4 goes on after a restart', () => {
    const life = wantsCallback(active().after(DAY)).requested().apply({ type: 'wanted' });
    expect(life.effects).toEqual([{ type: 'request', grantId: 'g2', mode: 'subscribe' }]);
    const failed = wantsCallback(active().after(DAY)).requested();
    failed.apply({ type: 'unreachable', grantId: 'g2', requestId: 'r1', failure: failure('unreachable', failed.now) });
    const at = dueAt(failed.record);
    expect(dueAt(failed.apply({ type: 'wanted' }).record)).toBe(at);
  });
});
