import { expect, test } from 'vitest';
import { isNeverRequested } from '../../../src/subscription/machine/state.js';
import { active, Life, verifying } from './life.js';

test('C1 a callback that no hub was told of yet is not known', () => {
  const life = new Life().apply({ type: 'wanted' }).discovered();
  expect(isNeverRequested(life.grant)).toBe(true);
  expect(isNeverRequested(life.requested().grant)).toBe(false);
  expect(isNeverRequested(life.unreachable().grant)).toBe(false);
});

test('C1 a callback stays known once it was verified, whatever becomes of its grant', () => {
  expect(isNeverRequested(active().grant)).toBe(false);
  expect(isNeverRequested(verifying().unwanted('unsubscribed').grant)).toBe(false);
  const left = active().unwanted('shutdown').requested();
  left.apply({ type: 'verified', grantId: left.grant.id, mode: 'unsubscribe' }).apply({ type: 'wanted' }).discovered();
  expect(left.grant.state).toBe('requested');
  expect(isNeverRequested(left.grant)).toBe(false);
});
