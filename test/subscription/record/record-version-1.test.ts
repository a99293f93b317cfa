import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { withStoredNames } from '../../../src/subscription/record/field-names.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { decodeSubscription, encodeSubscription } from '../../../src/subscription/record/subscription-codec.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, verifying } from '../machine/life.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, missed: 0 };

/** Replaces a life's record by one that version 1 stored, read by this version. */
function read(life: Life, change: object = {}): Life {
  const record = withStoredNames({ ...life.record, ...change });
  const stored = { deniedBy: [], ...Object(record) };
  life.record = decodeSubscription('s', { v: 1, data: { record: stored, stats: STATS } }).record;
  return life;
}

/** The first grant, ended by a denial as version 1 did it. */
function deniedGrant({ record, now }: Life): object {
  const [grant] = record.grants;
  return { ...grant, state: 'denied', pending: undefined, attempts: 0, nextAttemptAt: undefined, endedAt: now };
}

/** A subscription that version 1 stopped as denied. */
function stoppedAsDenied(life: Life): Life {
  const { grants } = life.record;
  return read(life, { hold: 'denied', deniedBy: [HUB], grants: [deniedGrant(life), ...grants.slice(1)] });
}

describe('a record of version 1', () => {
  test.each([
    ['new', () => new Life()],
    ['verifying', () => verifying()],
    ['accepted', () => verifying().accepted()],
    ['failed', () => verifying().unreachable()],
    ['active', () => active()],
    [
      'renewing',
      () =>
        active()
          .due(8 * DAY)
          .discovered()
          .requested(),
    ],
    ['expired', () => active().due(11 * DAY)],
    ['unsubscribing', () => active().unwanted('unsubscribed').requested()],
    ['deleted', () => active().unwanted('deleted')],
  ])('is read unchanged if it is %s', (_state, create) => {
    const life = create();
    const { record } = life;
    expect(JSON.parse(JSON.stringify(read(life).record))).toEqual(JSON.parse(JSON.stringify(record)));
    expect(life.record).not.toHaveProperty('deniedBy');
  });

  test('is written as version 2', () => {
    const { record } = stoppedAsDenied(active());
    expect(encodeSubscription({ record, stats: STATS })).toMatchObject({ v: 2 });
    const again = decodeSubscription(
      's',
      JSON.parse(JSON.stringify(encodeSubscription({ record, stats: STATS }))),
    ).record;
    expect(again).toEqual(JSON.parse(JSON.stringify(record)));
  });
});

