import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { subscriptionSnapshot } from '../../../../src/subscription/record/snapshot-of.js';
import { grantStateOf, isScheduled, stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, Life, SECOND_HUB, verifying } from '../life.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** A request that was accepted and denied a second after. */
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

/** The ids of the hubs that the last event has asked. */
const askedAt = ({ effects, record }: Life): readonly string[] =>
  effects.flatMap((effect) =>
    effect.type === 'request' && effect.mode === 'subscribe'
      ? record.grants.filter(({ id }) => id === effect.grantId).map(({ advertisedHub }) => advertisedHub)
      : [],
  );

/** Moves to each thing that is due, discovering as it is asked to, until a hub is asked; tells when. */
function untilAsked(life: Life, ...hubs: readonly string[]): number {
  const began = life.now;
  for (let step = 0; step < 20; step += 1) {
    life.due(Math.max(0, dueIn(life)));
    if (life.asked.includes('discover')) life.discovered(...hubs);
    if (life.asked.includes('subscribe')) return life.now - began;
  }
  throw new Error('no hub is asked');
}

/** That a hub could not be reached by the request of that name. */
const told = (life: Life, hub: string) => ({
  grantId: life.grantAt(hub).id,
  requestId: 'r1',
  failure: failure('unreachable', life.now),
});

