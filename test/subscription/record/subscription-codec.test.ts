import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import { decodeSubscription, encodeSubscription } from '../../../src/subscription/record/subscription-codec.js';
import { active } from '../machine/subscription-machine.js';

const STATS = { received: 0, rejected: 0, delivered: 0, failed: 0 };
const SNAPSHOT_STATS = { ...STATS, refused: 0, duplicates: 0, missed: 0 };

/** The record that is decoded after a subscription was encoded with `change`. */
const readWith = (change: object) =>
  decodeSubscription('s', encodeSubscription({ record: { ...active().record, ...change }, stats: STATS })).record;

describe('a stored subscription', () => {
  test('can be without metadata, as earlier versions wrote it', () => {
    const record = readWith({});
    expect(record.metadata).toBeUndefined();
    expect('metadata' in subscriptionSnapshot(record, SNAPSHOT_STATS)).toBe(false);
  });

  test('keeps its metadata', () => {
    expect(readWith({ metadata: { customer: '7' } }).metadata).toEqual({ customer: '7' });
  });

  test('keeps its overrides', () => {
    expect(readWith({ overrides: { customParams: { key: 'k' } } }).overrides).toEqual({ customParams: { key: 'k' } });
    expect(readWith({ overrides: { leaseSeconds: 60 } }).overrides).toEqual({ leaseSeconds: 60 });
  });

  test('keeps the plans of its fetches', () => {
    const plans = {
      catchUp: { id: 'a', at: 5, requestedAt: 4, attempts: 2, refused: 'waiting' },
      poll: { at: 5, attempts: 1, missing: [['an entry', 4]], othersMissingSince: 3, renewedAt: 2 },
    };
    expect(readWith(plans)).toMatchObject(plans);
    expect(readWith({ poll: {} }).poll).toEqual({});
  });

  test.each([
    [{ overrides: { customParams: 'text' } }],
    [{ overrides: { customParams: { key: 7 } } }],
    [{ metadata: 'text' }],
    [{ metadata: ['a'] }],
    [{ metadata: null }],
    [{ metadata: { customer: 7 } }],
    [{ catchUp: 'text' }],
    [{ catchUp: { id: 'a', at: 5 } }],
    [{ catchUp: { id: 'a', requestedAt: 5, at: '5' } }],
    [{ poll: 5 }],
    [{ poll: { at: '5' } }],
    [{ poll: { at: 5, missing: ['an entry'] } }],
  ])('is corrupt with %j', (change) => {
    expect(() => readWith(change)).toThrow(StoreError);
  });
});
