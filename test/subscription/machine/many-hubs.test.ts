import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, SubscriptionMachine, RULES, SECOND_HUB } from './subscription-machine.js';

const THIRD_HUB = 'https://third-hub.example/';

/** A subscription with a grant at every advertised hub. */
function atAllHubs(...hubs: readonly string[]): SubscriptionMachine {
  const machine = new SubscriptionMachine();
  machine.rules = { ...RULES, hubs: 'all' };
  return machine.apply({ type: 'wanted' }).discovered(...hubs);
}

const activeAtBothHubs = (): SubscriptionMachine => {
  const machine = atAllHubs(HUB, SECOND_HUB);
  for (const hub of [HUB, SECOND_HUB]) machine.requestedAt(hub).verified('864000', machine.grantAt(hub).id);
  return machine;
};

const failRequestAt = (machine: SubscriptionMachine, hub: string): SubscriptionMachine => {
  const { id } = machine.grantAt(hub);
  return machine.apply({ type: 'unreachable', grantId: id, failure: failure('unreachable') });
};

describe("D8 hubs: 'all'", () => {
  test('S8 every hub is requested, each with its own callback', () => {
    const machine = atAllHubs(HUB, SECOND_HUB, THIRD_HUB);
    expect(machine.actions).toEqual(['subscribe', 'subscribe', 'subscribe']);
    expect(new Set(machine.record.grants.map(({ callback }) => callback)).size).toBe(3);
    expect(machine.record.grants.map(({ advertisedHub }) => advertisedHub)).toEqual([HUB, SECOND_HUB, THIRD_HUB]);
  });

  test('all verified grants are kept', () => {
    const machine = activeAtBothHubs();
    expect(machine.record.grants.map(({ state }) => state)).toEqual(['active', 'active']);
    expect(machine.actions).toEqual(['hook verified']);
  });

  test('one discovery renews both grants if both are due', () => {
    const machine = activeAtBothHubs();
    machine.due(9 * DAY);
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe', 'subscribe']);
  });

  test('no hub is requested when the failure of another hub makes the subscription give up', () => {
    const machine = atAllHubs(HUB, SECOND_HUB);
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine.requestedAt(SECOND_HUB).due(60_000);
    expect(machine.record.stoppedBecause).toBe('gave-up');
    expect(machine.actions).toEqual(['hook failed']);
  });

  test('L2 a hub that fails is retried on its own schedule, which other hubs do not change', () => {
    const machine = atAllHubs(HUB, SECOND_HUB);
    machine.requestedAt(HUB).requestedAt(SECOND_HUB);
    failRequestAt(machine, HUB);
    expect(machine.actions).toEqual(['hook failed']);
    const retryAt = machine.grantAt(HUB).nextAttemptAt;
    expect(retryAt).toBe(machine.now + 1_000);
    machine.verified('864000', machine.grantAt(SECOND_HUB).id);
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: retryAt });
    expect(stateOf(machine.record)).toBe('active');
    expect(dueAt(machine.record)).toBe(retryAt);
    expect(machine.due(1_000).actions).toEqual(['subscribe']);
  });

  test('N1 each unsolicited denial is checked on its own, and the state is denied once all hubs have denied', () => {
    const machine = activeAtBothHubs().denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('active');
    machine.after(10_000).denied(machine.grantAt(HUB).id);
    expect(stateOf(machine.record)).toBe('denied');
    const second = machine.grantAt(SECOND_HUB).id;
    expect(machine.due(80_000).actions).toEqual(['subscribe']);
    expect(machine.grant).toMatchObject({ advertisedHub: SECOND_HUB, replaces: second });
    machine.requestedAt(SECOND_HUB).verified('864000', machine.grant.id);
    expect(machine.effects).toContainEqual({ type: 'request', grantId: second, mode: 'unsubscribe' });
    expect(machine.grantAt(HUB).state).toBe('active');
    expect(machine.due(10_000).actions).toEqual(['subscribe']);
  });

  test('N2 a hub that denies is retried on its own schedule, which other hubs do not change', () => {
    const machine = atAllHubs(HUB, SECOND_HUB, THIRD_HUB);
    for (const hub of [HUB, SECOND_HUB, THIRD_HUB]) machine.requestedAt(hub);
    failRequestAt(machine, SECOND_HUB);
    const retryAt = machine.grantAt(SECOND_HUB).nextAttemptAt;
    machine.denied(machine.grantAt(HUB).id);
    // The waiting hub is not requested sooner, and the pending one is not requested twice.
    expect(machine.actions).toEqual(['hook denied']);
    expect(machine.record).toMatchObject({ passedOver: [], nextAttemptAt: undefined });
    expect(machine.grantAt(SECOND_HUB).nextAttemptAt).toBe(retryAt);
    machine.verified('864000', machine.grantAt(THIRD_HUB).id);
    expect(stateOf(machine.record)).toBe('active');
    machine.due(60_000);
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'failed', refusals: 1, nextAttemptAt: machine.now + 30_000 });
    expect(machine.discoveredAgain(HUB, SECOND_HUB, THIRD_HUB).effects).not.toContainEqual({
      type: 'request',
      grantId: machine.grantAt(HUB).id,
      mode: 'subscribe',
    });
    machine.requestedAt(SECOND_HUB).verified('864000', machine.grantAt(SECOND_HUB).id);
    expect(machine.due(30_000).effects).toEqual([
      { type: 'request', grantId: machine.grantAt(HUB).id, mode: 'subscribe' },
    ]);
  });

  test("N2 afterDenial: 'stop' stops the subscription when all hubs have denied, and not before", () => {
    const machine = atAllHubs(HUB, SECOND_HUB);
    machine.rules = { ...machine.rules, afterDenial: 'stop' };
    machine.requestedAt(HUB).requestedAt(SECOND_HUB).denied(machine.grantAt(HUB).id).due(60_000);
    expect(machine.record.stoppedBecause).toBeUndefined();
    const renewing = activeAtBothHubs();
    renewing.rules = { ...renewing.rules, afterDenial: 'stop' };
    renewing
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requestedAt(HUB)
      .requestedAt(SECOND_HUB);
    renewing.denied(renewing.grantAt(HUB).id).denied(renewing.grantAt(SECOND_HUB).id).due(60_000);
    expect(renewing.record.stoppedBecause).toBe('denied');
    expect(stateOf(renewing.record)).toBe('active');
  });

  test('D10 a newly advertised hub is requested as well, and a hub that is no longer advertised is left', () => {
    const machine = activeAtBothHubs();
    machine.due(9 * DAY).discovered(SECOND_HUB, THIRD_HUB);
    expect(machine.effects).toContainEqual({
      type: 'request',
      grantId: machine.grantAt(THIRD_HUB).id,
      mode: 'subscribe',
    });
    machine.requestedAt(THIRD_HUB).verified('864000', machine.grantAt(THIRD_HUB).id);
    expect(machine.actions).toEqual(['hook verified', 'unsubscribe']);
    expect(machine.grantAt(HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
    expect(machine.grantAt(SECOND_HUB).state).toBe('active');
  });

  test('D10 a hub that is no longer advertised is left, not renewed, when the others work', () => {
    const machine = activeAtBothHubs();
    machine.due(9 * DAY).discovered(HUB, SECOND_HUB);
    machine.requestedAt(HUB).verified('864000', machine.grantAt(HUB).id);
    failRequestAt(machine.requestedAt(SECOND_HUB), SECOND_HUB);
    machine.due(1_000).discovered(HUB);
    expect(machine.actions).toEqual(['hook hub-moved', 'unsubscribe']);
    expect(machine.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });

  test('D10 a grant is renewed at the old topic when its hub refuses the new topic', () => {
    const machine = activeAtBothHubs();
    const oldId = machine.grantAt(HUB).id;
    machine.due(9 * DAY).discoveredAs('https://publisher.example/moved', HUB, SECOND_HUB);
    machine.requestedAt(HUB).requestedAt(SECOND_HUB);
    const refusal = { grantId: machine.grantAt(HUB).id, retryAfterSeconds: 7_200 };
    machine.apply({ type: 'refused', failure: failure('refused'), ...refusal });
    machine.verified('864000', machine.grantAt(SECOND_HUB).id);
    machine.due(60_000).discoveredAs('https://publisher.example/moved', HUB, SECOND_HUB);
    expect(machine.effects).toContainEqual({ type: 'request', grantId: oldId, mode: 'subscribe' });
  });

  test('S6 every hub is unsubscribed when the subscription is no longer wanted', () => {
    const machine = activeAtBothHubs().unwanted('unsubscribed');
    expect(machine.actions).toEqual(['unsubscribe', 'unsubscribe']);
    expect(stateOf(machine.record)).toBe('unsubscribing');
  });

  test('every hub is requested again after a shutdown', () => {
    const machine = activeAtBothHubs().unwanted('shutdown');
    expect(machine.apply({ type: 'wanted' }).actions).toEqual(['subscribe', 'subscribe']);
  });

  test('L4 a hub that a shutdown unsubscribed is requested again, also while another hub waits after a failure', () => {
    const machine = failRequestAt(atAllHubs(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = machine.grantAt(SECOND_HUB);
    machine.verified('864000', id).unwanted('shutdown').requestedAt(SECOND_HUB);
    machine.apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    failRequestAt(machine.due(1_000).requestedAt(HUB), HUB);
    expect(machine.apply({ type: 'wanted' }).actions).toEqual(['discover']);
    expect(machine.discovered(HUB, SECOND_HUB).effects).toEqual([{ type: 'request', grantId: id, mode: 'subscribe' }]);
  });

  test('L4 a hub that a shutdown unsubscribed is requested again, also when another hub is due', () => {
    const machine = failRequestAt(atAllHubs(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = machine.grantAt(SECOND_HUB);
    machine.verified('864000', id).unwanted('shutdown').requestedAt(SECOND_HUB);
    machine.apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    expect(machine.after(1_000).apply({ type: 'wanted' }).actions).toEqual(['subscribe', 'discover']);
  });

  test("a change to hubs: 'failover' keeps one grant and unsubscribes the other grant", () => {
    const machine = activeAtBothHubs();
    machine.rules = RULES;
    machine.due(9 * DAY).discovered(HUB, SECOND_HUB);
    machine.requestedAt(HUB).verified('864000', machine.grantAt(HUB).id);
    expect(machine.grantAt(HUB).state).toBe('active');
    expect(machine.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });
});
