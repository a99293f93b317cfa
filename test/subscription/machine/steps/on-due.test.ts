import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, SubscriptionMachine, verifying } from '../subscription-machine.js';

describe('L1 a lease of ten seconds', () => {
  test('is renewed again and again', () => {
    const machine = active('10');
    for (let count = 0; count < 100; count += 1) {
      const at = dueAt(machine.record) ?? Infinity;
      expect(at - machine.now).toBe(5_000);
      expect(machine.due(5_000).actions).toEqual(['discover']);
      expect(machine.discovered().actions).toEqual(['subscribe']);
      expect(machine.requested().accepted().after(500).verified('10').actions).toEqual(['hook renewed']);
    }
  });

  test('leaves time for a second try', () => {
    const machine = active('10').due(5_000).discovered().requested().accepted();
    expect(dueAt(machine.record)).toBe(machine.now + 1_000);
    machine.due(1_000).due(1_000).discovered().requested().accepted().due(1_000);
    expect(machine.actions).toEqual(['hook failed']);
    expect(stateOf(machine.record)).toBe('active');
  });
});

describe('L3 an expired lease', () => {
  test('triggers its hook, and is subscribed again at once under the same callback', () => {
    const machine = active();
    const { callback } = machine.grant;
    machine.due(10 * DAY);
    expect(machine.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(machine.discovered().actions).toEqual(['subscribe']);
    expect(machine.grant.callback).toBe(callback);
    expect(machine.requested().accepted().verified().actions).toEqual(['hook verified', 'catch up']);
  });

  test('waits for a renewal that is pending', () => {
    const machine = active()
      .after(10 * DAY - 5_000)
      .due()
      .discovered()
      .requested()
      .accepted()
      .due(5_000);
    expect(machine.actions).toEqual(['hook expired', 'catch up']);
    expect(machine.grant).toMatchObject({ state: 'expired', pending: { accepted: true } });
    expect(machine.verified().actions).toEqual(['hook verified', 'catch up']);
  });

  test('is requested again after a wait if the first request fails', () => {
    const machine = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(stateOf(machine.record)).toBe('expired');
    expect(machine.due(2_000).actions).toEqual(['subscribe']);
  });

  test('does not stay in the state unsubscribing after a shutdown', () => {
    const machine = active('600').unwanted('shutdown').requested().due(600_000);
    expect(machine.grant).toMatchObject({ state: 'expired', pending: undefined });
  });
});

describe('work that a crash has lost', () => {
  test('starts again after a minute if it was a discovery', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    expect(machine.due(59_999).actions).toEqual([]);
    expect(machine.due(1).actions).toEqual(['discover']);
  });

  test('starts again after a minute if it was a request', () => {
    expect(new SubscriptionMachine().apply({ type: 'wanted' }).discovered().due(60_000).actions).toEqual(['subscribe']);
    expect(active().unwanted('unsubscribed').due(60_000).actions).toEqual(['unsubscribe']);
  });
});

test('L2 the error for a missing verification says whether the hub had accepted the request', () => {
  expect(verifying().due(60_000).record.lastError?.message).toContain('was sent');
  expect(verifying().accepted().due(60_000).record.lastError?.message).toContain('accepted');
  const unsubscribing = active().unwanted('unsubscribed').requested().due(60_000);
  expect(unsubscribing.record.lastError).toMatchObject({
    cause: 'verification-missing',
    code: 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
  });
});
