import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { subscriptionSnapshot } from '../../../../src/subscription/record/snapshot-of.js';
import { grantStateOf, isScheduled, stateOf } from '../../../../src/subscription/machine/state.js';
import {
  active,
  DAY,
  dueIn,
  failure,
  HUB,
  SubscriptionMachine,
  SECOND_HUB,
  verifying,
} from '../subscription-machine.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** A request that was accepted and denied a second later. */
const deniedRequest = (...hubs: readonly string[]): SubscriptionMachine =>
  verifying(...hubs)
    .accepted()
    .after(1_000)
    .denied();

const renewing = (...hubs: readonly string[]): SubscriptionMachine =>
  verifying(...hubs)
    .accepted()
    .verified()
    .due(8 * DAY)
    .discovered(...hubs)
    .requested()
    .accepted();

/** The hubs that the last input requested. */
const requestedHubs = ({ effects, record }: SubscriptionMachine): readonly string[] =>
  effects.flatMap((effect) =>
    effect.type === 'request' && effect.mode === 'subscribe'
      ? record.grants.filter(({ id }) => id === effect.grantId).map(({ advertisedHub }) => advertisedHub)
      : [],
  );

/** Moves to each planned time, with discovery as needed, until a hub is requested. Returns the time this took. */
function timeUntilRequest(machine: SubscriptionMachine, ...hubs: readonly string[]): number {
  const startedAt = machine.now;
  for (let step = 0; step < 20; step += 1) {
    machine.due(Math.max(0, dueIn(machine)));
    if (machine.actions.includes('discover')) machine.discovered(...hubs);
    if (machine.actions.includes('subscribe')) return machine.now - startedAt;
  }
  throw new Error('no hub is requested');
}

/** The fields of an input for a hub that could not be reached. */
const unreachableAt = (machine: SubscriptionMachine, hub: string) => ({
  grantId: machine.grantAt(hub).id,
  failure: failure('unreachable', machine.now),
});

