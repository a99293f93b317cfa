import { expect, test } from 'vitest';
import { isNeverRequested } from '../../../src/subscription/machine/state.js';
import { active, SubscriptionMachine, verifying } from './subscription-machine.js';

test('C1 a callback that no hub knows yet counts as never requested', () => {
  const machine = new SubscriptionMachine().apply({ type: 'wanted' }).discovered();
  expect(isNeverRequested(machine.grant)).toBe(true);
  expect(isNeverRequested(machine.requested().grant)).toBe(false);
  expect(isNeverRequested(machine.unreachable().grant)).toBe(false);
});

test('C1 a callback that was requested stays known, even if its grant ends or is requested again', () => {
  expect(isNeverRequested(active().grant)).toBe(false);
  expect(isNeverRequested(verifying().unwanted('unsubscribed').grant)).toBe(false);
  const shutDown = active().unwanted('shutdown').requested();
  shutDown
    .apply({ type: 'verified', grantId: shutDown.grant.id, mode: 'unsubscribe' })
    .apply({ type: 'wanted' })
    .discovered();
  expect(shutDown.grant.state).toBe('requested');
  expect(isNeverRequested(shutDown.grant)).toBe(false);
});
