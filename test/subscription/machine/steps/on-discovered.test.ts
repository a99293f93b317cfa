import { describe, expect, test } from 'vitest';
import { FAILOVER_AFTER } from '../../../../src/subscription/retry-policy.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, failure, HUB, Life, SECOND_HUB, TOPIC, verifying } from '../life.js';

const dueIn = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

describe('D8 of several advertised hubs', () => {
  test('the first is requested, under its own callback', () => {
    const life = verifying(HUB, SECOND_HUB);
    expect(life.record.grants).toHaveLength(1);
    expect(life.grant).toMatchObject({ advertisedHub: HUB, hub: HUB, topic: TOPIC, state: 'verifying' });
  });

  test('the next is requested at once under another callback when the first refuses', () => {
    const life = verifying(HUB, SECOND_HUB).refused();
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
    expect(life.grant.callback).not.toBe(life.grantAt(HUB).callback);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: undefined });
  });

  test('the next is requested when the first could not be reached three times', () => {
    const life = verifying(HUB, SECOND_HUB).unreachable();
    expect(life.actions).toEqual(['hook failed']);
    life.due(dueIn(life)).requested().unreachable();
    expect(life.actions).toEqual(['hook failed']);
    life.due(dueIn(life)).requested().unreachable();
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
  });

  test('the next is requested when the first did not verify three times', () => {
    const life = verifying(HUB, SECOND_HUB).accepted();
    for (let time = 1; time < FAILOVER_AFTER; time += 1) {
      life.due(60_000);
      expect(life.actions).toEqual(['hook failed']);
      life.due(dueIn(life)).requested().accepted();
    }
    life.due(60_000);
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
    expect(life.record.lastError?.cause).toBe('verification-missing');
  });

  test('the round begins again later, with discovery, when none could be reached', () => {
    const life = verifying(HUB, SECOND_HUB).refused().requested().refused();
    expect(life.actions).toEqual(['hook failed']);
    expect(dueIn(life)).toBeGreaterThanOrEqual(1_000);
    expect(life.due(dueIn(life)).actions).toEqual(['discover']);
    expect(life.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
    const [first, second] = life.record.grants;
    expect([first?.advertisedHub, first?.nextAttemptAt === undefined]).toEqual([HUB, false]);
    expect([second?.advertisedHub, second?.nextAttemptAt]).toEqual([SECOND_HUB, undefined]);
  });

  test('one that has moved or is gone is requested again at its advertised URL', () => {
    const life = verifying().accepted({ hub: 'https://moved.example/', moved: true });
    expect(life.grant).toMatchObject({ hub: 'https://moved.example/', hasHubAccepted: true });
    life.due(60_000).due(dueIn(life)).requested().unreachable();
    life.due(dueIn(life)).requested().unreachable();
    life.due(dueIn(life)).discovered();
    expect(life.grant).toMatchObject({ advertisedHub: HUB, hub: HUB, hasHubAccepted: false });
  });

  test('one that is no longer advertised is removed if it never worked', () => {
    const life = verifying(HUB).unreachable();
    for (let time = 1; time < FAILOVER_AFTER; time += 1) life.due(dueIn(life)).requested().unreachable();
    life.due(dueIn(life)).discovered(SECOND_HUB);
    expect(life.record.grants.map(({ advertisedHub }) => advertisedHub)).toEqual([SECOND_HUB]);
  });
});

describe('the wait after a failure', () => {
  test('L2 grows with each failure, up to an hour', () => {
    const life = verifying();
    life.random = 1;
    const waits: number[] = [];
    for (let time = 0; time < 20; time += 1) {
      life.unreachable();
      waits.push(dueIn(life));
      life.due(dueIn(life));
      if (life.actions.includes('discover')) life.discovered();
      life.requested();
    }
    expect(waits.slice(0, 4)).toEqual([2_000, 4_000, 8_000, 16_000]);
    expect(waits.at(-1)).toBe(3_600_000);
  });

  test('S3 N2 grows to a day when the hub refuses, also through other failures', () => {
    const life = verifying();
    life.random = 1;
    const waits: number[] = [];
    for (let time = 0; time < 12; time += 1) {
      life.refused();
      waits.push(dueIn(life) / 60_000);
      life.due(dueIn(life)).discovered().requested();
      life.unreachable().due(dueIn(life));
      if (life.actions.includes('discover')) life.discovered();
      life.requested();
    }
    expect(waits).toEqual([2, 15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440, 1440]);
  });

  test.each(['unreachable', 'refused'] as const)('S3 is never shorter than Retry-After: %s', (how) => {
    const life = verifying()[how](3_600);
    expect(dueIn(life)).toBe(3_600_000);
    expect(verifying()[how](10_000_000).grant.notBefore).toBe(life.now + DAY);
  });

  test('S3 keeps the Retry-After of one hub while another is requested', () => {
    const life = verifying(HUB, SECOND_HUB).refused(7_200).requested().refused();
    // Not later than the next try of the second hub, and then that one is requested.
    expect(dueIn(life)).toBe(90_000);
    life.due(dueIn(life)).discovered(HUB, SECOND_HUB);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grantAt(SECOND_HUB).nextAttemptAt).toBeDefined();
    expect(life.grantAt(HUB).nextAttemptAt).toBeUndefined();
  });

  test('S3 waits for the Retry-After if no other hub is left', () => {
    const life = active('600').due(300_000).requested().unreachable(7_200);
    life.due(300_000);
    expect(life.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(life.discovered().actions).toEqual([]);
    expect(dueIn(life)).toBe(7_200_000 - 300_000);
    expect(life.due(dueIn(life)).discovered().actions).toEqual(['subscribe']);
  });
});