describe('N1 a denial of a request that is open', () => {
  test('is told once, and the request fails at its deadline without being told as failed', () => {
    const life = deniedRequest();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.record.lastError).toMatchObject({ cause: 'denied' });
    expect(life.grant).toMatchObject({ deniedAt: life.now, pending: { denied: true } });
    life.due(59_000);
    expect(life.asked).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'failed', pending: undefined, refusals: 1 });
    expect(stateOf(life.record)).toBe('denied');
    expect(life.record).toMatchObject({ attempts: 1, failures: { denied: { count: 1 } } });
  });

  test('is undone by a verification that comes by the deadline, or late: an approval by hand', () => {
    for (const wait of [30_000, 5 * MINUTE]) {
      const life = deniedRequest().due(wait);
      expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(true);
      life.verified();
      expect(life.asked).toContain('tell verified');
      expect(life.grant).toMatchObject({ state: 'active', deniedAt: undefined, refusals: undefined });
      expect(life.record).toMatchObject({ attempts: 0, lastError: undefined, nextAttemptAt: undefined });
      expect(dueAt(life.record)).toBe(life.grant.renewsAt);
    }
  });

  test('of a renewal leaves what works as it is: it counts for nothing, and no other hub is asked', () => {
    const life = renewing(HUB, SECOND_HUB);
    life.rules = { ...life.rules, maxAttempts: 1 };
    const { expiresAt, secrets } = life.grant;
    life.denied();
    expect(life.asked).toEqual(['tell denied']);
    life.due(MINUTE);
    expect(life.asked).toEqual([]);
    expect(life.grant).toMatchObject({ state: 'active', expiresAt, secrets, attempts: 0 });
    expect(life.record).toMatchObject({ attempts: 0, stoppedBecause: undefined, passedOver: [] });
    expect(life.record.grants).toHaveLength(1);
    expect(stateOf(life.record)).toBe('active');
    expect(grantStateOf(life.grant)).toBe('active');
  });

  test('of each renewal, as "already registered", has the hub asked by N2 until the lease ends, and then at once', () => {
    const life = renewing();
    const { expiresAt = 0 } = life.grant;
    const asked: number[] = [];
    life.denied();
    while (life.now < expiresAt) {
      life.due(Math.max(0, dueIn(life)));
      if (life.asked.includes('tell expired')) break;
      if (life.asked.includes('discover')) life.discovered();
      if (!life.asked.includes('subscribe')) continue;
      asked.push(life.now);
      life.requested().accepted().denied();
    }
    // Two days: after 90 s, then between half and all of 15 min, 30 min, and so on.
    expect(asked).toHaveLength(9);
    expect(life.now).toBe(expiresAt);
    expect(life.asked).toEqual(['tell expired', 'discover', 'catch up']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.requested().accepted().verified().asked).toEqual(['tell verified', 'catch up']);
    expect(life.grant.refusals).toBeUndefined();
  });

  test('that is open when the lease ends fails with it, and the hub is asked again at once', () => {
    const life = active('600');
    const { expiresAt = 0 } = life.grant;
    life
      .due(expiresAt - life.now - 30_000)
      .discovered()
      .requested()
      .accepted()
      .denied();
    life.due(30_000);
    expect(life.asked).toEqual(['tell expired', 'discover', 'catch up']);
    expect(life.grant).toMatchObject({ state: 'expired', pending: undefined, refusals: 1 });
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant.pending?.id).toBe('r2');
  });

  test('where nothing works has the next advertised hub asked at once, under another callback', () => {
    const life = deniedRequest(HUB, SECOND_HUB);
    expect(life.asked).toEqual(['tell denied', 'subscribe']);
    expect(askedAt(life)).toEqual([SECOND_HUB]);
    expect(life.grant.callback).not.toBe(life.grantAt(HUB).callback);
    // The first may still verify.
    expect(life.grantAt(HUB).pending).toMatchObject({ denied: true });
    const { id } = life.grantAt(HUB);
    life.requestedAt(SECOND_HUB).verified('864000', id);
    expect(life.record.grants.map(({ advertisedHub, state }) => [advertisedHub, state])).toEqual([[HUB, 'active']]);
  });

  test('at the deadline asks no hub anew while the next one is being asked', () => {
    const life = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB);
    life.apply({
      type: 'accepted',
      grantId: life.grantAt(SECOND_HUB).id,
      requestId: `at ${SECOND_HUB}`,
      hub: SECOND_HUB,
      moved: false,
    });
    life.due(59_000);
    expect(life.asked).toEqual([]);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', pending: undefined });
    expect(life.grantAt(SECOND_HUB).pending).toBeDefined();
  });

  test('is a stranger’s where the hub cannot be reached: it counts as that', () => {
    const life = verifying().denied().unreachable();
    expect(life.asked).toEqual(['tell failed']);
    expect(stateOf(life.record)).toBe('failed');
    expect(life.grant).toMatchObject({ deniedAt: undefined, refusals: undefined });
    expect(dueIn(life)).toBe(1_000);
  });

  test('by a stranger while the hub is down does not have two hubs asked', () => {
    const life = verifying(HUB, SECOND_HUB).denied();
    expect(askedAt(life)).toEqual([SECOND_HUB]);
    life.requestedAt(SECOND_HUB);
    const { id } = life.grantAt(HUB);
    life.apply({ type: 'unreachable', grantId: id, requestId: 'r1', failure: failure('unreachable', life.now) });
    expect(life.asked).toEqual(['tell failed']);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: undefined, notBefore: life.now + 1_000 });
    expect(dueAt(life.record)).toBe(life.grantAt(SECOND_HUB).pending?.deadline);
  });

  test('that comes after the verification while the POST is open has the hub asked again', () => {
    const life = verifying().verifiedInPost().denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('active');
    life.accepted();
    expect(life.grant).toMatchObject({ state: 'active', pending: { denied: true } });
    life.due(MINUTE);
    expect(life.grant).toMatchObject({ state: 'active', pending: undefined, refusals: 1 });
    expect(dueIn(life)).toBeLessThanOrEqual(MINUTE);
    expect(life.due(dueIn(life)).asked).toEqual(['discover']);
  });

  test('that comes when the attempt has failed already is the answer to it', () => {
    const life = verifying().accepted().due(MINUTE);
    expect(life.asked).toEqual(['tell failed']);
    life.after(100).denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.grant).toMatchObject({ refusals: 1, attempts: 1 });
    expect(dueIn(life)).toBe(90_000);
  });

  test('that comes late has the next hub asked where nothing works', () => {
    const life = verifying(HUB, SECOND_HUB).accepted().due(MINUTE).after(100).denied();
    expect(life.asked).toEqual(['tell denied', 'subscribe']);
    expect(askedAt(life)).toEqual([SECOND_HUB]);
    expect(life.grantAt(HUB)).toMatchObject({ nextAttemptAt: undefined, notBefore: life.now + 90_000 });
  });

  test('that comes late keeps the hub from being asked with the round, too', () => {
    const life = verifying();
    life.random = 0;
    for (let time = 0; time < 3; time += 1) {
      life.accepted().due(MINUTE);
      if (time < 2) life.due(dueIn(life)).requested();
    }
    expect(dueIn(life)).toBe(1_000);
    life.denied();
    expect(dueIn(life)).toBe(MINUTE);
    expect(untilAsked(life, HUB)).toBe(MINUTE);
  });

  test('that comes late for a renewal puts off the next try of it, and nothing else', () => {
    const life = renewing().due(MINUTE).after(100).denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('active');
    expect(life.grant.nextAttemptAt).toBe(life.now + 90_000);
  });

  test.each(['denied', 'refused'] as const)(
    'S3 by the second of two hubs as well: each is %s by its own wait',
    (how) => {
      const life = verifying(HUB, SECOND_HUB).accepted()[how]();
      life.requestedAt(SECOND_HUB, { requestId: 'r1' }).accepted()[how]();
      life.due(MINUTE);
      expect(stateOf(life.record)).toBe(how === 'denied' ? 'denied' : 'failed');
      expect(dueIn(life)).toBeLessThanOrEqual(MINUTE);
      expect(untilAsked(life, HUB, SECOND_HUB)).toBeLessThanOrEqual(MINUTE);
      expect(askedAt(life)).toEqual([HUB]);
    },
  );
});

