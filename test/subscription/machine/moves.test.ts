import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import {
  active,
  DAY,
  failure,
  HUB,
  SubscriptionMachine,
  SECOND_HUB,
  TOPIC,
  verifying,
} from './subscription-machine.js';

const MOVED = `${TOPIC}/moved`;

/** A renewal that is due, with its discovery in progress. */
const dueRenewal = (): SubscriptionMachine => active().due(9 * DAY);

const dueIn = (machine: SubscriptionMachine): number => (dueAt(machine.record) ?? Infinity) - machine.now;

const states = (machine: SubscriptionMachine): readonly string[] => machine.record.grants.map(({ state }) => state);

describe('D10 a renewal', () => {
  test('starts with discovery, and requests the discovered hub', () => {
    const machine = dueRenewal();
    expect(machine.actions).toEqual(['discover']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.record.grants).toHaveLength(1);
  });

  test('is requested at the known hub and topic when discovery fails', () => {
    const machine = dueRenewal().apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.record).toMatchObject({ lastError: { cause: 'discovery' }, failures: { discovery: { count: 1 } } });
    expect(machine.record.attempts).toBe(0);
    expect(stateOf(machine.record)).toBe('active');
  });

  test('is requested at the known hub and topic when discovery takes longer than the verify timeout', () => {
    const machine = dueRenewal();
    expect((dueAt(machine.record) ?? 0) - machine.now).toBe(60_000);
    expect(machine.due(60_000).actions).toEqual(['subscribe']);
    expect(active('10').due(5_000).due(1_000).actions).toEqual(['subscribe']);
  });

  test('compares the discovered hub with the advertised hub, not with the hub after a 308', () => {
    const machine = verifying().accepted({ hub: 'https://moved.example/', moved: true }).verified();
    machine.due(9 * DAY).discovered(HUB);
    expect(machine.actions).toEqual(['subscribe']);
    expect(machine.record.grants).toMatchObject([{ advertisedHub: HUB, hub: 'https://moved.example/' }]);
  });
});

describe.each([
  ['topic', 'hook topic-moved', (machine: SubscriptionMachine) => machine.discoveredAs(MOVED, HUB)],
  ['hub', 'hook hub-moved', (machine: SubscriptionMachine) => machine.discovered(SECOND_HUB)],
])('D10 a %s that has moved', (_name, hookName, move) => {
  test('gets a new grant with a new callback, while the old grant continues', () => {
    const machine = dueRenewal();
    const [oldGrant] = machine.record.grants;
    expect(move(machine).actions).toEqual([hookName, 'subscribe']);
    expect(states(machine)).toEqual(['active', 'requested']);
    expect(machine.grant.callback).not.toBe(oldGrant?.callback);
    expect(stateOf(machine.record)).toBe('active');
  });

  test('S6 is left at the old hub, with the old topic and callback, once the new grant is verified', () => {
    const machine = dueRenewal();
    const [oldGrant] = machine.record.grants;
    move(machine).requested().verified();
    expect(machine.actions).toEqual(['hook verified', 'unsubscribe']);
    const { hub, topic, callback } = oldGrant ?? machine.grant;
    expect(machine.record.grants).toMatchObject([
      { hub, topic, callback, state: 'unsubscribing', superseded: true },
      { state: 'active' },
    ]);
    const unsubscribeRequest = machine.effects.find(({ type }) => type === 'request');
    expect(unsubscribeRequest).toEqual({ type: 'request', grantId: oldGrant?.id, mode: 'unsubscribe' });
    machine.requested({ grantId: oldGrant?.id ?? '', mode: 'unsubscribe', secret: undefined });
    machine.apply({ type: 'verified', grantId: oldGrant?.id ?? '', mode: 'unsubscribe' });
    expect(states(machine)).toEqual(['unsubscribed', 'active']);
    expect(stateOf(machine.record)).toBe('active');
  });

  test('is renewed at its old place when the request at the new place fails', () => {
    const machine = move(dueRenewal()).requested().unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    const oldId = machine.record.grants[0]?.id;
    machine.due(60_000);
    // The renewal of the old grant is due, and so is the next try at the new place.
    expect(machine.effects).toContainEqual({ type: 'discover' });
    move(machine);
    expect(machine.effects).toContainEqual({ type: 'request', grantId: oldId, mode: 'subscribe' });
    machine.requested({ grantId: oldId ?? '', requestId: 'r9' }).verified('864000', oldId);
    expect(machine.record.grants[0]).toMatchObject({ state: 'active', expiresAt: machine.now + 10 * DAY });
    expect(states(machine)).toHaveLength(2);
  });

  test('is not renewed at its old place while the new place is requested', () => {
    const machine = move(dueRenewal());
    expect(machine.effects.filter(({ type }) => type === 'request')).toHaveLength(1);
    machine.requested();
    machine.due(59_000);
    expect(machine.actions).toEqual([]);
  });

  test('V1 is not confirmed again at the old callback', () => {
    const machine = move(dueRenewal()).requested().verified();
    const [oldGrant] = machine.record.grants;
    expect(oldGrant && canConfirm(machine.record, oldGrant, 'subscribe', machine)).toBe(false);
    // V3 its unsubscribe request waits for its turn.
    expect(oldGrant && canConfirm(machine.record, oldGrant, 'unsubscribe', machine)).toBe(false);
    machine.requested({ grantId: oldGrant?.id ?? '', mode: 'unsubscribe' });
    const [leftGrant] = machine.record.grants;
    expect(leftGrant && canConfirm(machine.record, leftGrant, 'unsubscribe', machine)).toBe(true);
  });
});

