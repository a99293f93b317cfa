import { Buffer } from 'node:buffer';
import type { SubscriptionMetadata } from '../../../subscription/record/snapshot.js';
import { isRecord } from '../../../protocol/encoding/is-record.js';
import { isWellFormed, fieldOf, wrongField, wrongHiddenValue, type Check } from './field-checks.js';

/** Bytes of UTF-8 that a subscription's metadata may have: names and values together. */
export const METADATA_BYTES_LIMIT = 4_096;

/** Metadata without the limit on its size. Values are not shown in errors. */
export const metadataFields: Check<SubscriptionMetadata> = (value, place) => {
  if (!isPlainObject(value)) throw wrongHiddenValue(place, value, 'a plain object of strings by name');
  const entries = Object.entries(value).map(([name, content]): [string, string] => {
    // MessagePack and JSON each treat this name in a way of their own.
    if (name === '__proto__') throw wrongField(place, 'has the name __proto__, which JavaScript reserves; rename it');
    if (typeof content !== 'string') throw wrongHiddenValue(fieldOf(place, shortened(name)), content, 'a string');
    if (!isWellFormed(name) || !isWellFormed(content)) {
      throw wrongField(fieldOf(place, shortened(name)), 'has half of a surrogate pair, which no store can keep');
    }
    return [name, content];
  });
  return Object.freeze(Object.fromEntries(entries));
};

/** The metadata of a subscription: strings by name, bounded in size. */
export const metadata: Check<SubscriptionMetadata> = (value, place) => {
  const checked = metadataFields(value, place);
  const bytes = Object.entries(checked).reduce((sum, pair) => sum + sizeOf(pair), 0);
  if (bytes > METADATA_BYTES_LIMIT) {
    throw wrongField(
      place,
      `is ${bytes} bytes of UTF-8, names and values together; it must be ${METADATA_BYTES_LIMIT} bytes at most. ` +
        'Store a key here, and the data under that key in a database of your own',
    );
  }
  return checked;
};

function sizeOf([name, content]: readonly [string, string]): number {
  return Buffer.byteLength(name) + Buffer.byteLength(content);
}

function shortened(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}

/** Not a Map or a class instance, whose entries would be silently left out. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isRecord(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