describe('N1 a denial of an open request', () => {
  test('triggers one hook, and the request fails at its deadline without a hook `failed`', () => {
    const machine = deniedRequest();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.record.lastError).toMatchObject({ cause: 'denied' });
    expect(machine.grant).toMatchObject({ deniedAt: machine.now, pending: { denied: true } });
    machine.due(59_000);
    expect(machine.actions).toEqual([]);
    expect(machine.grant).toMatchObject({ state: 'failed', pending: undefined, refusals: 1 });
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.record).toMatchObject({ attempts: 1, failures: { denied: { count: 1 } } });
  });

  test('is undone by a verification before or after the deadline, as after a manual approval', () => {
    for (const wait of [30_000, 5 * MINUTE]) {
      const machine = deniedRequest().due(wait);
      expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(true);
      machine.verified();
      expect(machine.actions).toContain('hook verified');
      expect(machine.grant).toMatchObject({ state: 'active', deniedAt: undefined, refusals: undefined });
      expect(machine.record).toMatchObject({ attempts: 0, lastError: undefined, nextAttemptAt: undefined });
      expect(dueAt(machine.record)).toBe(machine.grant.renewsAt);
    }
  });

  test('of a renewal leaves the working grant as it is, and leads to no request at another hub', () => {
    const machine = renewing(HUB, SECOND_HUB);
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    const { expiresAt, secrets } = machine.grant;
    machine.denied();
    expect(machine.actions).toEqual(['hook denied']);
    machine.due(MINUTE);
    expect(machine.actions).toEqual([]);
    expect(machine.grant).toMatchObject({ state: 'active', expiresAt, secrets, attempts: 0 });
    expect(machine.record).toMatchObject({ attempts: 0, stoppedBecause: undefined, passedOver: [] });
    expect(machine.record.grants).toHaveLength(1);
    expect(stateOf(machine.record)).toBe('active');
    expect(grantStateOf(machine.grant)).toBe('active');
  });

  test('of each renewal leads to requests by N2 until the lease ends, and then to a request at once', () => {
    const machine = renewing();
    const { expiresAt = 0 } = machine.grant;
    const requestTimes: number[] = [];
    machine.denied();
    while (machine.now < expiresAt) {
      machine.due(Math.max(0, dueIn(machine)));
      if (machine.actions.includes('hook expired')) break;
      if (machine.actions.includes('discover')) machine.discovered();
      if (!machine.actions.includes('subscribe')) continue;
      requestTimes.push(machine.now);
      machine.requested().accepted().denied();
    }
    // In two days: after 90 s, then between half and all of 15 min, 30 min, and so on.
    expect(requestTimes).toHaveLength(9);
    expect(machine.now).toBe(expiresAt);
    expect(machine.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.requested().accepted().verified().actions).toEqual(['hook verified', 'catch up']);
    expect(machine.grant.refusals).toBeUndefined();
  });

  test('makes the request fail at the end of the lease, and the hub is requested again at once', () => {
    const machine = active('600');
    const { expiresAt = 0 } = machine.grant;
    machine
      .due(expiresAt - machine.now - 30_000)
      .discovered()
      .requested()
      .accepted()
      .denied();
    machine.due(30_000);
    expect(machine.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(machine.grant).toMatchObject({ state: 'expired', pending: undefined, refusals: 1 });
    expect(machine.discovered().actions).toEqual(['subscribe']);
    const { currentRequest } = machine.grant;
    expect(machine.requested().grant.pending?.id).toBe(currentRequest);
  });

  test('leads to a request at the next advertised hub at once, under another callback, if no grant works', () => {
    const machine = deniedRequest(HUB, SECOND_HUB);
    expect(machine.actions).toEqual(['hook denied', 'subscribe']);
    expect(requestedHubs(machine)).toEqual([SECOND_HUB]);
    expect(machine.grant.callback).not.toBe(machine.grantAt(HUB).callback);
    // The first hub may still verify.
    expect(machine.grantAt(HUB).pending).toMatchObject({ denied: true });
    const { id } = machine.grantAt(HUB);
    machine.requestedAt(SECOND_HUB).verified('864000', id);
    expect(machine.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('leads to no new request at the deadline while the next hub is requested', () => {
    const machine = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB);
    machine.apply({
      type: 'accepted',
      grantId: machine.grantAt(SECOND_HUB).id,
      hub: SECOND_HUB,
      moved: false,
    });
    machine.due(59_000);
    expect(machine.actions).toEqual([]);
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'failed', pending: undefined });
    expect(machine.grantAt(SECOND_HUB).pending).toBeDefined();
  });

  test('is discarded if the hub cannot be reached, because only a forger can have sent it', () => {
    const machine = verifying().denied().unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    expect(stateOf(machine.record)).toBe('failed');
    expect(machine.grant).toMatchObject({ deniedAt: undefined, refusals: undefined });
    expect(dueIn(machine)).toBe(1_000);
  });

  test('by a forger while the hub is down leads to a request at the next hub only', () => {
    const machine = verifying(HUB, SECOND_HUB).denied();
    expect(requestedHubs(machine)).toEqual([SECOND_HUB]);
    machine.requestedAt(SECOND_HUB);
    const { id } = machine.grantAt(HUB);
    machine.apply({ type: 'unreachable', grantId: id, failure: failure('unreachable', machine.now) });
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.grantAt(HUB)).toMatchObject({
      state: 'failed',
      nextAttemptAt: undefined,
      notBefore: machine.now + 1_000,
    });
    expect(dueAt(machine.record)).toBe(machine.grantAt(SECOND_HUB).pending?.deadline);
  });

  test('leads to another request if it comes after the verification while the POST is open', () => {
    const machine = verifying().verifiedInPost().denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('active');
    machine.accepted();
    expect(machine.grant).toMatchObject({ state: 'active', pending: { denied: true } });
    machine.due(MINUTE);
    expect(machine.grant).toMatchObject({ state: 'active', pending: undefined, refusals: 1 });
    expect(dueIn(machine)).toBeLessThanOrEqual(MINUTE);
    expect(machine.due(dueIn(machine)).actions).toEqual(['discover']);
  });

  test('counts as the answer to an attempt that has already failed', () => {
    const machine = verifying().accepted().due(MINUTE);
    expect(machine.actions).toEqual(['hook failed']);
    machine.after(100).denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.grant).toMatchObject({ refusals: 1, attempts: 1 });
    expect(dueIn(machine)).toBe(90_000);
  });

  test('leads to a request at the next hub if it comes late and no grant works', () => {
    const machine = verifying(HUB, SECOND_HUB).accepted().due(MINUTE).after(100).denied();
    expect(machine.actions).toEqual(['hook denied', 'subscribe']);
    expect(requestedHubs(machine)).toEqual([SECOND_HUB]);
    expect(machine.grantAt(HUB)).toMatchObject({ nextAttemptAt: undefined, notBefore: machine.now + 90_000 });
  });

  test('also delays the request of the next round if it comes late', () => {
    const machine = verifying();
    machine.random = 0;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      machine.accepted().due(MINUTE);
      if (attempt < 2) machine.due(dueIn(machine)).requested();
    }
    expect(dueIn(machine)).toBe(1_000);
    machine.denied();
    expect(dueIn(machine)).toBe(MINUTE);
    expect(timeUntilRequest(machine, HUB)).toBe(MINUTE);
  });

  test('postpones only the next try of a renewal if it comes late', () => {
    const machine = renewing().due(MINUTE).after(100).denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.grant.nextAttemptAt).toBe(machine.now + 90_000);
  });

  test.each(['denied', 'refused'] as const)('S3 leads to a separate wait for each hub if both hubs have %s', (how) => {
    const machine = verifying(HUB, SECOND_HUB).accepted()[how]();
    machine.requestedAt(SECOND_HUB).accepted()[how]();
    machine.due(MINUTE);
    expect(stateOf(machine.record)).toBe(how === 'denied' ? 'denied' : 'failed');
    expect(dueIn(machine)).toBeLessThanOrEqual(MINUTE);
    expect(timeUntilRequest(machine, HUB, SECOND_HUB)).toBeLessThanOrEqual(MINUTE);
    expect(requestedHubs(machine)).toEqual([HUB]);
  });
});

