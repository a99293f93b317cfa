import { decodeEvent } from '../../src/delivery/inbox/stored-event.js';
import { decodeProcessedVersion } from '../../src/delivery/dedupe/processed-version.js';
import { ConfigurationError, StoreError } from '../../src/errors.js';
import { decodeRecord } from '../../src/store/codec.js';
import { decodeJson } from '../../src/store/json-codec.js';
import { parseStoreLocation } from '../../src/store/store-location.js';
import { subscriptionSnapshot } from '../../src/subscription/record/snapshot-of.js';
import { Counters } from '../../src/subscription/record/counters.js';
import { decodeSubscription } from '../../src/subscription/record/subscription-codec.js';
import { RECORDS } from './documents.js';
import type { FuzzTarget } from './fuzz-target.js';

/** `decodeJson` rejects text that is not JSON and bytes that are not encoded as bytes. */
const isDocumentedError = (error: unknown): boolean =>
  error instanceof StoreError || error instanceof SyntaxError || error instanceof TypeError;

/** Readers of stored records. */
export const RECORD_READERS: readonly FuzzTarget[] = [
  {
    name: 'record text',
    seeds: 'records',
    open: () => (input) => void decodeJson(input.toString()),
    refuses: isDocumentedError,
  },
  {
    name: 'stored subscription',
    seeds: 'records',
    open: () => (input) => {
      const stored = storedValue(input);
      const { record } = decodeSubscription('s', stored);
      subscriptionSnapshot(record, new Counters(record.id, new Set()).stats());
    },
    refuses: (error) => error instanceof StoreError,
  },
  {
    name: 'stored event',
    seeds: 'records',
    open: () => (input) => {
      const stored = storedValue(input);
      decodeEvent('e', stored);
    },
    refuses: (error) => error instanceof StoreError,
  },
  {
    name: 'seen entry',
    seeds: 'records',
    open: () => (input) => {
      const stored = storedValue(input);
      decodeProcessedVersion(decodeRecord(1, stored, {}, 'seen x'));
    },
    // The reader treats any error as an unreadable record.
    refuses: (error) => error instanceof StoreError || (error instanceof Error && /is corrupt/.test(error.message)),
  },
  {
    name: 'store location',
    seeds: 'texts',
    open: () => (input) => void parseStoreLocation(input.toString(), '/tmp'),
    refuses: (error) => error instanceof ConfigurationError,
  },
];

/**
 * A value as a store can contain it: the input itself if it is JSON, else a sample record with some corrupted fields.
 */
function storedValue(input: Buffer): unknown {
  try {
    return decodeJson(input.toString());
  } catch {
    const record = decodeJson(RECORDS[(input[0] ?? 0) % RECORDS.length] ?? 'null');
    for (let offset = 1; offset < Math.min(input.length, 13); offset += 4)
      corrupt(record, input.subarray(offset, offset + 4));
    return record;
  }
}

/** Values that no field, or only some fields, expect. */
const ODD_VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0.5,
  2 ** 53,
  Number.NaN,
  '',
  'x',
  [],
  {},
  [null],
  [[]],
  { id: 's' },
];

/** Puts an odd value into a record. The bytes select the field and the value. */
function corrupt(record: unknown, [first = 0, second = 0, third = 0, choice = 0]: Buffer): void {
  let object: unknown = record;
  for (const step of [first, second, third]) {
    if (typeof object !== 'object' || object === null) return;
    const names = Object.keys(object);
    const name = names[step % Math.max(1, names.length)];
    if (name === undefined) return;
    const value: unknown = Reflect.get(object, name);
    const isEnd = typeof value !== 'object' || value === null || step > 200;
    if (isEnd) {
      Reflect.set(object, name, ODD_VALUES[choice % ODD_VALUES.length]);
      return;
    }
    object = value;
  }
}
