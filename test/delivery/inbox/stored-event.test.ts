import { expect, test } from 'vitest';
import {
  decodeEvent,
  encodeEvent,
  newStoredEvent,
  type StoredEvent,
} from '../../../src/delivery/inbox/stored-event.js';
import { StoreError } from 'websub-subscriber';
import { storedEventWith } from '../message/event-fixtures.js';

/** A record of version 1, which is flat. */
const record = {
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

const fullRecord = {
  ...record,
  position: 7,
  decoded: new Uint8Array([2]),
  undecodable: false,
  url: 'https://a.example/feed',
  source: 'poll',
  only: ['k'],
  pieces: [{ key: 'k', version: 'v' }],
  isPing: true,
  triedSince: 1_200,
  deadSince: 3_000,
  deadCause: 'crashed',
};

const event = storedEventWith({
  ...record,
  headers: [['content-type', 'text/plain']],
});

test.each<[string, object, StoredEvent]>([
  ['that waits', record, event],
  [
    'with every field',
    fullRecord,
    {
      meta: {
        id: 'e1',
        service: 'news',
        subscriptionId: 's1',
        grantId: 'g1',
        receivedAt: 1_000,
        position: 7,
        source: 'poll',
        newEntryKeys: ['k'],
        dedupeKeys: [{ key: 'k', version: 'v' }],
        isPing: true,
      },
      content: {
        headers: [['content-type', 'text/plain']],
        raw: new Uint8Array([1]),
        decoded: new Uint8Array([2]),
        undecodable: false,
        url: 'https://a.example/feed',
      },
      retry: {
        attempts: 1,
        nextAttemptAt: 2_000,
        errors: [{ message: 'no', at: 1_500 }],
        triedSince: 1_200,
        deadSince: 3_000,
        deadCause: 'crashed',
      },
    },
  ],
])('an event %s is a flat record and is decoded as it was encoded', (_name, data, stored) => {
  expect(encodeEvent(stored)).toEqual({ v: 1, data });
  expect(decodeEvent('e1', { v: 1, data })).toEqual(stored);
});

test('an event without a run is due at its reception and has no fields of later runs', () => {
  const meta = { id: undefined, service: 'news', subscriptionId: 's1', grantId: 'g1', receivedAt: 1_000 };
  const content = { headers: [], raw: new Uint8Array([1]) };
  const stored = newStoredEvent(meta, content, { id: 'e1', position: 3 });
  const { data } = encodeEvent(stored);
  expect(data).toMatchObject({ id: 'e1', position: 3, attempts: 0, nextAttemptAt: 1_000, errors: [] });
  expect(data).not.toHaveProperty('deadSince');
  const retry = { attempts: 0, nextAttemptAt: 1_000, errors: [] };
  expect(decodeEvent('e1', { v: 1, data })).toEqual({ meta: { ...meta, id: 'e1', position: 3 }, content, retry });
});

test.each<[string, object | null]>([
  ['nothing', null],
  ['an empty object', {}],
  ['another id', { ...record, id: 'e2' }],
  ['no service', { ...record, service: undefined }],
  ['no subscription', { ...record, subscriptionId: 5 }],
  ['no grant', { ...record, grantId: undefined }],
  ['no time of reception', { ...record, receivedAt: undefined }],
  ['a position that is not a number', { ...record, position: '7' }],
  ['attempts that are not a number', { ...record, attempts: '1' }],
  ['a next attempt that is not a number', { ...record, nextAttemptAt: Number.NaN }],
  ['a time of death that is not a number', { ...record, deadSince: 'yes' }],
  ['a body that is not bytes', { ...record, raw: 'text' }],
  ['a decoded body that is not bytes', { ...record, decoded: 'text' }],
  ['a flag that is not a boolean', { ...record, undecodable: 'yes' }],
  ['an invalid URL', { ...record, url: 'feed' }],
  ['headers that are not a list', { ...record, headers: {} }],
  ['a header that is not a pair', { ...record, headers: [['a']] }],
  ['a header that is not text', { ...record, headers: [['a', 1]] }],
  ['an unknown source', { ...record, source: 'hub' }],
  ['entry keys that are not a list', { ...record, only: 'k' }],
  ['an entry key that is not text', { ...record, only: [1] }],
  ['dedupe keys that are not a list', { ...record, pieces: {} }],
  ['an invalid dedupe key', { ...record, pieces: [{ key: 'k' }] }],
  ['an unknown cause', { ...record, deadCause: 'failed' }],
  ['a replay time that is not a number', { ...record, triedSince: 'yes' }],
  ['a ping flag that is not a boolean', { ...record, isPing: 1 }],
  ['errors that are not a list', { ...record, errors: undefined }],
  ['an invalid error', { ...record, errors: [null] }],
  ['an error without a time', { ...record, errors: [{ message: 'no' }] }],
])('a record with %s is corrupt', (_name, data) => {
  const decode = (): unknown => decodeEvent('e1', { v: 1, data });
  expect(decode).toThrow(StoreError);
  expect(decode).toThrow('event e1 is corrupt');
});

test('a record of a newer version causes an error that names the version and asks to upgrade', () => {
  const decode = (): unknown => decodeEvent('e1', { v: 2, data: record });
  expect(decode).toThrow(StoreError);
  expect(decode).toThrow(/event e1 has version 2\b.*Upgrade websub-subscriber/);
});
