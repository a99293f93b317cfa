import { expect, test } from 'vitest';
import { ClaimedEntries } from '../../../src/delivery/dedupe/claimed-entries.js';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';

const ONE: DedupeKey = { key: 'one', version: '1' };
const TWO: DedupeKey = { key: 'two', version: '1' };

test('an entry is new to the first event on every read, and another version is new to any event', () => {
  const claimed = new ClaimedEntries();
  expect(claimed.claim(ONE, 'new', 'a')).toBe('new');
  expect(claimed.claim(ONE, 'new', 'b')).toBe('unchanged');
  expect(claimed.claim(ONE, 'new', 'a')).toBe('new');
  expect(claimed.claim({ ...ONE, version: '2' }, 'new', 'b')).toBe('new');
});

test('an unchanged entry is not claimed', () => {
  const claimed = new ClaimedEntries();
  expect(claimed.claim(ONE, 'unchanged', 'a')).toBe('unchanged');
  expect(claimed.claim(ONE, 'updated', 'b')).toBe('updated');
});

test('claimableBy leaves out only the entries that another event has claimed', () => {
  const claimed = new ClaimedEntries();
  const body: DedupeKey = { key: 'digest', version: '' };
  expect(claimed.claimableBy([ONE, body], { id: 'b' })).toEqual([ONE, body]);
  claimed.claim(ONE, 'new', 'a');
  expect(claimed.claimableBy([ONE, TWO, body], { id: 'b' })).toEqual([TWO, body]);
  expect(claimed.claimableBy([ONE, TWO, body], { id: 'a' })).toEqual([ONE, TWO, body]);
});

test('a released entry is new to the next event', () => {
  const claimed = new ClaimedEntries();
  claimed.claim(ONE, 'new', 'a');
  claimed.release({ id: 'b' });
  expect(claimed.claim(ONE, 'new', 'b')).toBe('unchanged');
  claimed.release({ id: 'a' });
  expect(claimed.claim(ONE, 'new', 'b')).toBe('new');
});

test('the oldest event loses its claims when there are more than 100,000 claims', () => {
  const claimed = new ClaimedEntries();
  claimed.claim(ONE, 'new', 'a');
  for (let index = 0; index < 100_000; index += 1) claimed.claim({ key: `${index}`, version: '1' }, 'new', 'b');
  expect(claimed.claim(ONE, 'new', 'c')).toBe('new');
});

test('many released entries are free at once, and belong to the next event that claims them', async () => {
  const claimed = new ClaimedEntries();
  const dedupeKeys = Array.from({ length: 20_000 }, (_, index) => ({ key: `${index}`, version: '1' }));
  for (const dedupeKey of dedupeKeys) claimed.claim(dedupeKey, 'new', 'a');
  claimed.release({ id: 'a' });
  for (const dedupeKey of dedupeKeys) expect(claimed.claim(dedupeKey, 'new', 'a')).toBe('new');
  // The leftovers of the first claim are removed meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await claimed.claimableBy(dedupeKeys, { id: 'b' })).toEqual([]);
  expect(await claimed.claimableBy(dedupeKeys, { id: 'a' })).toEqual(dedupeKeys);
});
