import { expect, test } from 'vitest';
import { decodeEvent, encodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { StoreError } from 'websub-subscriber';

const event: StoredEvent = {
  id: 'e1',
  service: 'news',
  subscriptionId: 's1',
  grantId: 'g1',
  receivedAt: 1_000,
  headers: [['content-type', 'text/plain']],
  raw: new Uint8Array([1]),
  attempts: 1,
  nextAttemptAt: 2_000,
  errors: [{ message: 'no', at: 1_500 }],
};

test.each<[string, StoredEvent]>([
  ['that waits', event],
  [
    'with all it can have',
    {
      ...event,
      decoded: new Uint8Array([2]),
      undecodable: false,
      url: 'https://a.example/feed',
      deadSince: 3_000,
      position: 7,
    },
  ],
  ['that was never tried', { ...event, attempts: 0, errors: [], headers: [] }],
])('an event %s is read back as it was written', (_what, given) => {
  expect(decodeEvent('e1', encodeEvent(given))).toEqual(given);
});

test.each<[string, object | null]>([
  ['nothing', null],
  ['an empty object', {}],
  ['another id', { ...event, id: 'e2' }],
  ['no service', { ...event, service: undefined }],
  ['no subscription', { ...event, subscriptionId: 5 }],
  ['no grant', { ...event, grantId: undefined }],
  ['no time of reception', { ...event, receivedAt: undefined }],
  ['a position that is no number', { ...event, position: '7' }],
  ['attempts that are no number', { ...event, attempts: '1' }],
  ['a next attempt that is no number', { ...event, nextAttemptAt: Number.NaN }],
  ['an end that is no number', { ...event, deadSince: 'yes' }],
  ['a body that is no bytes', { ...event, raw: 'text' }],
  ['a decoded body that is no bytes', { ...event, decoded: 'text' }],
  ['a flag that is none', { ...event, undecodable: 'yes' }],
  ['a URL that is none', { ...event, url: 'feed' }],
  ['headers that are no list', { ...event, headers: {} }],
  ['a header that is no pair', { ...event, headers: [['a']] }],
  ['a header that is no text', { ...event, headers: [['a', 1]] }],
  ['errors that are no list', { ...event, errors: undefined }],
  ['an error that is none', { ...event, errors: [null] }],
  ['an error without a time', { ...event, errors: [{ message: 'no' }] }],
])('a record with %s is corrupt', (_what, data) => {
  const decode = (): unknown => decodeEvent('e1', { v: 1, data });
  expect(decode).toThrow(StoreError);
  expect(decode).toThrow('event e1 is corrupt');
});

test('a record of a newer version says so', () => {
  expect(() => decodeEvent('e1', { v: 2, data: event })).toThrow('newer websub-subscriber');
});
