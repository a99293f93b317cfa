import { describe, expect, test } from 'vitest';
import { FAILOVER_AFTER } from '../../../../src/subscription/retry-policy.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import {
  active,
  DAY,
  failure,
  HUB,
  SubscriptionMachine,
  SECOND_HUB,
  TOPIC,
  verifying,
} from '../subscription-machine.js';

const dueIn = (machine: SubscriptionMachine): number => (dueAt(machine.record) ?? Infinity) - machine.now;

describe('D8 of several advertised hubs', () => {
  test('the first is requested, under its own callback', () => {
    const machine = verifying(HUB, SECOND_HUB);
    expect(machine.record.grants).toHaveLength(1);
    expect(machine.grant).toMatchObject({ advertisedHub: HUB, hub: HUB, topic: TOPIC, state: 'verifying' });
  });

  test('the next is requested at once under another callback when the first refuses', () => {
    const machine = verifying(HUB, SECOND_HUB).refused();
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant.advertisedHub).toBe(SECOND_HUB);
    expect(machine.grant.callback).not.toBe(machine.grantAt(HUB).callback);
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: undefined });
  });

  test('the next is requested when the first could not be reached three times', () => {
    const machine = verifying(HUB, SECOND_HUB).unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    machine.due(dueIn(machine)).requested().unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    machine.due(dueIn(machine)).requested().unreachable();
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant.advertisedHub).toBe(SECOND_HUB);
  });

  test('the next is requested when the first did not verify three times', () => {
    const machine = verifying(HUB, SECOND_HUB).accepted();
    for (let attempt = 1; attempt < FAILOVER_AFTER; attempt += 1) {
      machine.due(60_000);
      expect(machine.actions).toEqual(['hook failed']);
      machine.due(dueIn(machine)).requested().accepted();
    }
    machine.due(60_000);
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant.advertisedHub).toBe(SECOND_HUB);
    expect(machine.record.lastError?.cause).toBe('verification-missing');
  });

  test('the round begins again later, with discovery, when all hubs have refused', () => {
    const machine = verifying(HUB, SECOND_HUB).refused().requested().refused();
    expect(machine.actions).toEqual(['hook failed']);
    expect(dueIn(machine)).toBeGreaterThanOrEqual(1_000);
    expect(machine.due(dueIn(machine)).actions).toEqual(['discover']);
    expect(machine.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
    const [first, second] = machine.record.grants;
    expect([first?.advertisedHub, first?.nextAttemptAt === undefined]).toEqual([HUB, false]);
    expect([second?.advertisedHub, second?.nextAttemptAt]).toEqual([SECOND_HUB, undefined]);
  });

  test('a hub that has moved is requested at its advertised URL again after three failures', () => {
    const machine = verifying().accepted({ hub: 'https://moved.example/', moved: true });
    expect(machine.grant).toMatchObject({ hub: 'https://moved.example/', hasHubAccepted: true });
    machine.due(60_000).due(dueIn(machine)).requested().unreachable();
    machine.due(dueIn(machine)).requested().unreachable();
    machine.due(dueIn(machine)).discovered();
    expect(machine.grant).toMatchObject({ advertisedHub: HUB, hub: HUB, hasHubAccepted: false });
  });

  test('a grant at a hub that is no longer advertised is removed if it never worked', () => {
    const machine = verifying(HUB).unreachable();
    for (let attempt = 1; attempt < FAILOVER_AFTER; attempt += 1) machine.due(dueIn(machine)).requested().unreachable();
    machine.due(dueIn(machine)).discovered(SECOND_HUB);
    expect(machine.record.grants.map(({ advertisedHub }) => advertisedHub)).toEqual([SECOND_HUB]);
  });
});

describe('the wait after a failure', () => {
  test('L2 grows with each failure, up to an hour', () => {
    const machine = verifying();
    machine.random = 1;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 20; attempt += 1) {
      machine.unreachable();
      waits.push(dueIn(machine));
      machine.due(dueIn(machine));
      if (machine.actions.includes('discover')) machine.discovered();
      machine.requested();
    }
    expect(waits.slice(0, 4)).toEqual([2_000, 4_000, 8_000, 16_000]);
    expect(waits.at(-1)).toBe(3_600_000);
  });

  test('S3 N2 grows to a day when the hub refuses, also through other failures', () => {
    const machine = verifying();
    machine.random = 1;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 12; attempt += 1) {
      machine.refused();
      waits.push(dueIn(machine) / 60_000);
      machine.due(dueIn(machine)).discovered().requested();
      machine.unreachable().due(dueIn(machine));
      if (machine.actions.includes('discover')) machine.discovered();
      machine.requested();
    }
    expect(waits).toEqual([2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440, 1440]);
  });

  test.each(['unreachable', 'refused'] as const)('S3 is never shorter than Retry-After: %s', (how) => {
    const machine = verifying()[how](3_600);
    expect(dueIn(machine)).toBe(3_600_000);
    expect(verifying()[how](10_000_000).grant.notBefore).toBe(machine.now + DAY);
  });

  test('S3 keeps the Retry-After of one hub while another is requested', () => {
    const machine = verifying(HUB, SECOND_HUB).refused(7_200).requested().refused();
    // The second hub has the shorter wait, so it is requested first.
    expect(dueIn(machine)).toBe(90_000);
    machine.due(dueIn(machine)).discovered(HUB, SECOND_HUB);
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.grantAt(SECOND_HUB).nextAttemptAt).toBeDefined();
    expect(machine.grantAt(HUB).nextAttemptAt).toBeUndefined();
  });

  test('S3 lasts until the Retry-After is over if no other hub is left', () => {
    const machine = active('600').due(300_000).discovered().requested().unreachable(7_200);
    machine.due(300_000);
    expect(machine.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(machine.discovered().actions).toEqual([]);
    expect(dueIn(machine)).toBe(7_200_000 - 300_000);
    expect(machine.due(dueIn(machine)).discovered().actions).toEqual(['subscribe']);
  });
});