describe('a failed discovery', () => {
  test('is retried later if nothing is known', () => {
    const life = new Life()
      .apply({ type: 'wanted' })
      .apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(stateOf(life.record)).toBe('failed');
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'discovery' } });
    expect(dueIn(life)).toBe(1_000);
    expect(life.due(1_000).actions).toEqual(['discover']);
  });

  test('is replaced by the result of the last one', () => {
    const life = active()
      .due(10 * DAY)
      .apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant).toMatchObject({ state: 'expired', hub: HUB, topic: TOPIC });
  });

  test('V6 does not affect a grant that was verified meanwhile', () => {
    const life = verifying().accepted().due(60_000).due(DAY).requested().accepted().due(60_000);
    life.due(dueIn(life)).requested().accepted().due(60_000).due(DAY);
    expect(life.actions).toEqual(['discover']);
    life.after(-DAY).verified().after(DAY);
    life.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(life.actions).toEqual([]);
    expect(life.record).toMatchObject({ attempts: 0, lastError: undefined, nextAttemptAt: undefined });
    expect(life.grant.state).toBe('active');
  });

  test('V9 still leads to a request at a hub that first refused and verified meanwhile', () => {
    const life = verifying().refused();
    life.due(dueIn(life));
    expect(life.actions).toEqual(['discover']);
    life.verified();
    expect(stateOf(life.record)).toBe('active');
    life.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(life.actions).toEqual([]);
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'refused' } });
    expect(dueIn(life)).toBeLessThanOrEqual(60_000);
  });

  test('is ignored if the subscription is unwanted', () => {
    const life = new Life().apply({ type: 'wanted' }).unwanted('unsubscribed');
    life.apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(life.actions).toEqual([]);
    expect(stateOf(life.record)).toBe('unsubscribed');
  });
});

test('maxAttempts ends the requests, whatever failed, until a retry', () => {
  const life = new Life().apply({ type: 'wanted' });
  life.rules = { ...life.rules, maxAttempts: 2 };
  life.apply({ type: 'discovery-failed', failure: failure('discovery') });
  life.due(dueIn(life)).discovered().requested().unreachable();
  expect(stateOf(life.record)).toBe('failed');
  expect(life.record.stoppedBecause).toBe('gave-up');
  expect(dueAt(life.record)).toBeUndefined();
  expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
  expect(life.apply({ type: 'retried' }).actions).toEqual(['discover']);
  expect(life.record).toMatchObject({ attempts: 0, stoppedBecause: undefined });
});

test('V6 maxAttempts leaves the grant active until its lease ends when a renewal fails', () => {
  const life = active();
  life.rules = { ...life.rules, maxAttempts: 1 };
  life
    .due(9 * DAY)
    .discovered()
    .requested()
    .unreachable();
  expect(stateOf(life.record)).toBe('active');
  life.due(1 * DAY);
  expect(life.actions).toEqual(['hook expired']);
  expect(stateOf(life.record)).toBe('failed');
  expect(dueAt(life.record)).toBeUndefined();
});

test('a subscription reuses its grant when it is requested again, and gets a new one for another topic', () => {
  const life = active().due(10 * DAY);
  const { callback } = life.grant;
  expect(life.discovered().grant.callback).toBe(callback);
  life.requested().refused();
  life.due(dueIn(life)).apply({ type: 'discovered', topic: `${TOPIC}/moved`, hubs: [HUB] });
  expect(life.grant).toMatchObject({ topic: `${TOPIC}/moved`, state: 'requested' });
  expect(life.grant.callback).not.toBe(callback);
});

test('a new grant takes over the only callback', () => {
  const life = verifying(HUB, SECOND_HUB);
  const { path } = life.grant;
  Object.defineProperty(life, 'context', {
    value: { ...life.context, hasOneCallback: true, newGrantIdentity: () => ({ id: 'second', path }) },
  });
  life.refused();
  // The previous grant stores how long its hub has to wait.
  expect(life.record.grants).toMatchObject([{ id: 'g1', advertisedHub: HUB, refusals: 1 }, { id: 'second' }]);
});