describe('N2 a subscription that version 1 stopped as denied', () => {
  test('accepts content until its lease ends, and its hub is asked under a fresh callback, if it was verified', () => {
    const before = active().after(DAY);
    const { callback, secrets, expiresAt } = before.grant;
    const life = stoppedAsDenied(before);
    expect(life.grant).toMatchObject({ state: 'active', callback, secrets, expiresAt, deniedAt: life.now });
    expect(life.grant).not.toHaveProperty('endedAt');
    expect(stateOf(life.record)).toBe('denied');
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(dueIn(life)).toBe(90_000);
    // Another start does not make it sooner.
    expect(life.after(10_000).apply({ type: 'wanted' }).actions).toEqual([]);
    expect(dueIn(life)).toBe(80_000);
    life.due(80_000);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ replaces: 'g1', advertisedHub: HUB });
    life.requested().accepted().verified();
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribing' }, { state: 'active' }]);
  });

  test('is active again if its hub delivers', () => {
    const life = stoppedAsDenied(active().after(DAY)).apply({ type: 'wanted' });
    life.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true });
    expect(stateOf(life.record)).toBe('active');
  });

  test('is requested at once under a fresh callback if its lease is over, and the old callback answers 410', () => {
    const life = stoppedAsDenied(active().after(DAY)).after(90 * DAY);
    life.apply({ type: 'wanted' });
    expect(life.actions).toContain('discover');
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }]);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.record.grants).toHaveLength(2);
  });

  test('is requested 60 to 120 s after the start if it was never verified', () => {
    const life = stoppedAsDenied(verifying().accepted()).after(DAY);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(stateOf(life.record)).toBe('denied');
    expect(dueIn(life)).toBe(90_000);
    expect(life.due(90_000).discovered().actions).toEqual(['subscribe']);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied();
    // It counts as the second denial in a row.
    expect((life.grant.notBefore ?? 0) - life.now).toBe(11.25 * 60_000);
  });

  test('is requested at once if the user retries it', () => {
    const life = stoppedAsDenied(verifying().accepted()).apply({ type: 'retried' });
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).apply({ type: 'wanted' }).record.stoppedBecause).toBeUndefined();
  });

  test('is requested under the same callback if there is only one', () => {
    const before = new Life();
    before.hasOneCallback = true;
    before.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
    const life = stoppedAsDenied(before.after(DAY)).apply({ type: 'wanted' }).due(90_000);
    expect(life.effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    expect(life.record.grants).toHaveLength(1);
  });

  test('has one live grant, the last, if the same hub denied more than once', () => {
    const before = active().after(DAY);
    const [first] = before.record.grants;
    const later = { ...deniedGrant(before), id: 'later', path: 'later', callback: before.callbackOf('later') };
    const earlier = { ...first, state: 'denied', endedAt: before.now - 1_000 };
    const life = read(before, { hold: 'denied', deniedBy: [HUB], grants: [earlier, later] });
    expect(life.record.grants).toMatchObject([
      { id: 'g1', state: 'unsubscribed', endedAt: before.now - 1_000 },
      { id: 'later', state: 'active', deniedUnsolicited: true },
    ]);
  });

  test('is requested from the first hub again if two hubs denied', () => {
    const before = verifying(HUB, SECOND_HUB).accepted();
    const [first] = before.record.grants;
    const denied = { ...deniedGrant(before), endedAt: before.now };
    const callback = before.callbackOf('second');
    const second = { ...denied, callback, id: 'second', path: 'second', advertisedHub: SECOND_HUB, hub: SECOND_HUB };
    const life = read(before, { hold: 'denied', deniedBy: [HUB, SECOND_HUB], grants: [denied, second] });
    life.apply({ type: 'wanted' }).due(90_000).discovered(HUB, SECOND_HUB);
    expect(life.effects).toEqual([{ type: 'request', grantId: first?.id, mode: 'subscribe' }]);
  });
});

test('N2 a grant that version 1 ended by a denial stays ended if another hub has granted', () => {
  const before = verifying(HUB, SECOND_HUB).refused().requested().accepted().verified();
  const life = read(before, { deniedBy: [HUB], grants: [deniedGrant(before), before.grantAt(SECOND_HUB)] });
  expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }, { state: 'active' }]);
  expect(stateOf(life.record)).toBe('active');
  expect(dueAt(life.record)).toBe(life.grantAt(SECOND_HUB).renewsAt);
});

test('N2 a subscription that version 1 stopped for another reason stays stopped', () => {
  for (const stoppedBecause of ['gave-up', 'handler-refused', 'deleted', 'unsubscribed'] as const) {
    const before = active().after(DAY);
    const change: Partial<SubscriptionRecord> = { stoppedBecause };
    expect(read(before, { ...change, grants: [deniedGrant(before)] }).record).toMatchObject({
      stoppedBecause,
      grants: [{ state: 'unsubscribed' }],
    });
  }
});

test('V2 a long lease whose renewal version 1 planned late is renewed as if it were ten days', () => {
  const life = active('31536000');
  const { grant } = life;
  life.record = {
    ...life.record,
    grants: [{ ...grant, renewsAt: grant.expiresAt === undefined ? 0 : life.now + 290 * DAY }],
  };
  read(life);
  const early = life.record;
  expect(life.after(DAY).apply({ type: 'wanted' }).actions).toEqual([]);
  expect(dueIn(life)).toBe(7 * DAY);
  expect(life.grant.expiresAt).toBe(grant.expiresAt);
  life.record = early;
  life.after(100 * DAY).apply({ type: 'wanted' });
  expect(dueIn(life)).toBeLessThanOrEqual(30_000);
  const { record } = life;
  expect(life.apply({ type: 'wanted' }).record).toBe(record);
});