test('N2 a start does not repeat a denied renewal, even if the answer to an earlier verification was not sent', () => {
  const machine = renewing();
  machine.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' });
  machine.apply({ type: 'renewal-wanted' }).after(60_000).due().discovered().requested();
  machine.accepted().denied().due(MINUTE);
  const at = dueAt(machine.record);
  expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
  expect(dueAt(machine.record)).toBe(at);
});

test('N1 a denial that is repeated a minute later for the same request does not lengthen the wait', () => {
  const machine = deniedRequest().due(MINUTE);
  const at = dueAt(machine.record);
  machine.after(1_000).denied();
  expect(machine.actions).toEqual(['hook denied']);
  expect(dueAt(machine.record)).toBe(at);
  expect(machine.grant.refusals).toBe(1);
  machine.after(5_000).verified();
  expect(machine.record).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
});

test('N1 another denial of the same grant within a minute changes nothing', () => {
  for (const machine of [active().denied(), renewing().denied(), verifying().accepted().due(MINUTE).denied()]) {
    const { record } = machine;
    expect(machine.after(59_999).denied().record).toBe(record);
    expect(machine.actions).toEqual([]);
    expect(machine.after(1).denied().actions).toEqual(['hook denied']);
  }
});

describe('N1 a denial while an unsubscribe request is open', () => {
  test('stores only its time, and the verification is still confirmed', () => {
    const machine = active().unwanted('unsubscribed').requested();
    const { deniedAt: _deniedAt, ...grantBefore } = machine.grant;
    machine.denied();
    expect(machine.actions).toEqual([]);
    expect(machine.grant).toEqual({ ...grantBefore, deniedAt: machine.now });
    expect(stateOf(machine.record)).toBe('unsubscribing');
    expect(canConfirm(machine.record, machine.grant, 'unsubscribe', machine)).toBe(true);
    machine.apply({ type: 'verified', grantId: machine.grant.id, mode: 'unsubscribe' });
    expect(machine.actions).toEqual(['hook unsubscribed']);
  });

  test('has no effects if another grant has replaced the denied grant', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .verified();
    machine.denied(machine.record.grants[0]?.id);
    expect(machine.actions).toEqual([]);
    expect(machine.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
    expect(stateOf(machine.record)).toBe('active');
  });
});

