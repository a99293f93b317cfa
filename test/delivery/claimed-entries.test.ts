import { expect, test } from 'vitest';
import { ClaimedEntries } from '../../src/delivery/claimed-entries.js';
import type { Piece } from '../../src/delivery/piece.js';

const ONE: Piece = { key: 'one', version: '1' };
const TWO: Piece = { key: 'two', version: '1' };

test('an entry is new to the event that is first, as often as that reads it, and to another version', () => {
  const claimed = new ClaimedEntries();
  expect(claimed.take(ONE, 'new', 'a')).toBe('new');
  expect(claimed.take(ONE, 'new', 'b')).toBe('unchanged');
  expect(claimed.take(ONE, 'new', 'a')).toBe('new');
  expect(claimed.take({ ...ONE, version: '2' }, 'new', 'b')).toBe('new');
});

test('an entry that the handler had is claimed by nobody', () => {
  const claimed = new ClaimedEntries();
  expect(claimed.take(ONE, 'unchanged', 'a')).toBe('unchanged');
  expect(claimed.take(ONE, 'updated', 'b')).toBe('updated');
});

test('an event has its own entries and whole bodies, and all when nothing is claimed', () => {
  const claimed = new ClaimedEntries();
  const body: Piece = { key: 'digest', version: '' };
  expect(claimed.ownOf([ONE, body], { id: 'b' })).toEqual([ONE, body]);
  claimed.take(ONE, 'new', 'a');
  expect(claimed.ownOf([ONE, TWO, body], { id: 'b' })).toEqual([TWO, body]);
  expect(claimed.ownOf([ONE, TWO, body], { id: 'a' })).toEqual([ONE, TWO, body]);
});

test('an entry that is released is new to the next event', () => {
  const claimed = new ClaimedEntries();
  claimed.take(ONE, 'new', 'a');
  claimed.release({ id: 'b' });
  expect(claimed.take(ONE, 'new', 'b')).toBe('unchanged');
  claimed.release({ id: 'a' });
  expect(claimed.take(ONE, 'new', 'b')).toBe('new');
});

test('claims are bounded: the oldest event loses its own', () => {
  const claimed = new ClaimedEntries();
  claimed.take(ONE, 'new', 'a');
  for (let index = 0; index < 100_000; index += 1) claimed.take({ key: `${index}`, version: '1' }, 'new', 'b');
  expect(claimed.take(ONE, 'new', 'c')).toBe('new');
});
