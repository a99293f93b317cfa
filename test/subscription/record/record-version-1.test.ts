import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { withStoredNames } from '../../../src/subscription/record/field-names.js';
import type { SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { decodeSubscription, encodeSubscription } from '../../../src/subscription/record/subscription-codec.js';
import {
  active,
  DAY,
  dueIn,
  HUB,
  SubscriptionMachine,
  SECOND_HUB,
  verifying,
} from '../machine/subscription-machine.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, missed: 0 };

/** Replaces the record of a machine as if version 1 had stored it and this version had read it. */
function readAsVersion1(machine: SubscriptionMachine, change: object = {}): SubscriptionMachine {
  const record = withStoredNames({ ...machine.record, ...change });
  const stored = { deniedBy: [], ...Object(record) };
  machine.record = decodeSubscription('s', { v: 1, data: { record: stored, stats: STATS } }).record;
  return machine;
}

/** The first grant, ended by a denial as version 1 did it. */
function deniedGrant({ record, now }: SubscriptionMachine): object {
  const [grant] = record.grants;
  return { ...grant, state: 'denied', pending: undefined, attempts: 0, nextAttemptAt: undefined, endedAt: now };
}

/** A subscription that version 1 stopped as denied. */
function stoppedAsDenied(machine: SubscriptionMachine): SubscriptionMachine {
  const { grants } = machine.record;
  return readAsVersion1(machine, {
    hold: 'denied',
    deniedBy: [HUB],
    grants: [deniedGrant(machine), ...grants.slice(1)],
  });
}

describe('a record of version 1', () => {
  test.each([
    ['new', () => new SubscriptionMachine()],
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
    const machine = create();
    const { record } = machine;
    expect(JSON.parse(JSON.stringify(readAsVersion1(machine).record))).toEqual(JSON.parse(JSON.stringify(record)));
    expect(machine.record).not.toHaveProperty('deniedBy');
  });

  test('is written as version 2', () => {
    const { record } = stoppedAsDenied(active());
    expect(encodeSubscription({ record, stats: STATS })).toMatchObject({ v: 2 });
    const decoded = decodeSubscription(
      's',
      JSON.parse(JSON.stringify(encodeSubscription({ record, stats: STATS }))),
    ).record;
    expect(decoded).toEqual(JSON.parse(JSON.stringify(record)));
  });
});

describe('N2 a subscription that version 1 stopped as denied', () => {
  test('keeps a verified grant active, and its hub is requested under a fresh callback', () => {
    const original = active().after(DAY);
    const { callback, secrets, expiresAt } = original.grant;
    const machine = stoppedAsDenied(original);
    expect(machine.grant).toMatchObject({ state: 'active', callback, secrets, expiresAt, deniedAt: machine.now });
    expect(machine.grant).not.toHaveProperty('endedAt');
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(machine.record.stoppedBecause).toBeUndefined();
    expect(dueIn(machine)).toBe(90_000);
    // Another start does not make it sooner.
    expect(machine.after(10_000).apply({ type: 'wanted' }).actions).toEqual([]);
    expect(dueIn(machine)).toBe(80_000);
    machine.due(80_000);
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grant).toMatchObject({ replaces: 'g1', advertisedHub: HUB });
    machine.requested().accepted().verified();
    expect(machine.record.grants).toMatchObject([{ state: 'unsubscribing' }, { state: 'active' }]);
  });

  test('is active again if its hub delivers', () => {
    const machine = stoppedAsDenied(active().after(DAY)).apply({ type: 'wanted' });
    machine.apply({ type: 'hub-delivered', grantId: 'g1', isSigned: true });
    expect(stateOf(machine.record)).toBe('active');
  });

  test('is requested at once under a fresh callback if its lease has ended, and the old grant is over', () => {
    const machine = stoppedAsDenied(active().after(DAY)).after(90 * DAY);
    machine.apply({ type: 'wanted' });
    expect(machine.actions).toContain('discover');
    expect(machine.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: machine.now }]);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.record.grants).toHaveLength(2);
  });

  test('is requested 60 to 120 s after the start if it was never verified', () => {
    const machine = stoppedAsDenied(verifying().accepted()).after(DAY);
    expect(stateOf(machine.record)).toBe('denied');
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(stateOf(machine.record)).toBe('denied');
    expect(dueIn(machine)).toBe(90_000);
    expect(machine.due(90_000).discovered().actions).toEqual(['subscribe']);
    machine.requested().accepted().denied();
    // It counts as the second denial in a row.
    expect((machine.grant.notBefore ?? 0) - machine.now).toBe(11.25 * 60_000);
  });

  test('is requested at once if the user retries it', () => {
    const machine = stoppedAsDenied(verifying().accepted()).apply({ type: 'retried' });
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.requested().apply({ type: 'wanted' }).record.stoppedBecause).toBeUndefined();
  });

  test('is requested under the same callback if there is only one', () => {
    const original = new SubscriptionMachine();
    original.hasOneCallback = true;
    original.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
    const machine = stoppedAsDenied(original.after(DAY)).apply({ type: 'wanted' }).due(90_000);
    expect(machine.effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'subscribe' }]);
    expect(machine.record.grants).toHaveLength(1);
  });

  test('has only its last grant live if the same hub denied more than once', () => {
    const original = active().after(DAY);
    const [first] = original.record.grants;
    const later = { ...deniedGrant(original), id: 'later', path: 'later', callback: original.callbackOf('later') };
    const earlier = { ...first, state: 'denied', endedAt: original.now - 1_000 };
    const machine = readAsVersion1(original, { hold: 'denied', deniedBy: [HUB], grants: [earlier, later] });
    expect(machine.record.grants).toMatchObject([
      { id: 'g1', state: 'unsubscribed', endedAt: original.now - 1_000 },
      { id: 'later', state: 'active', deniedUnsolicited: true },
    ]);
  });

  test('is requested from the first hub again if two hubs denied', () => {
    const original = verifying(HUB, SECOND_HUB).accepted();
    const [first] = original.record.grants;
    const firstDenied = { ...deniedGrant(original), endedAt: original.now };
    const callback = original.callbackOf('second');
    const secondDenied = {
      ...firstDenied,
      callback,
      id: 'second',
      path: 'second',
      advertisedHub: SECOND_HUB,
      hub: SECOND_HUB,
    };
    const machine = readAsVersion1(original, {
      hold: 'denied',
      deniedBy: [HUB, SECOND_HUB],
      grants: [firstDenied, secondDenied],
    });
    machine.apply({ type: 'wanted' }).due(90_000).discovered(HUB, SECOND_HUB);
    expect(machine.effects).toEqual([{ type: 'request', grantId: first?.id, mode: 'subscribe' }]);
  });
});

