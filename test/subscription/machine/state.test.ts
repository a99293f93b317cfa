import { expect, test } from 'vitest';
import { isUnasked } from '../../../src/subscription/machine/state.js';
import { active, Life, verifying } from './life.js';

test('C1 a callback that no hub was told of yet is not known', () => {
  const life = new Life().apply({ type: 'wanted' }).discovered();
  expect(isUnasked(life.grant)).toBe(true);
  expect(isUnasked(life.requested().grant)).toBe(false);
  expect(isUnasked(life.unreachable().grant)).toBe(false);
});

test('C1 a callback stays known once it was verified, whatever becomes of its grant', () => {
  expect(isUnasked(active().grant)).toBe(false);
  expect(isUnasked(verifying().unwanted('unsubscribed').grant)).toBe(false);
  const left = active().unwanted('shutdown').requested();
  left.apply({ type: 'verified', grantId: left.grant.id, mode: 'unsubscribe' }).apply({ type: 'wanted' }).discovered();
  expect(left.grant.state).toBe('requested');
  expect(isUnasked(left.grant)).toBe(false);
});