describe('N1 a denial while no request is open', () => {
  const denied = (): SubscriptionMachine => active().after(DAY).denied();

  test('makes the state denied, and leaves the grant with its callback, secrets and lease', () => {
    const machine = active().after(DAY);
    const { callback, secrets, expiresAt, leaseSeconds } = machine.grant;
    machine.denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.grant).toMatchObject({
      state: 'active',
      callback,
      secrets,
      expiresAt,
      leaseSeconds,
      deniedAt: machine.now,
    });
    expect(grantStateOf(machine.grant)).toBe('denied');
    expect(machine.record).toMatchObject({ stoppedBecause: undefined, attempts: 0, gapSince: machine.now });
  });

  test.each([
    [0, 60_000],
    [0.5, 90_000],
    [1, 120_000],
  ])('leads to one request under a fresh callback after 60 to 120 s (random %d)', (random, wait) => {
    const machine = active().after(DAY);
    machine.random = random;
    machine.denied();
    expect(dueIn(machine)).toBe(wait);
    expect(machine.due(wait - 1).actions).toEqual([]);
    expect(machine.due(1).actions).toEqual(['subscribe']);
    const [oldGrant, freshGrant] = machine.record.grants;
    expect(freshGrant).toMatchObject({ advertisedHub: HUB, state: 'requested', replaces: oldGrant?.id });
    expect(freshGrant?.callback).not.toBe(oldGrant?.callback);
    expect(machine.due(1).actions).toEqual([]);
  });

  test('leads to a catch-up and an unsubscribe of the old grant once the fresh grant is verified', () => {
    const machine = denied().due(90_000).requested().accepted();
    expect(machine.verified().actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(machine.record.grants).toMatchObject([{ state: 'unsubscribing', superseded: true }, { state: 'active' }]);
    expect(stateOf(machine.record)).toBe('active');
  });

  test('is undone by signed content after the denial was answered, and the hub is still requested', () => {
    const machine = denied();
    const { record } = machine;
    expect(machine.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true }).record).toBe(record);
    machine.delivers();
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.grant).toMatchObject({
      deniedAt: undefined,
      deniedUnsolicited: undefined,
      denialAnswered: undefined,
    });
    expect(dueIn(machine)).toBe(90_000);
    expect(machine.due(90_000).actions).toEqual(['subscribe']);
    expect(machine.requested().accepted().verified().actions).toContain('unsubscribe');
  });

  test('does not postpone the check when it is repeated, with or without content between', () => {
    const machine = denied();
    const at = dueAt(machine.record);
    machine.after(61_000).denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(dueAt(machine.record)).toBe(at);
    machine.delivers().denied();
    expect(dueAt(machine.record)).toBe(at);
    machine
      .due(29_000)
      .requested()
      .accepted()
      .after(5 * MINUTE)
      .denied('g1');
    expect(machine.record.grants).toHaveLength(2);
  });

  test('leads to the check even if the renewal had started', () => {
    const machine = active()
      .due(8 * DAY)
      .denied();
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.discovered().actions).toEqual([]);
    expect(dueIn(machine)).toBe(90_000);
    // The check comes before the renewal, even if content has refuted the denial.
    expect(machine.delivers().due().actions).toEqual([]);
    expect(machine.due(90_000).actions).toEqual(['subscribe']);
  });

  test('ends the grant with its lease if nothing refutes it, and a new callback is requested at once', () => {
    const machine = active('600').after(590_000).denied();
    machine.due(10_000);
    expect(machine.actions).toEqual(['hook expired', 'discover']);
    expect(machine.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: machine.now }]);
    expect(grantStateOf(machine.grant)).toBe('denied');
    expect(stateOf(machine.record)).toBe('denied');
    expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(false);
    const [oldGrant] = machine.record.grants;
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.callback).not.toBe(oldGrant?.callback);
  });

  test('ends the grant after a day at most if the grant has no lease', () => {
    const machine = active();
    machine.record = {
      ...machine.record,
      grants: machine.record.grants.map((grant) => ({ ...grant, expiresAt: undefined })),
    };
    expect(machine.denied().grant.expiresAt).toBe(machine.now + DAY);
  });

  test('of a grant that is over has no effects', () => {
    const machine = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    machine.denied(machine.grantAt(HUB).id);
    expect(machine.actions).toEqual([]);
    expect(machine.grantAt(HUB).state).toBe('unsubscribed');
  });

  test('of a grant that waits after a failure does not change the time of the next try', () => {
    const machine = verifying().unreachable();
    const at = dueAt(machine.record);
    machine.denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('denied');
    expect(dueAt(machine.record)).toBe(at);
  });

  test('keeps its wait and its fresh callback through a restart and a reset of the counters', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const machine of [
        denied(),
        active()
          .after(9 * DAY)
          .denied(),
      ]) {
        const at = dueAt(machine.record);
        machine.after(10_000).apply({ type });
        expect(machine.actions).toEqual([]);
        expect(dueAt(machine.record)).toBe(at);
        expect(machine.due(80_000).actions).toEqual(['subscribe']);
        expect(machine.record.grants).toHaveLength(2);
      }
    }
  });

  test('leads to a request under a fresh callback at once after a retry', () => {
    const machine = denied().after(1_000).apply({ type: 'retried' });
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant).toMatchObject({ replaces: 'g1' });
  });

  test('counts as a denial by N2 if the hub denies the fresh callback too, and the next hub is requested', () => {
    const machine = renewing(HUB, SECOND_HUB).verified().after(DAY).denied().due(90_000).requested();
    machine.denied();
    expect(requestedHubs(machine)).toEqual([SECOND_HUB]);
    machine.requestedAt(SECOND_HUB).verified('864000', machine.grantAt(SECOND_HUB).id);
    expect(machine.effects).toContainEqual({ type: 'request', grantId: 'g1', mode: 'unsubscribe' });
    expect(stateOf(machine.record)).toBe('active');
  });

  test('does not move the planned request of a refused renewal when the denial is undone', () => {
    for (const undo of ['content', 'a verification']) {
      const machine = renewing().refused();
      const at = (machine.grant.nextAttemptAt ?? 0) + DAY;
      machine.record = { ...machine.record, grants: [{ ...machine.grant, nextAttemptAt: at }] };
      machine.after(61_000).denied();
      if (undo === 'content') machine.delivers();
      else machine.verified();
      expect(machine.grant.nextAttemptAt).toBe(at);
      expect(machine.due(120_000).actions).toEqual([]);
      machine.due(at - machine.now);
      // The only request is under the fresh callback.
      expect(machine.actions).toEqual(['subscribe']);
      expect(machine.grant.replaces).toBe('g1');
    }
  });

  test('is undone by an unsolicited verification, and the hub is still requested', () => {
    const machine = denied();
    const at = dueAt(machine.record);
    machine.verified();
    expect(machine.actions).toEqual(['hook verified', 'catch up']);
    expect(stateOf(machine.record)).toBe('active');
    expect(dueAt(machine.record)).toBe(at);
  });

  test('of a subscription that gave up leaves the subscription stopped and its grant active', () => {
    const machine = active();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(machine.record.stoppedBecause).toBe('gave-up');
    machine.denied();
    expect(machine.record.stoppedBecause).toBe('gave-up');
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.grant.state).toBe('active');
    expect(dueAt(machine.record)).toBe(machine.grant.expiresAt);
    expect(stateOf(machine.delivers().record)).toBe('active');
  });
});

