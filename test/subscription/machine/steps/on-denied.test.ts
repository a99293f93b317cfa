import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { subscriptionSnapshot } from '../../../../src/subscription/record/snapshot-of.js';
import { grantStateOf, isScheduled, stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, Life, SECOND_HUB, verifying } from '../life.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** A request that was accepted and denied a second later. */
const deniedRequest = (...hubs: readonly string[]): Life =>
  verifying(...hubs)
    .accepted()
    .after(1_000)
    .denied();

const renewing = (...hubs: readonly string[]): Life =>
  verifying(...hubs)
    .accepted()
    .verified()
    .due(8 * DAY)
    .discovered(...hubs)
    .requested()
    .accepted();

/** The hubs that the last event requested. */
const requestedHubs = ({ effects, record }: Life): readonly string[] =>
  effects.flatMap((effect) =>
    effect.type === 'request' && effect.mode === 'subscribe'
      ? record.grants.filter(({ id }) => id === effect.grantId).map(({ advertisedHub }) => advertisedHub)
      : [],
  );

/** Moves to each planned time, with discovery as needed, until a hub is requested. Returns the time this took. */
function timeUntilRequest(life: Life, ...hubs: readonly string[]): number {
  const startedAt = life.now;
  for (let step = 0; step < 20; step += 1) {
    life.due(Math.max(0, dueIn(life)));
    if (life.actions.includes('discover')) life.discovered(...hubs);
    if (life.actions.includes('subscribe')) return life.now - startedAt;
  }
  throw new Error('no hub is requested');
}

/** The fields of an event for a hub that could not be reached. */
const unreachableAt = (life: Life, hub: string) => ({
  grantId: life.grantAt(hub).id,
  requestId: 'r1',
  failure: failure('unreachable', life.now),
});

