import { expect, test } from 'vitest';
import { isNeverRequested } from '../../../src/subscription/machine/state.js';
import { active, Life, verifying } from './life.js';

test('C1 a callback that no hub knows yet counts as never requested', () => {
  const life = new Life().apply({ type: 'wanted' }).discovered();
  expect(isNeverRequested(life.grant)).toBe(true);
  expect(isNeverRequested(life.requested().grant)).toBe(false);
  expect(isNeverRequested(life.unreachable().grant)).toBe(false);
});

test('C1 a callback stays known once it was verified, whatever happens to its grant', () => {
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