test('N2 a denied renewal is not asked again by a start because an answer may not have left', () => {
  const life = renewing();
  life.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' });
  life.apply({ type: 'renewal-wanted' }).after(60_000).due().discovered().requested({ requestId: 'r2' });
  life.accepted({ requestId: 'r2' }).denied().due(MINUTE);
  const at = dueAt(life.record);
  expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
  expect(dueAt(life.record)).toBe(at);
});

test('N1 a denial that is repeated minutes later for the same request makes nobody wait for longer', () => {
  const life = deniedRequest().due(MINUTE);
  const at = dueAt(life.record);
  life.after(1_000).denied();
  expect(life.asked).toEqual(['tell denied']);
  expect(dueAt(life.record)).toBe(at);
  expect(life.grant.refusals).toBe(1);
  life.after(5_000).verified();
  expect(life.record).toMatchObject({ attempts: 0, nextAttemptAt: undefined });
});

test('N1 within a minute of a denial nothing else happens for the same grant', () => {
  for (const life of [active().denied(), renewing().denied(), verifying().accepted().due(MINUTE).denied()]) {
    const { record } = life;
    expect(life.after(59_999).denied().record).toBe(record);
    expect(life.asked).toEqual([]);
    expect(life.after(1).denied().asked).toEqual(['tell denied']);
  }
});

describe('N1 a denial while an unsubscription of ours is open', () => {
  test('changes nothing, and the verification is still confirmed', () => {
    const life = active().unwanted('unsubscribed').requested();
    const { deniedAt: _none, ...before } = life.grant;
    life.denied();
    expect(life.asked).toEqual([]);
    expect(life.grant).toEqual({ ...before, deniedAt: life.now });
    expect(stateOf(life.record)).toBe('unsubscribing');
    expect(canConfirm(life.record, life.grant, 'unsubscribe', life)).toBe(true);
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(life.asked).toEqual(['tell unsubscribed']);
  });

  test('nor where another grant has taken its place', () => {
    const life = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB)
      .requested()
      .verified();
    life.denied(life.record.grants[0]?.id);
    expect(life.asked).toEqual([]);
    expect(life.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
    expect(stateOf(life.record)).toBe('active');
  });
});