describe('N1 a denial of an open request', () => {
  test('triggers one hook, and the request fails at its deadline without a hook `failed`', () => {
    const life = deniedRequest();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.record.lastError).toMatchObject({ cause: 'denied' });
    expect(life.grant).toMatchObject({ deniedAt: life.now, pending: { denied: true } });
    life.due(59_000);
    expect(life.actions).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'failed', pending: undefined, refusals: 1 });
    expect(stateOf(life.record)).toBe('denied');
    expect(life.record).toMatchObject({ attempts: 1, failures: { denied: { count: 1 } } });
  });

  test('is undone by a verification before the deadline or late, as after an approval by hand', () => {
    for (const wait of [30_000, 5 * MINUTE]) {
      const life = deniedRequest().due(wait);
      expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(true);
      life.verified();
      expect(life.actions).toContain('hook verified');
      expect(life.grant).toMatchObject({ state: 'active', deniedAt: undefined, refusals: undefined });
      expect(life.record).toMatchObject({ attempts: 0, lastError: undefined, nextAttemptAt: undefined });
      expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    }
  });

  test('of a renewal leaves the working grant as it is: nothing is counted, and no other hub is requested', () => {
    const life = renewing(HUB, SECOND_HUB);
    life.rules = { ...life.rules, maxAttempts: 1 };
    const { expiresAt, secrets } = life.grant;
    life.denied();
    expect(life.actions).toEqual(['hook denied']);
    life.due(MINUTE);
    expect(life.actions).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'active', expiresAt, secrets, attempts: 0 });
    expect(life.record).toMatchObject({ attempts: 0, stoppedBecause: undefined, passedOver: [] });
    expect(life.record.grants).toHaveLength(1);
    expect(stateOf(life.record)).toBe('active');
    expect(grantStateOf(life.grant)).toBe('active');
  });

  test('of each renewal, as "already registered", leads to requests by N2 until the lease ends, and then at once', () => {
    const life = renewing();
    const { expiresAt = 0 } = life.grant;
    const requestTimes: number[] = [];
    life.denied();
    while (life.now < expiresAt) {
      life.due(Math.max(0, dueIn(life)));
      if (life.actions.includes('hook expired')) break;
      if (life.actions.includes('discover')) life.discovered();
      if (!life.actions.includes('subscribe')) continue;
      requestTimes.push(life.now);
      life.requested().accepted().denied();
    }
    // In two days: after 90 s, then between half and all of 15 min, 30 min, and so on.
    expect(requestTimes).toHaveLength(9);
    expect(life.now).toBe(expiresAt);
    expect(life.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.requested().accepted().verified().actions).toEqual(['hook verified', 'catch up']);
    expect(life.grant.refusals).toBeUndefined();
  });

  test('fails with the lease if the request is open when that ends, and the hub is requested again at once', () => {
    const life = active('600');
    const { expiresAt = 0 } = life.grant;
    life
      .due(expiresAt - life.now - 30_000)
      .discovered()
      .requested()
      .accepted()
      .denied();
    life.due(30_000);
    expect(life.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(life.grant).toMatchObject({ state: 'expired', pending: undefined, refusals: 1 });
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant.pending?.id).toBe('r2');
  });

  test('leads to a request at the next advertised hub at once, under another callback, if nothing works', () => {
    const life = deniedRequest(HUB, SECOND_HUB);
    expect(life.actions).toEqual(['hook denied', 'subscribe']);
    expect(requestedHubs(life)).toEqual([SECOND_HUB]);
    expect(life.grant.callback).not.toBe(life.grantAt(HUB).callback);
    // The first hub may still verify.
    expect(life.grantAt(HUB).pending).toMatchObject({ denied: true });
    const { id } = life.grantAt(HUB);
    life.requestedAt(SECOND_HUB).verified('864000', id);
    expect(life.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('leads to no new request at the deadline while the next hub is requested', () => {
    const life = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB);
    life.apply({
      type: 'accepted',
      grantId: life.grantAt(SECOND_HUB).id,
      requestId: `at ${SECOND_HUB}`,
      hub: SECOND_HUB,
      moved: false,
    });
    life.due(59_000);
    expect(life.actions).toEqual([]);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', pending: undefined });
    expect(life.grantAt(SECOND_HUB).pending).toBeDefined();
  });

  test('counts as an unreachable hub if the hub cannot be reached, because a stranger sent it', () => {
    const life = verifying().denied().unreachable();
    expect(life.actions).toEqual(['hook failed']);
    expect(stateOf(life.record)).toBe('failed');
    expect(life.grant).toMatchObject({ deniedAt: undefined, refusals: undefined });
    expect(dueIn(life)).toBe(1_000);
  });

  test('by a stranger while the hub is down leads to requests at one other hub only', () => {
    const life = verifying(HUB, SECOND_HUB).denied();
    expect(requestedHubs(life)).toEqual([SECOND_HUB]);
    life.requestedAt(SECOND_HUB);
    const { id } = life.grantAt(HUB);
    life.apply({ type: 'unreachable', grantId: id, requestId: 'r1', failure: failure('unreachable', life.now) });
    expect(life.actions).toEqual(['hook failed']);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: undefined, notBefore: life.now + 1_000 });
    expect(dueAt(life.record)).toBe(life.grantAt(SECOND_HUB).pending?.deadline);
  });

  test('leads to another request if it comes after the verification while the POST is open', () => {
    const life = verifying().verifiedInPost().denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('active');
    life.accepted();
    expect(life.grant).toMatchObject({ state: 'active', pending: { denied: true } });
    life.due(MINUTE);
    expect(life.grant).toMatchObject({ state: 'active', pending: undefined, refusals: 1 });
    expect(dueIn(life)).toBeLessThanOrEqual(MINUTE);
    expect(life.due(dueIn(life)).actions).toEqual(['discover']);
  });

  test('is the answer to an attempt that has failed already', () => {
    const life = verifying().accepted().due(MINUTE);
    expect(life.actions).toEqual(['hook failed']);
    life.after(100).denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.grant).toMatchObject({ refusals: 1, attempts: 1 });
    expect(dueIn(life)).toBe(90_000);
  });

  test('leads to a request at the next hub if it comes late and nothing works', () => {
    const life = verifying(HUB, SECOND_HUB).accepted().due(MINUTE).after(100).denied();
    expect(life.actions).toEqual(['hook denied', 'subscribe']);
    expect(requestedHubs(life)).toEqual([SECOND_HUB]);
    expect(life.grantAt(HUB)).toMatchObject({ nextAttemptAt: undefined, notBefore: life.now + 90_000 });
  });

  test('keeps the hub from being requested by the next round, too, if it comes late', () => {
    const life = verifying();
    life.random = 0;
    for (let time = 0; time < 3; time += 1) {
      life.accepted().due(MINUTE);
      if (time < 2) life.due(dueIn(life)).requested();
    }
    expect(dueIn(life)).toBe(1_000);
    life.denied();
    expect(dueIn(life)).toBe(MINUTE);
    expect(timeUntilRequest(life, HUB)).toBe(MINUTE);
  });

  test('postpones only the next try of a renewal if it comes late', () => {
    const life = renewing().due(MINUTE).after(100).denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('active');
    expect(life.grant.nextAttemptAt).toBe(life.now + 90_000);
  });

  test.each(['denied', 'refused'] as const)(
    'S3 of the second hub as well makes each wait on its own schedule: %s',
    (how) => {
      const life = verifying(HUB, SECOND_HUB).accepted()[how]();
      life.requestedAt(SECOND_HUB, { requestId: 'r1' }).accepted()[how]();
      life.due(MINUTE);
      expect(stateOf(life.record)).toBe(how === 'denied' ? 'denied' : 'failed');
      expect(dueIn(life)).toBeLessThanOrEqual(MINUTE);
      expect(timeUntilRequest(life, HUB, SECOND_HUB)).toBeLessThanOrEqual(MINUTE);
      expect(requestedHubs(life)).toEqual([HUB]);
    },
  );
});

