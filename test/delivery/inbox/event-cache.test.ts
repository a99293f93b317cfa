import { expect, test } from 'vitest';
import { EventCache } from '../../../src/delivery/inbox/event-cache.js';
import { storedEventWith } from '../message/reception.js';

const ofBytes = (id: string, bytes: number, decoded?: number) =>
  storedEventWith({
    id,
    raw: new Uint8Array(bytes),
    decoded: decoded === undefined ? undefined : new Uint8Array(decoded),
  });

test('an event is handed out once, as it was kept', () => {
  const atHand = new EventCache();
  const event = ofBytes('e1', 5);
  atHand.add(event);
  expect(atHand.take('e2')).toBeUndefined();
  expect(atHand.take('e1')).toBe(event);
  expect(atHand.take('e1')).toBeUndefined();
});

test('what there is no room for has to be read, and what was handed out makes room', () => {
  const atHand = new EventCache(100);
  atHand.add(ofBytes('e1', 40, 20));
  atHand.add(ofBytes('e2', 41));
  atHand.add(ofBytes('e3', 40));
  expect(atHand.take('e2')).toBeUndefined();
  expect(atHand.take('e1')?.meta.id).toBe('e1');
  atHand.add(ofBytes('e4', 60));
  atHand.add(ofBytes('e4', 60));
  expect([atHand.take('e3')?.meta.id, atHand.take('e4')?.meta.id, atHand.take('e4')]).toEqual(['e3', 'e4', undefined]);
  atHand.add(ofBytes('e5', 100));
  expect(atHand.take('e5')?.meta.id).toBe('e5');
});