test('N2 a grant that version 1 ended by a denial stays ended if another hub has granted', () => {
  const original = verifying(HUB, SECOND_HUB).refused().requested().accepted().verified();
  const machine = readAsVersion1(original, {
    deniedBy: [HUB],
    grants: [deniedGrant(original), original.grantAt(SECOND_HUB)],
  });
  expect(machine.record.grants).toMatchObject([{ state: 'unsubscribed', endedAt: machine.now }, { state: 'active' }]);
  expect(stateOf(machine.record)).toBe('active');
  expect(dueAt(machine.record)).toBe(machine.grantAt(SECOND_HUB).renewsAt);
});

test('N2 a subscription that version 1 stopped for another reason stays stopped', () => {
  for (const stoppedBecause of ['gave-up', 'handler-refused', 'deleted', 'unsubscribed'] as const) {
    const original = active().after(DAY);
    const change: Partial<SubscriptionRecord> = { stoppedBecause };
    expect(readAsVersion1(original, { ...change, grants: [deniedGrant(original)] }).record).toMatchObject({
      stoppedBecause,
      grants: [{ state: 'unsubscribed' }],
    });
  }
});

test('V2 a long lease whose renewal version 1 planned late is renewed as if it were ten days', () => {
  const machine = active('31536000');
  const { grant } = machine;
  machine.record = {
    ...machine.record,
    grants: [{ ...grant, renewsAt: grant.expiresAt === undefined ? 0 : machine.now + 290 * DAY }],
  };
  readAsVersion1(machine);
  const earlyRecord = machine.record;
  expect(machine.after(DAY).apply({ type: 'wanted' }).actions).toEqual([]);
  expect(dueIn(machine)).toBe(7 * DAY);
  expect(machine.grant.expiresAt).toBe(grant.expiresAt);
  machine.record = earlyRecord;
  machine.after(100 * DAY).apply({ type: 'wanted' });
  expect(dueIn(machine)).toBeLessThanOrEqual(30_000);
  const { record } = machine;
  expect(machine.apply({ type: 'wanted' }).record).toBe(record);
});