test('N2 a start does not request a denied renewal again because an answer may not have been sent', () => {
  const life = renewing();
  life.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' });
  life.apply({ type: 'renewal-wanted' }).after(60_000).due().discovered().requested({ requestId: 'r2' });
  life.accepted({ requestId: 'r2' }).denied().due(MINUTE);
  const at = dueAt(life.record);
  expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
  expect(dueAt(life.record)).toBe(at);
});

test('N1 a denial that is repeated minutes later for the same request does not lengthen the wait', () => {
  const life = deniedRequest().due(MINUTE);
  const at = dueAt(life.record);
  life.after(1_000).denied();
  expect(life.actions).toEqual(['hook denied']);
  expect(dueAt(life.record)).toBe(at);
  expect(life.grant.refusals).toBe(1);
  life.after(5_000).verified();
  expect(life.record).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
});

test('N1 within a minute of a denial another one for the same grant changes nothing', () => {
  for (const life of [active().denied(), renewing().denied(), verifying().accepted().due(MINUTE).denied()]) {
    const { record } = life;
    expect(life.after(59_999).denied().record).toBe(record);
    expect(life.actions).toEqual([]);
    expect(life.after(1).denied().actions).toEqual(['hook denied']);
  }
});

describe('N1 a denial while an unsubscribe request is open', () => {
  test('changes nothing, and the verification is still confirmed', () => {
    const life = active().unwanted('unsubscribed').requested();
    const { deniedAt: _none, ...before } = life.grant;
    life.denied();
    expect(life.actions).toEqual([]);
    expect(life.grant).toEqual({ ...before, deniedAt: life.now });
    expect(stateOf(life.record)).toBe('unsubscribing');
    expect(canConfirm(life.record, life.grant, 'unsubscribe', life)).toBe(true);
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(life.actions).toEqual(['hook unsubscribed']);
  });

  test('changes nothing if another grant has replaced it', () => {
    const life = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .verified();
    life.denied(life.record.grants[0]?.id);
    expect(life.actions).toEqual([]);
    expect(life.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
    expect(stateOf(life.record)).toBe('active');
  });
});

describe('N1 a denial while no request is open', () => {
  const denied = (): Life => active().after(DAY).denied();

  test('makes the state denied, and leaves the grant with its callback, secrets and lease', () => {
    const life = active().after(DAY);
    const { callback, secrets, expiresAt, leaseSeconds } = life.grant;
    life.denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.grant).toMatchObject({
      state: 'active',
      callback,
      secrets,
      expiresAt,
      leaseSeconds,
      deniedAt: life.now,
    });
    expect(grantStateOf(life.grant)).toBe('denied');
    expect(life.record).toMatchObject({ stoppedBecause: undefined, attempts: 0, gapSince: life.now });
  });

  test.each([
    [0, 60_000],
    [0.5, 90_000],
    [1, 120_000],
  ])('leads to one request under a fresh callback after 60 to 120 s (random %d)', (random, wait) => {
    const life = active().after(DAY);
    life.random = random;
    life.denied();
    expect(dueIn(life)).toBe(wait);
    expect(life.due(wait - 1).actions).toEqual([]);
    expect(life.due(1).actions).toEqual(['subscribe']);
    const [old, fresh] = life.record.grants;
    expect(fresh).toMatchObject({ advertisedHub: HUB, state: 'requested', replaces: old?.id });
    expect(fresh?.callback).not.toBe(old?.callback);
    expect(life.due(1).actions).toEqual([]);
  });

  test('replaces the old grant when the fresh one is verified, and starts a catch-up', () => {
    const life = denied().due(90_000).requested().accepted();
    expect(life.verified().actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribing', superseded: true }, { state: 'active' }]);
    expect(stateOf(life.record)).toBe('active');
  });

  test('is undone by signed content after it was answered, and the hub is still requested', () => {
    const life = denied();
    const { record } = life;
    expect(life.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true }).record).toBe(record);
    life.delivers();
    expect(stateOf(life.record)).toBe('active');
    expect(life.grant).toMatchObject({ deniedAt: undefined, deniedUnsolicited: undefined, denialAnswered: undefined });
    expect(dueIn(life)).toBe(90_000);
    expect(life.due(90_000).actions).toEqual(['subscribe']);
    expect(life.requested().accepted().verified().actions).toContain('unsubscribe');
  });

  test('does not postpone the check when it is repeated, with or without content between', () => {
    const life = denied();
    const at = dueAt(life.record);
    life.after(61_000).denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(dueAt(life.record)).toBe(at);
    life.delivers().denied();
    expect(dueAt(life.record)).toBe(at);
    life
      .due(29_000)
      .requested()
      .accepted()
      .after(5 * MINUTE)
      .denied('g1');
    expect(life.record.grants).toHaveLength(2);
  });

  test('leads to the check even if the renewal had started', () => {
    const life = active()
      .due(8 * DAY)
      .denied();
    expect(stateOf(life.record)).toBe('denied');
    expect(life.discovered().actions).toEqual([]);
    expect(dueIn(life)).toBe(90_000);
    // The check comes first, even if content has refuted the denial.
    expect(life.delivers().due().actions).toEqual([]);
    expect(life.due(90_000).actions).toEqual(['subscribe']);
  });

  test('ends the grant with its lease if nothing refutes it, and a new callback is requested at once', () => {
    const life = active('600').after(590_000).denied();
    life.due(10_000);
    expect(life.actions).toEqual(['hook expired', 'discover']);
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }]);
    expect(grantStateOf(life.grant)).toBe('denied');
    expect(stateOf(life.record)).toBe('denied');
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(false);
    const [old] = life.record.grants;
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.callback).not.toBe(old?.callback);
  });

  test('ends the grant after a day at most if it has no lease', () => {
    const life = active();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, expiresAt: undefined })) };
    expect(life.denied().grant.expiresAt).toBe(life.now + DAY);
  });

  test('of another hub does not affect the working one', () => {
    const life = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    life.denied(life.grantAt(SECOND_HUB).id).denied(life.grantAt(HUB).id);
    expect(life.actions).toEqual([]);
    expect(life.grantAt(HUB).state).toBe('unsubscribed');
  });

  test('of a grant that waits after a failure does not change its next try', () => {
    const life = verifying().unreachable();
    const at = dueAt(life.record);
    life.denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(dueAt(life.record)).toBe(at);
  });

  test('keeps its wait and its fresh callback through a restart and a reset of the counters', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const life of [
        denied(),
        active()
          .after(9 * DAY)
          .denied(),
      ]) {
        const at = dueAt(life.record);
        life.after(10_000).apply({ type });
        expect(life.actions).toEqual([]);
        expect(dueAt(life.record)).toBe(at);
        expect(life.due(80_000).actions).toEqual(['subscribe']);
        expect(life.record.grants).toHaveLength(2);
      }
    }
  });

  test('leads to a request under a fresh callback at once after a retry', () => {
    const life = denied().after(1_000).apply({ type: 'retried' });
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ replaces: 'g1' });
  });

  test('is a denial by N2 if the hub confirms it under the fresh callback, and the next hub is requested', () => {
    const life = renewing(HUB, SECOND_HUB).verified().after(DAY).denied().due(90_000).requested({ requestId: 'r2' });
    life.denied();
    expect(requestedHubs(life)).toEqual([SECOND_HUB]);
    life.requestedAt(SECOND_HUB).verified('864000', life.grantAt(SECOND_HUB).id);
    expect(life.effects).toContainEqual({ type: 'request', grantId: 'g1', mode: 'unsubscribe' });
    expect(stateOf(life.record)).toBe('active');
  });

  test('keeps the planned request of a refused renewal when it is undone', () => {
    for (const undo of ['content', 'a verification']) {
      const life = renewing().refused();
      const at = (life.grant.nextAttemptAt ?? 0) + DAY;
      life.record = { ...life.record, grants: [{ ...life.grant, nextAttemptAt: at }] };
      life.after(61_000).denied();
      if (undo === 'content') life.delivers();
      else life.verified();
      expect(life.grant.nextAttemptAt).toBe(at);
      expect(life.due(120_000).actions).toEqual([]);
      life.due(at - life.now);
      // Only under the fresh callback.
      expect(life.actions).toEqual(['subscribe']);
      expect(life.grant.replaces).toBe('g1');
    }
  });

  test('is undone by an unsolicited verification, and the hub is still requested', () => {
    const life = denied();
    const at = dueAt(life.record);
    life.verified();
    expect(life.actions).toEqual(['hook verified', 'catch up']);
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(at);
  });

  test('of a subscription that gave up leaves it stopped, and content accepted', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(life.record.stoppedBecause).toBe('gave-up');
    life.denied();
    expect(life.record.stoppedBecause).toBe('gave-up');
    expect(stateOf(life.record)).toBe('denied');
    expect(life.grant.state).toBe('active');
    expect(dueAt(life.record)).toBe(life.grant.expiresAt);
    expect(stateOf(life.delivers().record)).toBe('active');
  });
});