describe('N1 with only one callback', () => {
  const withOneCallback = (leaseSeconds = '864000'): SubscriptionMachine => {
    const machine = new SubscriptionMachine();
    machine.hasOneCallback = true;
    return machine.apply({ type: 'wanted' }).discovered().requested().accepted().verified(leaseSeconds);
  };

  test('the check keeps the callback', () => {
    const machine = withOneCallback().after(DAY).denied();
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.due(90_000).actions).toEqual(['subscribe']);
    expect(machine.record.grants).toMatchObject([{ state: 'active', denialCheckedAt: machine.now }]);
    expect(machine.requested().accepted().verified().actions).toContain('hook verified');
    expect(machine.grant.deniedUnsolicited).toBeUndefined();
    expect(stateOf(machine.record)).toBe('active');
  });

  test('the check happens at most once an hour', () => {
    const machine = withOneCallback().after(DAY);
    const checks: number[] = [];
    for (let minute = 0; minute < 360; minute += 1) {
      machine.denied().due(MINUTE);
      if (machine.actions.includes('discover')) machine.discovered();
      if (!machine.actions.includes('subscribe')) continue;
      checks.push(machine.now);
      machine.requested().accepted().verified();
    }
    expect(checks.length).toBe(6);
    for (const [index, at] of checks.slice(1).entries()) expect(at - (checks[index] ?? 0)).toBeGreaterThanOrEqual(HOUR);
  });

  test('denials with content between postpone neither the check nor a planned renewal', () => {
    const machine = withOneCallback().after(DAY).denied();
    const at = dueAt(machine.record);
    expect(dueAt(machine.after(61_000).delivers().denied().record)).toBe(at);

    const renewing = withOneCallback();
    const { renewsAt = 0 } = renewing.grant;
    renewing.after(renewsAt - renewing.now - 10_000).denied();
    expect(dueAt(renewing.delivers().record)).toBe(renewsAt);
  });

  test('a hub that confirms the denial is requested by N2, and at the end of the lease under the same callback', () => {
    const machine = withOneCallback('3600').after(1_000).denied();
    machine.due(90_000).requested().accepted().denied();
    expect(machine.actions).toEqual(['hook denied']);
    machine.due(MINUTE);
    expect(machine.grant).toMatchObject({ state: 'active', deniedUnsolicited: true, refusals: 1 });
    expect(machine.record).toMatchObject({ attempts: 1, nextAttemptAt: machine.now + 30_000 });
    machine.due(30_000).discovered().requested().accepted().denied();
    machine.due(MINUTE);
    machine.record = { ...machine.record, nextAttemptAt: machine.now + DAY };
    machine.due((machine.grant.expiresAt ?? 0) - machine.now);
    expect(machine.actions).toEqual(['hook expired', 'discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.record.grants).toMatchObject([{ id: 'g1', state: 'expired' }]);
  });

  test('a start does not move a check that is not due yet', () => {
    const machine = withOneCallback().after(DAY).denied();
    const at = dueAt(machine.record);
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(at);
  });
});

describe('N2 several hubs with only one callback', () => {
  const withOneCallback = (change: Partial<SubscriptionMachine['rules']> = {}): SubscriptionMachine => {
    const machine = new SubscriptionMachine();
    machine.hasOneCallback = true;
    machine.rules = { ...machine.rules, ...change };
    return machine.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB).requested();
  };

  test.each(['denied', 'refused'] as const)(
    'each hub that has %s is requested after growing waits of its own',
    (how) => {
      const machine = withOneCallback();
      machine.random = 0;
      const requestTimes = new Map<string, number[]>([
        [HUB, []],
        [SECOND_HUB, []],
      ]);
      for (let attempt = 0; attempt < 8; attempt += 1) {
        requestTimes.get(machine.grant.advertisedHub)?.push(machine.now);
        if (how === 'denied') machine.accepted().denied();
        else machine.refused();
        if (!machine.actions.includes('subscribe')) timeUntilRequest(machine, HUB, SECOND_HUB);
        machine.requested();
      }
      for (const times of requestTimes.values()) {
        const waits = times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / MINUTE);
        expect(waits).toEqual([1, 7.5, 15]);
      }
      expect(machine.record.grants).toHaveLength(2);
      // The callback now serves the hub that was requested last.
      expect(machine.record.grants.at(-1)?.pending).toBeDefined();
      machine.accepted().verified();
      expect(machine.record.grants).toMatchObject([{ state: 'active', refusals: undefined }]);
    },
  );

  test("afterDenial: 'stop' stops the subscription when both hubs have denied", () => {
    const machine = withOneCallback({ afterDenial: 'stop' }).accepted().denied().requested().accepted().denied();
    expect(machine.due(MINUTE).record.stoppedBecause).toBe('denied');
    expect(machine.apply({ type: 'retried' }).discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
  });
});