describe('N1 a denial while nothing is open', () => {
  const denied = (): Life => active().after(DAY).denied();

  test('makes it denied, and leaves the grant with its callback, secrets and lease', () => {
    const life = active().after(DAY);
    const { callback, secrets, expiresAt, leaseSeconds } = life.grant;
    life.denied();
    expect(life.asked).toEqual(['tell denied']);
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
  ])('has the hub asked once under a fresh callback after 60 to 120 s (chance %d)', (random, wait) => {
    const life = active().after(DAY);
    life.random = random;
    life.denied();
    expect(dueIn(life)).toBe(wait);
    expect(life.due(wait - 1).asked).toEqual([]);
    expect(life.due(1).asked).toEqual(['subscribe']);
    const [old, fresh] = life.record.grants;
    expect(fresh).toMatchObject({ advertisedHub: HUB, state: 'requested', replaces: old?.id });
    expect(fresh?.callback).not.toBe(old?.callback);
    expect(life.due(1).asked).toEqual([]);
  });

  test('has the old grant left when the fresh one is verified, and caught up', () => {
    const life = denied().due(90_000).requested().accepted();
    expect(life.verified().asked).toEqual(['tell verified', 'unsubscribe', 'catch up']);
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribing', superseded: true }, { state: 'active' }]);
    expect(stateOf(life.record)).toBe('active');
  });

  test('is undone by signed content that came after it was answered, and the hub is asked all the same', () => {
    const life = denied();
    const { record } = life;
    expect(life.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true }).record).toBe(record);
    life.delivers();
    expect(stateOf(life.record)).toBe('active');
    expect(life.grant).toMatchObject({ deniedAt: undefined, deniedUnsolicited: undefined, denialAnswered: undefined });
    expect(dueIn(life)).toBe(90_000);
    expect(life.due(90_000).asked).toEqual(['subscribe']);
    expect(life.requested().accepted().verified().asked).toContain('unsubscribe');
  });

  test('that comes again, with or without content between, does not put the question off', () => {
    const life = denied();
    const at = dueAt(life.record);
    life.after(61_000).denied();
    expect(life.asked).toEqual(['tell denied']);
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

  test('also where its renewal had begun', () => {
    const life = active()
      .due(8 * DAY)
      .denied();
    expect(stateOf(life.record)).toBe('denied');
    expect(life.discovered().asked).toEqual([]);
    expect(dueIn(life)).toBe(90_000);
    // The question comes first, also where content has refuted the denial.
    expect(life.delivers().due().asked).toEqual([]);
    expect(life.due(90_000).asked).toEqual(['subscribe']);
  });

  test('ends with the lease, where nobody said otherwise: a new callback is asked for at once', () => {
    const life = active('600').after(590_000).denied();
    life.due(10_000);
    expect(life.asked).toEqual(['tell expired', 'discover']);
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }]);
    expect(grantStateOf(life.grant)).toBe('denied');
    expect(stateOf(life.record)).toBe('denied');
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(false);
    const [old] = life.record.grants;
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.callback).not.toBe(old?.callback);
  });

  test('ends after a day at most where there is no lease', () => {
    const life = active();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, expiresAt: undefined })) };
    expect(life.denied().grant.expiresAt).toBe(life.now + DAY);
  });

  test('by another hub than the one that works changes nothing of that', () => {
    const life = active()
      .due(10 * DAY)
      .discovered(SECOND_HUB, HUB)
      .requested()
      .verified();
    life.denied(life.grantAt(SECOND_HUB).id).denied(life.grantAt(HUB).id);
    expect(life.asked).toEqual([]);
    expect(life.grantAt(HUB).state).toBe('unsubscribed');
  });

  test('of what waits after a failure does not change when it is asked', () => {
    const life = verifying().unreachable();
    const at = dueAt(life.record);
    life.denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('denied');
    expect(dueAt(life.record)).toBe(at);
  });

  test('neither a restart nor a reset of the counters shortens the wait, nor asks under the old callback', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const life of [
        denied(),
        active()
          .after(9 * DAY)
          .denied(),
      ]) {
        const at = dueAt(life.record);
        life.after(10_000).apply({ type });
        expect(life.asked).toEqual([]);
        expect(dueAt(life.record)).toBe(at);
        expect(life.due(80_000).asked).toEqual(['subscribe']);
        expect(life.record.grants).toHaveLength(2);
      }
    }
  });

  test('a retry asks at once, under a fresh callback', () => {
    const life = denied().after(1_000).apply({ type: 'retried' });
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ replaces: 'g1' });
  });

  test('that the hub confirms under the fresh callback is one by N2, and the next hub is asked', () => {
    const life = renewing(HUB, SECOND_HUB).verified().after(DAY).denied().due(90_000).requested({ requestId: 'r2' });
    life.denied();
    expect(askedAt(life)).toEqual([SECOND_HUB]);
    life.requestedAt(SECOND_HUB).verified('864000', life.grantAt(SECOND_HUB).id);
    expect(life.effects).toContainEqual({ type: 'request', grantId: 'g1', mode: 'unsubscribe' });
    expect(stateOf(life.record)).toBe('active');
  });

  test('that is undone has the hub of a refused renewal asked when it was to be, and not at once', () => {
    for (const undo of ['content', 'a verification']) {
      const life = renewing().refused();
      const at = (life.grant.nextAttemptAt ?? 0) + DAY;
      life.record = { ...life.record, grants: [{ ...life.grant, nextAttemptAt: at }] };
      life.after(61_000).denied();
      if (undo === 'content') life.delivers();
      else life.verified();
      expect(life.grant.nextAttemptAt).toBe(at);
      expect(life.due(120_000).asked).toEqual([]);
      life.due(at - life.now);
      // Under the fresh callback alone.
      expect(life.asked).toEqual(['subscribe']);
      expect(life.grant.replaces).toBe('g1');
    }
  });

  test('an unasked verification lifts it, and the hub is asked all the same', () => {
    const life = denied();
    const at = dueAt(life.record);
    life.verified();
    expect(life.asked).toEqual(['tell verified', 'catch up']);
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(at);
  });

  test('of what was given up leaves it given up, and content accepted', () => {
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

describe('N1 where there is one callback to give', () => {
  const alone = (leaseSeconds = '864000'): Life => {
    const life = new Life();
    life.hasOneCallback = true;
    return life.apply({ type: 'wanted' }).discovered().requested().accepted().verified(leaseSeconds);
  };

  test('the question keeps it', () => {
    const life = alone().after(DAY).denied();
    expect(stateOf(life.record)).toBe('denied');
    expect(life.due(90_000).asked).toEqual(['subscribe']);
    expect(life.record.grants).toMatchObject([{ state: 'active', denialCheckedAt: life.now }]);
    expect(life.requested().accepted().verified().asked).toContain('tell verified');
    expect(life.grant.deniedUnsolicited).toBeUndefined();
    expect(stateOf(life.record)).toBe('active');
  });

  test('the question comes at most once an hour', () => {
    const life = alone().after(DAY);
    const asked: number[] = [];
    for (let minute = 0; minute < 360; minute += 1) {
      life.denied().due(MINUTE);
      if (life.asked.includes('discover')) life.discovered();
      if (!life.asked.includes('subscribe')) continue;
      asked.push(life.now);
      life.requested().accepted().verified();
    }
    expect(asked.length).toBe(6);
    for (const [index, at] of asked.slice(1).entries()) expect(at - (asked[index] ?? 0)).toBeGreaterThanOrEqual(HOUR);
  });

  test('denials with content between put off neither the question nor a planned renewal', () => {
    const life = alone().after(DAY).denied();
    const at = dueAt(life.record);
    expect(dueAt(life.after(61_000).delivers().denied().record)).toBe(at);

    const renewal = alone();
    const { renewsAt = 0 } = renewal.grant;
    renewal.after(renewsAt - renewal.now - 10_000).denied();
    expect(dueAt(renewal.delivers().record)).toBe(renewsAt);
  });

  test('the hub that confirms it is asked by N2, and at the lease’s end under the same callback', () => {
    const life = alone('3600').after(1_000).denied();
    life.due(90_000).requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied();
    expect(life.asked).toEqual(['tell denied']);
    life.due(MINUTE);
    expect(life.grant).toMatchObject({ state: 'active', deniedUnsolicited: true, refusals: 1 });
    expect(life.record).toMatchObject({ attempts: 1, nextAttemptAt: life.now + 30_000 });
    life.due(30_000).discovered().requested({ requestId: 'r3' }).accepted({ requestId: 'r3' }).denied();
    life.due(MINUTE);
    life.record = { ...life.record, nextAttemptAt: life.now + DAY };
    life.due((life.grant.expiresAt ?? 0) - life.now);
    expect(life.asked).toEqual(['tell expired', 'discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.record.grants).toMatchObject([{ id: 'g1', state: 'expired' }]);
  });

  test('a start spreads no question that is not due', () => {
    const life = alone().after(DAY).denied();
    const at = dueAt(life.record);
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    expect(dueAt(life.record)).toBe(at);
  });
});

describe('N2 where several hubs are asked under the one callback', () => {
  const alone = (change: Partial<Life['rules']> = {}): Life => {
    const life = new Life();
    life.hasOneCallback = true;
    life.rules = { ...life.rules, ...change };
    return life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB).requested();
  };

  test.each(['denied', 'refused'] as const)('each is asked after growing waits of its own: %s', (how) => {
    const life = alone();
    life.random = 0;
    const asked = new Map<string, number[]>([
      [HUB, []],
      [SECOND_HUB, []],
    ]);
    for (let time = 0; time < 8; time += 1) {
      asked.get(life.grant.advertisedHub)?.push(life.now);
      if (how === 'denied') life.accepted().denied();
      else life.refused();
      if (!life.asked.includes('subscribe')) untilAsked(life, HUB, SECOND_HUB);
      life.requested();
    }
    for (const times of asked.values()) {
      const waits = times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / MINUTE);
      expect(waits).toEqual([1, 7.5, 15]);
    }
    expect(life.record.grants).toHaveLength(2);
    // What comes at the callback is for the one that was asked last.
    expect(life.record.grants.at(-1)?.pending).toBeDefined();
    life.accepted().verified();
    expect(life.record.grants).toMatchObject([{ state: 'active', refusals: undefined }]);
  });

  test("afterDenial: 'stop' holds when both have denied", () => {
    const life = alone({ afterDenial: 'stop' }).accepted().denied().requested().accepted().denied();
    expect(life.due(MINUTE).record.stoppedBecause).toBe('denied');
    expect(life.apply({ type: 'retried' }).discovered(HUB, SECOND_HUB).asked).toEqual(['subscribe']);
  });
});

describe('N2 after denials in a row', () => {
  /** The waits between a denial and the next request, for so many denials. */
  function waits(random: number, times: number, how: 'denied' | 'refused'): readonly number[] {
    const life = verifying();
    life.random = random;
    return Array.from({ length: times }, () => {
      if (how === 'denied') life.accepted().denied();
      else life.refused();
      const wait = untilAsked(life, HUB);
      life.requested();
      return wait / MINUTE;
    });
  }

  test.each(['denied', 'refused'] as const)('the same hub is asked after growing waits, up to a day: %s', (how) => {
    expect(waits(1, 10, how)).toEqual([2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    expect(waits(0, 10, how)).toEqual([1, 7.5, 15, 30, 60, 120, 240, 480, 720, 720]);
  });

  test('the hook denied is told once for each, and failed never', () => {
    const life = verifying();
    const told: string[] = [];
    for (let time = 0; time < 5; time += 1) {
      told.push(...life.accepted().denied().asked);
      untilAsked(life, HUB);
      told.push(...life.asked.filter((each) => each.startsWith('tell')));
      life.requested();
    }
    expect(told).toEqual(Array.from({ length: 5 }, () => 'tell denied'));
  });

  test('neither a start nor a sweep shortens the wait, nor a reset of the counters', () => {
    for (const type of ['wanted', 'counters-reset'] as const) {
      for (const wait of [0, MINUTE]) {
        const life = deniedRequest();
        const at = life.grant.notBefore ?? 0;
        life.due(wait).apply({ type });
        expect(life.asked).not.toContain('subscribe');
        expect(life.discovered().asked).toEqual([]);
        untilAsked(life, HUB);
        expect(life.now).toBe(at);
      }
    }
  });

  test.each([0, MINUTE])('a retry does: %d ms after the denial', (wait) => {
    const life = deniedRequest().due(wait).apply({ type: 'retried' });
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant).toMatchObject({ pending: { id: 'r2' }, refusals: undefined });
    expect(stateOf(life.record)).toBe('verifying');
  });

  test('a retry does for a renewal, also one that was wanted early', () => {
    for (const wait of [0, MINUTE]) {
      const early = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested().accepted();
      early.denied().due(wait).apply({ type: 'retried' });
      expect(early.asked).toEqual(['discover']);
      expect(renewing().denied().due(wait).apply({ type: 'retried' }).asked).toEqual(['discover']);
    }
  });

  test('a lease’s end does', () => {
    const life = renewing();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, refusals: 9 })) };
    life.denied().due(MINUTE);
    expect(dueAt(life.record)).toBe(life.now + 18 * HOUR - MINUTE);
    life.due((life.grant.expiresAt ?? 0) - life.now);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(stateOf(life.record)).toBe('denied');
  });

  test('the state is denied also while it is asked again, and where it was given up', () => {
    const life = deniedRequest();
    untilAsked(life, HUB);
    expect(stateOf(life.requested().record)).toBe('denied');
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    gaveUp.accepted().denied().due(MINUTE);
    expect(gaveUp.record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.asked).toEqual([]);
    expect(stateOf(gaveUp.record)).toBe('denied');
    expect(dueAt(gaveUp.record)).toBeUndefined();
  });

  test('the state is that of the hub asked last', () => {
    const life = deniedRequest(HUB, SECOND_HUB).requestedAt(SECOND_HUB, { requestId: 'r1' });
    expect(stateOf(life.record)).toBe('verifying');
    expect(stateOf(life.refused().record)).toBe('failed');
  });

  test('a hub that wants to be left alone for long does not make the other wait', () => {
    const life = verifying(HUB, SECOND_HUB).accepted().denied();
    const at = life.grantAt(HUB).notBefore;
    life.requestedAt(SECOND_HUB, { requestId: 'r1' }).unreachable(86_000);
    expect(life.asked).toEqual(['tell failed']);
    expect(dueAt(life.due(MINUTE).record)).toBe(at);
    untilAsked(life, HUB, SECOND_HUB);
    expect(askedAt(life)).toEqual([HUB]);
    const { id } = life.grantAt(HUB);
    life.requestedAt(HUB).denied(id).due(MINUTE);
    expect(life.record.nextAttemptAt).toBe(life.grantAt(HUB).notBefore);
    expect(life.grantAt(SECOND_HUB).notBefore).toBeGreaterThan(life.now + 23 * HOUR);
  });

  test('S3 a hub that refused is left alone for its own wait when the round begins again', () => {
    const life = verifying(HUB, SECOND_HUB).refused();
    const at = life.grantAt(HUB).notBefore ?? 0;
    expect(at).toBe(life.now + 90_000);
    for (let time = 0; time < 3; time += 1) {
      life.requestedAt(SECOND_HUB, { requestId: 'r1' }).unreachable();
      if (time < 2) life.due(dueIn(life));
    }
    const asked: (readonly [string, boolean])[] = [];
    while (life.now < at) {
      untilAsked(life, HUB, SECOND_HUB);
      const [hub = ''] = askedAt(life);
      asked.push([hub, life.now < at]);
      life.requestedAt(hub, { requestId: 'r1' });
      life.apply({ type: 'unreachable', ...told(life, hub) });
    }
    expect(new Set(asked.filter(([, isEarly]) => isEarly).map(([hub]) => hub))).toEqual(new Set([SECOND_HUB]));
    expect(asked.at(-1)).toEqual([HUB, false]);
  });
});