describe('N1 with only one callback', () => {
  const withOneCallback = (leaseSeconds = '864000'): Life => {
    const life = new Life();
    life.hasOneCallback = true;
    return life.apply({ type: 'wanted' }).discovered().requested().accepted().verified(leaseSeconds);
  };

  test('the check keeps it', () => {
    const life = withOneCallback().after(DAY).denied();
    expect(stateOf(life.record)).toBe('denied');
    expect(life.due(90_000).actions).toEqual(['subscribe']);
    expect(life.record.grants).toMatchObject([{ state: 'active', denialCheckedAt: life.now }]);
    expect(life.requested().accepted().verified().actions).toContain('hook verified');
    expect(life.grant.deniedUnsolicited).toBeUndefined();
    expect(stateOf(life.record)).toBe('active');
  });

  test('the check happens at most once an hour', () => {
    const life = withOneCallback().after(DAY);
    const checks: number[] = [];
    for (let minute = 0; minute < 360; minute += 1) {
      life.denied().due(MINUTE);
      if (life.actions.includes('discover')) life.discovered();
      if (!life.actions.includes('subscribe')) continue;
      checks.push(life.now);
      life.requested().accepted().verified();
    }
    expect(checks.length).toBe(6);
    for (const [index, at] of checks.slice(1).entries()) expect(at - (checks[index] ?? 0)).toBeGreaterThanOrEqual(HOUR);
  });

  test('denials with content between postpone neither the check nor a planned renewal', () => {
    const life = withOneCallback().after(DAY).denied();
    const at = dueAt(life.record);
    expect(dueAt(life.after(61_000).delivers().denied().record)).toBe(at);

    const renewal = withOneCallback();
    const { renewsAt = 0 } = renewal.grant;
    renewal.after(renewsAt - renewal.now - 10_000).denied();
    expect(dueAt(renewal.delivers().record)).toBe(renewsAt);
  });

  test('a hub that confirms the denial is requested by N2, and at the end of the lease under the same callback', () => {
    const life = withOneCallback('3600').after(1_000).denied();
    life.due(90_000).requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied();
    expect(life.actions).toEqual(['hook denied']);
    life.due(MINUTE);
    expect(life.grant).toMatchObject({ state: 'active', deniedUnsolicited: true, refusals: 1 });
    expect(life.record).toMatchObject({ attempts: 1, nextAttemptAt: life.now + 30_000 });
    life.due(30_000).discovered().requested({ requestId: 'r3' }).accepted({ requestId: 'r3' }).denied();
    life.due(MINUTE);
    life.record = { ...life.record, nextAttemptAt: life.now + DAY };
    life.due((life.grant.expiresAt ?? 0) - life.now);
    expect(life.actions).toEqual(['hook expired', 'discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'expired' }]);
  });

  test('a start does not spread a check that is not due', () => {
    const life = withOneCallback().after(DAY).denied();
    const at = dueAt(life.record);
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(dueAt(life.record)).toBe(at);
  });
});

describe('N2 several hubs with only one callback', () => {
  const withOneCallback = (change: Partial<Life['rules']> = {}): Life => {
    const life = new Life();
    life.hasOneCallback = true;
    life.rules = { ...life.rules, ...change };
    return life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB).requested();
  };

  test.each(['denied', 'refused'] as const)('each is requested after growing waits of its own: %s', (how) => {
    const life = withOneCallback();
    life.random = 0;
    const requestTimes = new Map<string, number[]>([
      [HUB, []],
      [SECOND_HUB, []],
    ]);
    for (let time = 0; time < 8; time += 1) {
      requestTimes.get(life.grant.advertisedHub)?.push(life.now);
      if (how === 'denied') life.accepted().denied();
      else life.refused();
      if (!life.actions.includes('subscribe')) timeUntilRequest(life, HUB, SECOND_HUB);
      life.requested();
    }
    for (const times of requestTimes.values()) {
      const waits = times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / MINUTE);
      expect(waits).toEqual([1, 7.5, 15]);
    }
    expect(life.record.grants).toHaveLength(2);
    // The callback now serves the hub that was requested last.
    expect(life.record.grants.at(-1)?.pending).toBeDefined();
    life.accepted().verified();
    expect(life.record.grants).toMatchObject([{ state: 'active', refusals: undefined }]);
  });

  test("afterDenial: 'stop' stops the subscription when both have denied", () => {
    const life = withOneCallback({ afterDenial: 'stop' }).accepted().denied().requested().accepted().denied();
    expect(life.due(MINUTE).record.stoppedBecause).toBe('denied');
    expect(life.apply({ type: 'retried' }).discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
  });
});

describe('N2 after denials in a row', () => {
  /** The waits in minutes between a denial and the next request, for this many denials. */
  function waits(random: number, times: number, how: 'denied' | 'refused'): readonly number[] {
    const life = verifying();
    life.random = random;
    return Array.from({ length: times }, () => {
      if (how === 'denied') life.accepted().denied();
      else life.refused();
      const wait = timeUntilRequest(life, HUB);
      life.requested();
      return wait / MINUTE;
    });
  }

  test.each(['denied', 'refused'] as const)('the same hub is requested after growing waits, up to a day: %s', (how) => {
    expect(waits(1, 10, how)).toEqual([2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    expect(waits(0, 10, how)).toEqual([1, 7.5, 15, 30, 60, 120, 240, 480, 720, 720]);
  });

  test('the hook denied is called once for each, and failed never', () => {
    const life = verifying();
    const hooks: string[] = [];
    for (let time = 0; time < 5; time += 1) {
      hooks.push(...life.accepted().denied().actions);
      timeUntilRequest(life, HUB);
      hooks.push(...life.actions.filter((each) => each.startsWith('hook')));
      life.requested();
    }
    expect(hooks).toEqual(Array.from({ length: 5 }, () => 'hook denied'));
  });

  test('neither a start nor a sweep shortens the wait, nor a reset of the counters', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const wait of [0, MINUTE]) {
        const life = deniedRequest();
        const at = life.grant.notBefore ?? 0;
        life.due(wait).apply({ type });
        expect(life.actions).not.toContain('subscribe');
        expect(life.discovered().actions).toEqual([]);
        timeUntilRequest(life, HUB);
        expect(life.now).toBe(at);
      }
    }
  });

  test.each([0, MINUTE])('a retry ends the wait %d ms after the denial', (wait) => {
    const life = deniedRequest().due(wait).apply({ type: 'retried' });
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant).toMatchObject({ pending: { id: 'r2' }, refusals: undefined });
    expect(stateOf(life.record)).toBe('verifying');
  });

  test('a retry ends the wait of a renewal, even of one that the user wanted early', () => {
    for (const wait of [0, MINUTE]) {
      const early = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested().accepted();
      early.denied().due(wait).apply({ type: 'retried' });
      expect(early.actions).toEqual(['discover']);
      expect(renewing().denied().due(wait).apply({ type: 'retried' }).actions).toEqual(['discover']);
    }
  });

  test('the end of a lease ends the wait', () => {
    const life = renewing();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, refusals: 9 })) };
    life.denied().due(MINUTE);
    expect(dueAt(life.record)).toBe(life.now + 18 * HOUR - MINUTE);
    life.due((life.grant.expiresAt ?? 0) - life.now);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(stateOf(life.record)).toBe('denied');
  });

  test('the state is denied while the hub is requested again, and after giving up', () => {
    const life = deniedRequest();
    timeUntilRequest(life, HUB);
    expect(stateOf(life.requested().record)).toBe('denied');
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    gaveUp.accepted().denied().due(MINUTE);
    expect(gaveUp.record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.actions).toEqual([]);
    expect(stateOf(gaveUp.record)).toBe('denied');
    expect(dueAt(gaveUp.record)).toBeUndefined();
  });

  test('the state is that of the hub requested last', () => {
    const life = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB, { requestId: 'r1' });
    expect(stateOf(life.record)).toBe('verifying');
    expect(stateOf(life.refused().record)).toBe('failed');
  });

  test('a hub with a long Retry-After does not make the other wait', () => {
    const life = verifying(HUB, SECOND_HUB).accepted().denied();
    const at = life.grantAt(HUB).notBefore;
    life.requestedAt(SECOND_HUB, { requestId: 'r1' }).unreachable(86_000);
    expect(life.actions).toEqual(['hook failed']);
    expect(dueAt(life.due(MINUTE).record)).toBe(at);
    timeUntilRequest(life, HUB, SECOND_HUB);
    expect(requestedHubs(life)).toEqual([HUB]);
    const { id } = life.grantAt(HUB);
    life.requestedAt(HUB).denied(id).due(MINUTE);
    expect(life.record.nextAttemptAt).toBe(life.grantAt(HUB).notBefore);
    expect(life.grantAt(SECOND_HUB).notBefore).toBeGreaterThan(life.now + 23 * HOUR);
  });

  test('S3 a hub that refused keeps its own wait when the round begins again', () => {
    const life = verifying(HUB, SECOND_HUB).refused();
    const at = life.grantAt(HUB).notBefore ?? 0;
    expect(at).toBe(life.now + 90_000);
    for (let time = 0; time < 3; time += 1) {
      life.requestedAt(SECOND_HUB, { requestId: 'r1' }).unreachable();
      if (time < 2) life.due(dueIn(life));
    }
    const requests: (readonly [string, boolean])[] = [];
    while (life.now < at) {
      timeUntilRequest(life, HUB, SECOND_HUB);
      const [hub = ''] = requestedHubs(life);
      requests.push([hub, life.now < at]);
      life.requestedAt(hub, { requestId: 'r1' });
      life.apply({ type: 'unreachable', ...unreachableAt(life, hub) });
    }
    expect(new Set(requests.filter(([, isEarly]) => isEarly).map(([hub]) => hub))).toEqual(new Set([SECOND_HUB]));
    expect(requests.at(-1)).toEqual([HUB, false]);
  });
});