describe('N2 after denials or refusals in a row', () => {
  /** The waits in minutes between a denial and the next request, for this many denials. */
  function waits(random: number, times: number, how: 'denied' | 'refused'): readonly number[] {
    const machine = verifying();
    machine.random = random;
    return Array.from({ length: times }, () => {
      if (how === 'denied') machine.accepted().denied();
      else machine.refused();
      const wait = timeUntilRequest(machine, HUB);
      machine.requested();
      return wait / MINUTE;
    });
  }

  test.each(['denied', 'refused'] as const)(
    'a hub that has %s is requested after growing waits, up to a day',
    (how) => {
      expect(waits(1, 10, how)).toEqual([2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
      expect(waits(0, 10, how)).toEqual([1, 7.5, 15, 30, 60, 120, 240, 480, 720, 720]);
    },
  );

  test('the hook `denied` is called once for each denial, and the hook `failed` is never called', () => {
    const machine = verifying();
    const hooks: string[] = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      hooks.push(...machine.accepted().denied().actions);
      timeUntilRequest(machine, HUB);
      hooks.push(...machine.actions.filter((each) => each.startsWith('hook')));
      machine.requested();
    }
    expect(hooks).toEqual(Array.from({ length: 5 }, () => 'hook denied'));
  });

  test('neither a start nor a reset of the counters shortens the wait', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const wait of [0, MINUTE]) {
        const machine = deniedRequest();
        const at = machine.grant.notBefore ?? 0;
        machine.due(wait).apply({ type });
        expect(machine.actions).not.toContain('subscribe');
        expect(machine.discoveredAgain().actions).toEqual([]);
        timeUntilRequest(machine, HUB);
        expect(machine.now).toBe(at);
      }
    }
  });

  test.each([0, MINUTE])('a retry ends the wait %d ms after the denial', (wait) => {
    const machine = deniedRequest().due(wait).apply({ type: 'retried' });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    const { currentRequest: id } = machine.grant;
    expect(machine.requested().grant).toMatchObject({ pending: { id }, refusals: undefined });
    expect(stateOf(machine.record)).toBe('verifying');
  });

  test('a retry ends the wait of a renewal, even of a renewal that the user wanted early', () => {
    for (const wait of [0, MINUTE]) {
      const early = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested().accepted();
      early.denied().due(wait).apply({ type: 'retried' });
      expect(early.actions).toEqual(['discover']);
      expect(renewing().denied().due(wait).apply({ type: 'retried' }).actions).toEqual(['discover']);
    }
  });

  test('the end of a lease ends the wait', () => {
    const machine = renewing();
    machine.record = { ...machine.record, grants: machine.record.grants.map((grant) => ({ ...grant, refusals: 9 })) };
    machine.denied().due(MINUTE);
    expect(dueAt(machine.record)).toBe(machine.now + 18 * HOUR - MINUTE);
    machine.due((machine.grant.expiresAt ?? 0) - machine.now);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(stateOf(machine.record)).toBe('denied');
  });

  test('the state is denied while the hub is requested again, and after giving up', () => {
    const machine = deniedRequest();
    timeUntilRequest(machine, HUB);
    expect(stateOf(machine.requested().record)).toBe('denied');
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    gaveUp.accepted().denied().due(MINUTE);
    expect(gaveUp.record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.actions).toEqual([]);
    expect(stateOf(gaveUp.record)).toBe('denied');
    expect(dueAt(gaveUp.record)).toBeUndefined();
  });

  test('the answer of the hub that was requested last decides the state', () => {
    const machine = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB);
    expect(stateOf(machine.record)).toBe('verifying');
    expect(stateOf(machine.refused().record)).toBe('failed');
  });

  test('a hub with a long Retry-After does not make the other hub wait', () => {
    const machine = verifying(HUB, SECOND_HUB).accepted().denied();
    const at = machine.grantAt(HUB).notBefore;
    machine.requestedAt(SECOND_HUB).unreachable(86_000);
    expect(machine.actions).toEqual(['hook failed']);
    expect(dueAt(machine.due(MINUTE).record)).toBe(at);
    timeUntilRequest(machine, HUB, SECOND_HUB);
    expect(requestedHubs(machine)).toEqual([HUB]);
    const { id } = machine.grantAt(HUB);
    machine.requestedAt(HUB).denied(id).due(MINUTE);
    expect(machine.record.nextAttemptAt).toBe(machine.grantAt(HUB).notBefore);
    expect(machine.grantAt(SECOND_HUB).notBefore).toBeGreaterThan(machine.now + 23 * HOUR);
  });

  test('S3 a hub that refused keeps its own wait when the round begins again', () => {
    const machine = verifying(HUB, SECOND_HUB).refused();
    const at = machine.grantAt(HUB).notBefore ?? 0;
    expect(at).toBe(machine.now + 90_000);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      machine.requestedAt(SECOND_HUB).unreachable();
      if (attempt < 2) machine.due(dueIn(machine));
    }
    const requests: (readonly [string, boolean])[] = [];
    while (machine.now < at) {
      timeUntilRequest(machine, HUB, SECOND_HUB);
      const [hub = ''] = requestedHubs(machine);
      requests.push([hub, machine.now < at]);
      machine.requestedAt(hub);
      machine.apply({ type: 'unreachable', ...unreachableAt(machine, hub) });
    }
    expect(new Set(requests.filter(([, isEarly]) => isEarly).map(([hub]) => hub))).toEqual(new Set([SECOND_HUB]));
    expect(requests.at(-1)).toEqual([HUB, false]);
  });
});

