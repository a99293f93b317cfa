import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { withStoredNames } from '../../../src/subscription/record/field-names.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { decodeSubscription, encodeSubscription } from '../../../src/subscription/record/subscription-codec.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, verifying } from '../machine/life.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, missed: 0 };

/** A record as version 1 has stored it: read again as it is now. */
function read(life: Life, change: object = {}): Life {
  const record = withStoredNames({ ...life.record, ...change });
  const stored = { deniedBy: [], ...Object(record) };
  life.record = decodeSubscription('s', { v: 1, data: { record: stored, stats: STATS } }).record;
  return life;
}

/** The first grant, ended by a denial as version 1 did that. */
function deniedGrant({ record, now }: Life): object {
  const [grant] = record.grants;
  return { ...grant, state: 'denied', pending: undefined, attempts: 0, nextAttemptAt: undefined, endedAt: now };
}

/** A subscription that version 1 held as denied. */
function held(life: Life): Life {
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
  ])('that is %s is read as it was', (_what, at) => {
    const life = at();
    const { record } = life;
    expect(JSON.parse(JSON.stringify(read(life).record))).toEqual(JSON.parse(JSON.stringify(record)));
    expect(life.record).not.toHaveProperty('deniedBy');
  });

  test('is written as version 2 from then on', () => {
    const { record } = held(active());
    expect(encodeSubscription({ record, stats: STATS })).toMatchObject({ v: 2 });
    const again = decodeSubscription(
      's',
      JSON.parse(JSON.stringify(encodeSubscription({ record, stats: STATS }))),
    ).record;
    expect(again).toEqual(JSON.parse(JSON.stringify(record)));
  });
});

describe('N2 a record of version 1 that was held as denied', () => {
  test('and verified accepts its content again while its lease runs, and its hub is asked under a fresh callback', () => {
    const before = active().after(DAY);
    const { callback, secrets, expiresAt } = before.grant;
    const life = held(before);
    expect(life.grant).toMatchObject({ state: 'active', callback, secrets, expiresAt, deniedAt: life.now });
    expect(life.grant).not.toHaveProperty('endedAt');
    expect(stateOf(life.record)).toBe('denied');
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(dueIn(life)).toBe(90_000);
    // Not sooner for being started again.
    expect(life.after(10_000).apply({ type: 'wanted' }).asked).toEqual([]);
    expect(dueIn(life)).toBe(80_000);
    life.due(80_000);
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ replaces: 'g1', advertisedHub: HUB });
    life.requested().accepted().verified();
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribing' }, { state: 'active' }]);
  });

  test('and delivers all the same is active again', () => {
    const life = held(active().after(DAY)).apply({ type: 'wanted' });
    life.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true });
    expect(stateOf(life.record)).toBe('active');
  });

  test('months ago is asked for at once under a fresh callback, the old one answered 410', () => {
    const life = held(active().after(DAY)).after(90 * DAY);
    life.apply({ type: 'wanted' });
    expect(life.asked).toContain('discover');
    expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }]);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.record.grants).toHaveLength(2);
  });

  test('and never verified is asked for again 60 to 120 s after the start', () => {
    const life = held(verifying().accepted()).after(DAY);
    expect(stateOf(life.record)).toBe('denied');
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    expect(stateOf(life.record)).toBe('denied');
    expect(dueIn(life)).toBe(90_000);
    expect(life.due(90_000).discovered().asked).toEqual(['subscribe']);
    life.requested({ requestId: 'r2' }).accepted({ requestId: 'r2' }).denied();
    // It counts as the second denial in a row.
    expect((life.grant.notBefore ?? 0) - life.now).toBe(11.25 * 60_000);
  });

  test('is asked for at once where the user retries it', () => {
    const life = held(verifying().accepted()).apply({ type: 'retried' });
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).apply({ type: 'wanted' }).record.stoppedBecause).toBeUndefined();
  });

  test('under the one callback there is to give is asked for under that', () => {
    const before = new Life();
    before.hasOneCallback = true;
    before.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
    const life = held(before.after(DAY)).apply({ type: 'wanted' }).due(90_000);
    expect(life.effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    expect(life.record.grants).toHaveLength(1);
  });

  test('more than once by the same hub has one grant alive again, the last', () => {
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

  test('by two hubs has the first asked again, and then the second', () => {
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

test('N2 a denial of version 1 in whose place another hub is asked, or works, stays over', () => {
  const before = verifying(HUB, SECOND_HUB).refused().requested().accepted().verified();
  const life = read(before, { deniedBy: [HUB], grants: [deniedGrant(before), before.grantAt(SECOND_HUB)] });
  expect(life.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: life.now }, { state: 'active' }]);
  expect(stateOf(life.record)).toBe('active');
  expect(dueAt(life.record)).toBe(life.grantAt(SECOND_HUB).renewsAt);
});

test('N2 what version 1 held for another reason is held still', () => {
  for (const hold of ['gave-up', 'handler-refused', 'deleted', 'unsubscribed'] as const) {
    const before = active().after(DAY);
    const change: Partial<SubscriptionRecord> = { stoppedBecause: hold };
    expect(read(before, { ...change, grants: [deniedGrant(before)] }).record).toMatchObject({
      stoppedBecause: hold,
      grants: [{ state: 'unsubscribed' }],
    });
  }
});

test('V2 a lease of ten years that version 1 was to renew after most of one is renewed as if it were ten days', () => {
  const life = active('31536000');
  const { grant } = life;
  life.record = {
    ...life.record,
    grants: [{ ...grant, renewsAt: grant.expiresAt === undefined ? 0 : life.now + 290 * DAY }],
  };
  read(life);
  const early = life.record;
  expect(life.after(DAY).apply({ type: 'wanted' }).asked).toEqual([]);
  expect(dueIn(life)).toBe(7 * DAY);
  expect(life.grant.expiresAt).toBe(grant.expiresAt);
  life.record = early;
  life.after(100 * DAY).apply({ type: 'wanted' });
  expect(dueIn(life)).toBeLessThanOrEqual(30_000);
  const { record } = life;
  expect(life.apply({ type: 'wanted' }).record).toBe(record);
});