describe("N2 afterDenial: 'stop'", () => {
  const withStopOnDenial = (life: Life): Life => {
    life.rules = { ...life.rules, afterDenial: 'stop' };
    return life;
  };

  test('stops the subscription when the only hub has denied, until it is retried, also through a restart', () => {
    const life = withStopOnDenial(verifying()).accepted().denied();
    expect(life.record.stoppedBecause).toBeUndefined();
    life.due(MINUTE);
    expect(life.actions).toEqual([]);
    expect(life.record).toMatchObject({ stoppedBecause: 'denied', attempts: 1 });
    expect(stateOf(life.record)).toBe('denied');
    expect(dueAt(life.record)).toBeUndefined();
    for (const type of ['wanted', 'counters-reset'] as const) expect(life.apply({ type }).actions).toEqual([]);
    expect(life.record.stoppedBecause).toBe('denied');
    expect(
      subscriptionSnapshot(life.record, {
        received: 0,
        rejected: 0,
        refused: 0,
        delivered: 0,
        failed: 0,
        duplicates: 0,
        missed: 0,
      }),
    ).not.toHaveProperty('nextAttemptAt');
    expect(life.apply({ type: 'retried' }).actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
  });

  test('stops it only when all advertised hubs have denied', () => {
    const life = withStopOnDenial(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
    life.requestedAt(SECOND_HUB, { requestId: 'r1' }).accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    const other = withStopOnDenial(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    other.requestedAt(SECOND_HUB, { requestId: 'r1' }).refused();
    expect(other.record.stoppedBecause).toBeUndefined();
    expect(isScheduled(other.record)).toBe(true);
  });

  test('leaves a working grant until its lease ends if a renewal was denied', () => {
    const life = withStopOnDenial(renewing()).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    expect(stateOf(life.record)).toBe('active');
    expect(life.due(2 * DAY).actions).toEqual(['hook expired']);
    expect(stateOf(life.record)).toBe('denied');
  });

  test('stops it after a late denial as well', () => {
    const life = withStopOnDenial(verifying()).accepted().due(MINUTE).denied();
    expect(life.record.stoppedBecause).toBe('denied');
    expect(dueAt(life.record)).toBeUndefined();
  });

  test('does not stop it for an unsolicited denial: the hub is requested first', () => {
    const life = withStopOnDenial(active()).after(DAY).denied();
    expect(life.record.stoppedBecause).toBeUndefined();
    life.due(90_000);
    expect(life.actions).toEqual(['subscribe']);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    expect(stateOf(life.record)).toBe('denied');
  });

  test('does not stop a subscription that delivers because its fresh grant was denied', () => {
    const life = withStopOnDenial(active()).after(DAY).denied().delivers().due(90_000);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(stateOf(life.record)).toBe('active');
    expect(life.record.grants).toHaveLength(1);
  });

  test('ignores the denial of a grant that is over', () => {
    const life = withStopOnDenial(verifying(HUB, SECOND_HUB));
    const over = {
      ...active().denied().grant,
      id: 'over',
      state: 'unsubscribed',
      refusals: 2,
      endedAt: life.now,
    } as const;
    life.record = { ...life.record, grants: [over, ...life.record.grants] };
    life.accepted().due(MINUTE).due(1_000).requested({ requestId: 'r2' });
    const at = life.grantAt(HUB);
    const second = {
      ...at,
      id: 'second',
      advertisedHub: SECOND_HUB,
      hub: SECOND_HUB,
      pending: undefined,
      deniedAt: 1,
      refusals: 1,
    };
    life.record = {
      ...life.record,
      grants: [
        ...life.record.grants,
        { ...second, pending: { id: 'x', mode: 'subscribe', deadline: life.now, accepted: true, denied: true } },
      ],
    };
    life.due();
    expect(life.record.stoppedBecause).toBeUndefined();
  });

  test('accepts a later verification, as after an approval by hand', () => {
    const life = withStopOnDenial(verifying()).accepted().denied().due(MINUTE).after(DAY);
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(true);
    life.verified();
    expect(stateOf(life.record)).toBe('active');
    expect(life.record.stoppedBecause).toBeUndefined();
  });
});