describe('a failed discovery', () => {
  test('is retried later if nothing is known', () => {
    const machine = new SubscriptionMachine()
      .apply({ type: 'wanted' })
      .apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(stateOf(machine.record)).toBe('failed');
    expect(machine.record).toMatchObject({ attempts: 1, lastError: { cause: 'discovery' } });
    expect(dueIn(machine)).toBe(1_000);
    expect(machine.due(1_000).actions).toEqual(['discover']);
  });

  test('is replaced by the result of the last discovery', () => {
    const machine = active()
      .due(10 * DAY)
      .apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant).toMatchObject({ state: 'expired', hub: HUB, topic: TOPIC });
  });

  test('V6 does not affect a grant that was verified meanwhile', () => {
    const machine = verifying().accepted().due(60_000).due(DAY).requested().accepted().due(60_000);
    machine.due(dueIn(machine)).requested().accepted().due(60_000).due(DAY);
    expect(machine.actions).toEqual(['discover']);
    machine.after(-DAY).verified().after(DAY);
    machine.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(machine.actions).toEqual([]);
    expect(machine.record).toMatchObject({ attempts: 0, lastError: undefined, nextAttemptAt: undefined });
    expect(machine.grant.state).toBe('active');
  });

  test('V9 still leads to a request at a hub that first refused and verified meanwhile', () => {
    const machine = verifying().refused();
    machine.due(dueIn(machine));
    expect(machine.actions).toEqual(['discover']);
    machine.verified();
    expect(stateOf(machine.record)).toBe('active');
    machine.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(machine.actions).toEqual([]);
    expect(machine.record).toMatchObject({ attempts: 1, lastError: { cause: 'refused' } });
    expect(dueIn(machine)).toBeLessThanOrEqual(60_000);
  });

  test('is ignored if the subscription is unwanted', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    const { currentDiscovery = '' } = machine.record;
    machine.unwanted('unsubscribed');
    machine.apply({ type: 'discovery-failed', discoveryId: currentDiscovery, failure: failure('discovery') });
    expect(machine.actions).toEqual([]);
    expect(stateOf(machine.record)).toBe('unsubscribed');
  });
});

test('maxAttempts ends the requests until a retry, and counts failures of discoveries and requests', () => {
  const machine = new SubscriptionMachine().apply({ type: 'wanted' });
  machine.rules = { ...machine.rules, maxAttempts: 2 };
  machine.apply({ type: 'discovery-failed', failure: failure('discovery') });
  machine.due(dueIn(machine)).discovered().requested().unreachable();
  expect(stateOf(machine.record)).toBe('failed');
  expect(machine.record.stoppedBecause).toBe('gave-up');
  expect(dueAt(machine.record)).toBeUndefined();
  expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
  expect(machine.apply({ type: 'retried' }).actions).toEqual(['discover']);
  expect(machine.record).toMatchObject({ attempts: 0, stoppedBecause: undefined });
});

test('V6 maxAttempts leaves the grant active until its lease ends when a renewal fails', () => {
  const machine = active();
  machine.rules = { ...machine.rules, maxAttempts: 1 };
  machine
    .due(9 * DAY)
    .discovered()
    .requested()
    .unreachable();
  expect(stateOf(machine.record)).toBe('active');
  machine.due(1 * DAY);
  expect(machine.actions).toEqual(['hook expired']);
  expect(stateOf(machine.record)).toBe('failed');
  expect(dueAt(machine.record)).toBeUndefined();
});

test('a subscription reuses its grant when it is requested again, and gets a new one for another topic', () => {
  const machine = active().due(10 * DAY);
  const { callback } = machine.grant;
  expect(machine.discovered().grant.callback).toBe(callback);
  machine.requested().refused();
  machine.due(dueIn(machine)).apply({ type: 'discovered', topic: `${TOPIC}/moved`, hubs: [HUB] });
  expect(machine.grant).toMatchObject({ topic: `${TOPIC}/moved`, state: 'requested' });
  expect(machine.grant.callback).not.toBe(callback);
});

test('a new grant takes over the only callback', () => {
  const machine = verifying(HUB, SECOND_HUB);
  const { path } = machine.grant;
  Object.defineProperty(machine, 'context', {
    value: { ...machine.context, hasOneCallback: true, newGrantIdentity: () => ({ id: 'second', path }) },
  });
  machine.refused();
  // The previous grant stores when its hub may be requested again.
  expect(machine.record.grants).toMatchObject([{ id: 'g1', advertisedHub: HUB, refusals: 1 }, { id: 'second' }]);
});