describe("N2 afterDenial: 'stop'", () => {
  const withStopOnDenial = (machine: SubscriptionMachine): SubscriptionMachine => {
    machine.rules = { ...machine.rules, afterDenial: 'stop' };
    return machine;
  };

  test('stops the subscription when the only hub has denied, until it is retried, also through a restart', () => {
    const machine = withStopOnDenial(verifying()).accepted().denied();
    expect(machine.record.stoppedBecause).toBeUndefined();
    machine.due(MINUTE);
    expect(machine.actions).toEqual([]);
    expect(machine.record).toMatchObject({ stoppedBecause: 'denied', attempts: 1 });
    expect(stateOf(machine.record)).toBe('denied');
    expect(dueAt(machine.record)).toBeUndefined();
    for (const type of ['wanted', 'counters-reset'] as const) expect(machine.apply({ type }).actions).toEqual([]);
    expect(machine.record.stoppedBecause).toBe('denied');
    expect(
      subscriptionSnapshot(machine.record, {
        received: 0,
        rejected: 0,
        refused: 0,
        delivered: 0,
        failed: 0,
        duplicates: 0,
        missed: 0,
      }),
    ).not.toHaveProperty('nextAttemptAt');
    expect(machine.apply({ type: 'retried' }).actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('stops the subscription only when all advertised hubs have denied', () => {
    const machine = withStopOnDenial(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBeUndefined();
    machine.requestedAt(SECOND_HUB).accepted().denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBe('denied');
    const withRefusal = withStopOnDenial(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    withRefusal.requestedAt(SECOND_HUB).refused();
    expect(withRefusal.record.stoppedBecause).toBeUndefined();
    expect(isScheduled(withRefusal.record)).toBe(true);
  });

  test('leaves a working grant until its lease ends if a renewal was denied', () => {
    const machine = withStopOnDenial(renewing()).denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBe('denied');
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.due(2 * DAY).actions).toEqual(['hook expired']);
    expect(stateOf(machine.record)).toBe('denied');
  });

  test('stops the subscription after a late denial as well', () => {
    const machine = withStopOnDenial(verifying()).accepted().due(MINUTE).denied();
    expect(machine.record.stoppedBecause).toBe('denied');
    expect(dueAt(machine.record)).toBeUndefined();
  });

  test('stops the subscription after an unsolicited denial only when the hub has denied the next request', () => {
    const machine = withStopOnDenial(active()).after(DAY).denied();
    expect(machine.record.stoppedBecause).toBeUndefined();
    machine.due(90_000);
    expect(machine.actions).toEqual(['subscribe']);
    machine.requested().accepted().denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBe('denied');
    expect(stateOf(machine.record)).toBe('denied');
  });

  test('does not stop a subscription that delivers because its fresh grant was denied', () => {
    const machine = withStopOnDenial(active()).after(DAY).denied().delivers().due(90_000);
    machine.requested().accepted().denied().due(MINUTE);
    expect(machine.record.stoppedBecause).toBeUndefined();
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.record.grants).toHaveLength(1);
  });

  test('ignores the denial of a grant that is over', () => {
    const machine = withStopOnDenial(verifying(HUB, SECOND_HUB));
    const endedGrant = {
      ...active().denied().grant,
      id: 'over',
      state: 'unsubscribed',
      refusals: 2,
      endedAt: machine.now,
    } as const;
    machine.record = { ...machine.record, grants: [endedGrant, ...machine.record.grants] };
    machine.accepted().due(MINUTE).due(1_000).requested();
    const grantAtHub = machine.grantAt(HUB);
    const secondGrant = {
      ...grantAtHub,
      id: 'second',
      advertisedHub: SECOND_HUB,
      hub: SECOND_HUB,
      pending: undefined,
      deniedAt: 1,
      refusals: 1,
    };
    machine.record = {
      ...machine.record,
      grants: [
        ...machine.record.grants,
        {
          ...secondGrant,
          pending: { id: 'x', mode: 'subscribe', deadline: machine.now, accepted: true, denied: true },
        },
      ],
    };
    machine.due();
    expect(machine.record.stoppedBecause).toBeUndefined();
  });

  test('accepts a later verification, as after a manual approval', () => {
    const machine = withStopOnDenial(verifying()).accepted().denied().due(MINUTE).after(DAY);
    expect(canConfirm(machine.record, machine.grant, 'subscribe', machine)).toBe(true);
    machine.verified();
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.record.stoppedBecause).toBeUndefined();
  });
});
