import { expect, test } from 'vitest';
import { EventCache } from '../../../src/delivery/inbox/event-cache.js';
import { storedEventWith } from '../message/event-fixtures.js';

const eventOfBytes = (id: string, bytes: number, decoded?: number) =>
  storedEventWith({
    id,
    raw: new Uint8Array(bytes),
    decoded: decoded === undefined ? undefined : new Uint8Array(decoded),
  });

test('an event is returned once, as it was added', () => {
  const cache = new EventCache();
  const event = eventOfBytes('e1', 5);
  cache.add(event);
  expect(cache.take('e2')).toBeUndefined();
  expect(cache.take('e1')).toBe(event);
  expect(cache.take('e1')).toBeUndefined();
});

test('an event that does not fit is not cached, and a taken event makes room for another', () => {
  const cache = new EventCache(100);
  cache.add(eventOfBytes('e1', 40, 20));
  cache.add(eventOfBytes('e2', 41));
  cache.add(eventOfBytes('e3', 40));
  expect(cache.take('e2')).toBeUndefined();
  expect(cache.take('e1')?.meta.id).toBe('e1');
  cache.add(eventOfBytes('e4', 60));
  cache.add(eventOfBytes('e4', 60));
  expect([cache.take('e3')?.meta.id, cache.take('e4')?.meta.id, cache.take('e4')]).toEqual(['e3', 'e4', undefined]);
  cache.add(eventOfBytes('e5', 100));
  expect(cache.take('e5')?.meta.id).toBe('e5');
});
