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

/** Texts that are no JSON, and bytes that are not written as such, are refused by `decodePlain`. */
const isRefused = (error: unknown): boolean =>
  error instanceof StoreError || error instanceof SyntaxError || error instanceof TypeError;

/** What reads records of the store. */
export const RECORD_READERS: readonly FuzzTarget[] = [
  {
    name: 'record text',
    seeds: 'records',
    open: () => (input) => void decodeJson(input.toString()),
    refuses: isRefused,
  },
  {
    name: 'stored subscription',
    seeds: 'records',
    open: () => (input) => {
      const raw = plain(input);
      const { record } = decodeSubscription('s', raw);
      subscriptionSnapshot(record, new Counters(record.id, new Set()).stats());
    },
    refuses: (error) => error instanceof StoreError,
  },
  {
    name: 'stored event',
    seeds: 'records',
    open: () => (input) => {
      const raw = plain(input);
      decodeEvent('e', raw);
    },
    refuses: (error) => error instanceof StoreError,
  },
  {
    name: 'seen entry',
    seeds: 'records',
    open: () => (input) => {
      const raw = plain(input);
      decodeProcessedVersion(decodeRecord(1, raw, {}, 'seen x'));
    },
    // Its reader takes any error for a record that it cannot read.
    refuses: (error) => error instanceof StoreError || (error instanceof Error && /does not say/.test(error.message)),
  },
  {
    name: 'store location',
    seeds: 'texts',
    open: () => (input) => void parseStoreLocation(input.toString(), '/tmp'),
    refuses: (error) => error instanceof ConfigurationError,
  },
];

/** A value as it may lie in the store: of a text that is one, else a record of the tests in which some fields are others. */
function plain(input: Buffer): unknown {
  try {
    return decodeJson(input.toString());
  } catch {
    const record = decodeJson(RECORDS[(input[0] ?? 0) % RECORDS.length] ?? 'null');
    for (let at = 1; at < Math.min(input.length, 13); at += 4) misshape(record, input.subarray(at, at + 4));
    return record;
  }
}

/** What no field expects, or only some do. */
const ODD: readonly unknown[] = [
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

/** Puts something odd into a record; the bytes say where and what. */
function misshape(record: unknown, [first = 0, second = 0, third = 0, what = 0]: Buffer): void {
  let object: unknown = record;
  for (const step of [first, second, third]) {
    if (typeof object !== 'object' || object === null) return;
    const names = Object.keys(object);
    const name = names[step % Math.max(1, names.length)];
    if (name === undefined) return;
    const value: unknown = Reflect.get(object, name);
    const isEnd = typeof value !== 'object' || value === null || step > 200;
    if (isEnd) {
      Reflect.set(object, name, ODD[what % ODD.length]);
      return;
    }
    object = value;
  }
}