test('L2 a hub that failed several times is not requested sooner because a discovery finds it again', () => {
  const machine = dueRenewal().discovered(SECOND_HUB).requested().unreachable();
  for (let count = 1; count < 3; count += 1) machine.due(dueIn(machine)).requestedAt(SECOND_HUB).unreachable();
  const at = dueAt(machine.record);
  expect(machine.record.nextAttemptAt).toBe(at);
  expect(machine.discoveredAgain(SECOND_HUB).actions).toEqual([]);
  expect(machine.record.nextAttemptAt).toBe(at);
  expect(machine.due(dueIn(machine)).discovered(SECOND_HUB).actions).toContain('subscribe');
});

describe('a grant that has been left', () => {
  const withLeftGrant = (): SubscriptionMachine => dueRenewal().discovered(SECOND_HUB).requested().verified();

  test('is unsubscribed again after a wait if that fails, and ends with its lease', () => {
    const machine = withLeftGrant();
    const oldId = machine.record.grants[0]?.id ?? '';
    const unsubscribe = { grantId: oldId, mode: 'unsubscribe', secret: undefined } as const;
    const { random } = machine;
    machine.requested({ ...unsubscribe });
    machine.apply({ type: 'unreachable', grantId: oldId, failure: failure('unreachable') });
    expect(machine.record.grants[0]?.nextAttemptAt).toBe(machine.now + 60_000 * random);
    expect(machine.record.lastError).toBeUndefined();
    expect(machine.record.attempts).toBe(0);
    machine.due(DAY);
    expect(machine.record.grants[0]).toMatchObject({ state: 'unsubscribed', endedAt: machine.now });
    expect(machine.actions).toContain('hook unsubscribed');
  });

  test('stays left after a restart and a retry', () => {
    const machine = withLeftGrant();
    expect(machine.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(machine.apply({ type: 'retried' }).actions).toEqual([]);
    expect(states(machine)).toEqual(['unsubscribing', 'active']);
  });

  test('N1 may be denied without stopping the subscription or the unsubscribe requests', () => {
    const machine = withLeftGrant();
    const { lastError } = machine.record;
    machine.denied(machine.record.grants[0]?.id);
    expect(machine.actions).toEqual([]);
    expect(machine.record).toMatchObject({ stoppedBecause: undefined });
    expect(machine.record.lastError).toEqual(lastError);
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.due(60_000).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'unsubscribe' }]);
  });

  test('is removed later, so that at most 18 grants are stored', () => {
    const machine = active();
    for (let count = 0; count < 40; count += 1) {
      machine.due(9 * DAY).discoveredAs(`${TOPIC}/${count}`, HUB);
      machine.requested().verified();
    }
    expect(machine.record.grants.length).toBeLessThanOrEqual(18);
    expect(machine.grant.state).toBe('active');
  });
});

describe('N2 after the public URL has changed', () => {
  const requestedUnderNewUrl = (): SubscriptionMachine => {
    const machine = active();
    machine.callbackOf = (path) => `https://other.example/${path}`;
    return machine.apply({ type: 'wanted' }).discovered().requested();
  };

  const [OLD, NEW] = ['g1', 'g2'];

  test('a hub that denies the new callback is requested again by N2, while the old grant works', () => {
    const machine = requestedUnderNewUrl().denied();
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('active');
    machine.due(60_000);
    expect(machine.actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(machine.now + 30_000);
    machine.due(30_000).discovered();
    expect(machine.effects).toEqual([{ type: 'request', grantId: NEW, mode: 'subscribe' }]);
    machine.requested({ grantId: NEW }).verified('864000', NEW);
    expect(states(machine)).toEqual(['unsubscribing', 'active']);
  });

  test('a renewal of the old callback does not shorten the wait of the new one', () => {
    const machine = requestedUnderNewUrl().refused();
    const { notBefore, refusals } = machine.grant;
    const old = { grantId: OLD, mode: 'subscribe' } as const;
    machine.apply({ type: 'renewal-wanted', isOwed: true }).discovered();
    machine.apply({ type: 'requested', ...old, secret: null });
    machine.apply({ type: 'accepted', grantId: OLD, hub: HUB, moved: false }).verified('864000', OLD);
    expect(machine.record.grants.find(({ id }) => id === NEW)).toMatchObject({ notBefore, refusals });
  });

  test('a start does not repeat the request at a hub that denied the new callback', () => {
    const machine = requestedUnderNewUrl().denied().due(60_000);
    const at = dueAt(machine.record);
    machine.apply({ type: 'wanted' });
    expect(machine.actions).not.toContain('subscribe');
    expect(machine.discovered().actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(at);
  });

  test('an unsolicited denial of the old grant leads to no request beside the open one for the new callback', () => {
    const machine = requestedUnderNewUrl().denied(OLD);
    expect(machine.actions).toEqual(['hook denied']);
    expect(stateOf(machine.record)).toBe('verifying');
    expect(dueAt(machine.record)).toBe(machine.grant.pending?.deadline);
    machine.unreachable();
    expect(machine.actions).toEqual(['hook failed']);
    expect(machine.record.stoppedBecause).toBeUndefined();
    expect(dueIn(machine)).toBe(1_000);
  });

  test('a denied old grant is unsubscribed once the hub grants the new callback', () => {
    const machine = requestedUnderNewUrl().denied(OLD).verified();
    expect(machine.actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(stateOf(machine.record)).toBe('active');
    expect(machine.due(9 * DAY).discovered().effects).toContainEqual({
      type: 'request',
      grantId: NEW,
      mode: 'subscribe',
    });
  });
});
