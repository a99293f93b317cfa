import { expect, test } from 'vitest';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';
import { WaitingEntries } from '../../../src/delivery/fetch/waiting-entries.js';
import { storedEvent, storedEventWith } from '../message/event-fixtures.js';

const AT = 1_000;
const keyOf = (version: string, updated?: number): DedupeKey => ({ key: 'one', version, updated });

/** Waiting events with these entries each, and the ids of the events that were read. */
function setUp(...dedupeKeys: readonly DedupeKey[]) {
  const readIds: string[] = [];
  const entries = new WaitingEntries(async ({ meta: { id } }) => {
    readIds.push(id);
    if (id === 'broken') throw new SyntaxError('no feed');
    if (id === 'busy' && readIds.length === 1) throw new Error('no thread');
    return dedupeKeys;
  });
  return { entries, readIds };
}

test('a waiting event covers an entry of the same or an earlier version, but not of a later version', async () => {
  const { entries } = setUp(keyOf('1', AT), keyOf('2', AT + 1));
  entries.add(storedEvent);
  await entries.settled();
  expect([AT, AT + 1, AT + 2].map((updated) => entries.has(keyOf('x', updated)))).toEqual([true, true, false]);
  expect(entries.has({ ...keyOf('1', AT), key: 'two' })).toBe(false);
  expect(entries.has({ ...keyOf('3', AT), deleted: true })).toBe(false);
});

test('an event is read once, and an event that does not parse has no entries', async () => {
  const { entries, readIds } = setUp(keyOf('1'));
  entries.add(storedEventWith({ id: 'broken' }));
  entries.add(storedEventWith({ id: 'broken' }));
  await entries.settled();
  expect(entries.has(keyOf('1'))).toBe(false);
  entries.add(storedEvent);
  entries.add(storedEvent);
  await entries.settled();
  expect(entries.has(keyOf('1'))).toBe(true);
  expect(readIds).toEqual(['broken', storedEvent.meta.id]);
});

test('an event that cannot be read now is reported, and read again', async () => {
  const { entries } = setUp(keyOf('1'));
  entries.add(storedEventWith({ id: 'busy' }));
  await expect(entries.settled()).rejects.toMatchObject({
    message: 'A pending event could not be read now.',
    cause: new Error('no thread'),
  });
  expect(entries.shouldRead({ id: 'busy', bytes: 1 })).toBe(true);
  entries.add(storedEventWith({ id: 'busy' }));
  await entries.settled();
  expect(entries.has(keyOf('1'))).toBe(true);
});

test('no more than 1,000 events and 8 MiB are read', async () => {
  const manyEvents = setUp();
  for (let index = 0; index < 1_100; index += 1) manyEvents.entries.add(storedEventWith({ id: `${index}` }));
  await manyEvents.entries.settled();
  expect(manyEvents.readIds).toHaveLength(1_000);
  const longEvents = setUp();
  const raw = new Uint8Array(3 * 1024 * 1024);
  for (const id of ['a', 'b', 'c']) longEvents.entries.add(storedEventWith({ id, raw }));
  longEvents.entries.add(storedEventWith({ id: 'd' }));
  await longEvents.entries.settled();
  expect(longEvents.readIds).toEqual(['a', 'b', 'd']);
  expect(longEvents.entries.shouldRead({ id: 'e', bytes: raw.length })).toBe(false);
});