describe("N2 afterDenial: 'stop'", () => {
  const stops = (life: Life): Life => {
    life.rules = { ...life.rules, afterDenial: 'stop' };
    return life;
  };

  test('holds the subscription when the only hub has denied, until it is retried, also through a restart', () => {
    const life = stops(verifying()).accepted().denied();
    expect(life.record.stoppedBecause).toBeUndefined();
    life.due(MINUTE);
    expect(life.asked).toEqual([]);
    expect(life.record).toMatchObject({ stoppedBecause: 'denied', attempts: 1 });
    expect(stateOf(life.record)).toBe('denied');
    expect(dueAt(life.record)).toBeUndefined();
    for (const type of ['wanted', 'counters-reset'] as const) expect(life.apply({ type }).asked).toEqual([]);
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
    expect(life.apply({ type: 'retried' }).asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
  });

  test('holds it only when all advertised hubs have denied', () => {
    const life = stops(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
    life.requestedAt(SECOND_HUB, { requestId: 'r1' }).accepted().denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    const other = stops(verifying(HUB, SECOND_HUB)).accepted().denied().due(MINUTE);
    other.requestedAt(SECOND_HUB, { requestId: 'r1' }).refused();
    expect(other.record.stoppedBecause).toBeUndefined();
    expect(isScheduled(other.record)).toBe(true);
  });

  test('of a renewal leaves what works until its lease ends', () => {
    const life = stops(renewing()).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    expect(stateOf(life.record)).toBe('active');
    expect(life.due(2 * DAY).asked).toEqual(['tell expired']);
    expect(stateOf(life.record)).toBe('denied');
  });

  test('that comes late holds it as well', () => {
    const life = stops(verifying()).accepted().due(MINUTE).denied();
    expect(life.record.stoppedBecause).toBe('denied');
    expect(dueAt(life.record)).toBeUndefined();
  });

  test('does not hold for an unasked denial: the hub is asked first', () => {
    const life = stops(active()).after(DAY).denied();
    expect(life.record.stoppedBecause).toBeUndefined();
    life.due(90_000);
    expect(life.asked).toEqual(['subscribe']);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBe('denied');
    expect(stateOf(life.record)).toBe('denied');
  });

  test('does not hold what delivers because its fresh grant was denied', () => {
    const life = stops(active()).after(DAY).denied().delivers().due(90_000);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied().due(MINUTE);
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(stateOf(life.record)).toBe('active');
    expect(life.record.grants).toHaveLength(1);
  });

  test('does not hold by what a hub said of a grant that is over', () => {
    const life = stops(verifying(HUB, SECOND_HUB));
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

  test('a verification is welcome all the same: an approval by hand', () => {
    const life = stops(verifying()).accepted().denied().due(MINUTE).after(DAY);
    expect(canConfirm(life.record, life.grant, 'subscribe', life)).toBe(true);
    life.verified();
    expect(stateOf(life.record)).toBe('active');
    expect(life.record.stoppedBecause).toBeUndefined();
  });
});
