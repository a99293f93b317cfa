import { Buffer } from 'node:buffer';
import type { SubscriptionMetadata } from '../../../subscription/record/snapshot.js';
import { isRecord } from '../../../protocol/encoding/is-record.js';
import { isWellFormed, fieldOf, wrongField, wrongHiddenValue, type Check } from './field-checks.js';

/** Maximum bytes of a subscription's metadata in UTF-8, names and values together. */
export const METADATA_BYTES_LIMIT = 4_096;

/** Checks metadata, but not its size. Errors do not show values. */
export const metadataFields: Check<SubscriptionMetadata> = (value, place) => {
  if (!isPlainObject(value)) throw wrongHiddenValue(place, value, 'a plain object with string values');
  const entries = Object.entries(value).map(([name, content]): [string, string] => {
    // MessagePack and JSON treat this name differently.
    if (name === '__proto__') throw wrongField(place, 'has the name __proto__, which JavaScript reserves. Rename it');
    if (typeof content !== 'string') throw wrongHiddenValue(fieldOf(place, shortened(name)), content, 'a string');
    if (!isWellFormed(name) || !isWellFormed(content)) {
      throw wrongField(fieldOf(place, shortened(name)), 'has an unpaired surrogate, which cannot be stored. Remove it');
    }
    return [name, content];
  });
  return Object.freeze(Object.fromEntries(entries));
};

/** Checks metadata of a subscription: strings by name, limited in size. */
export const metadata: Check<SubscriptionMetadata> = (value, place) => {
  const checked = metadataFields(value, place);
  const bytes = Object.entries(checked).reduce((sum, pair) => sum + sizeOf(pair), 0);
  if (bytes > METADATA_BYTES_LIMIT) {
    throw wrongField(
      place,
      `is ${bytes} bytes of UTF-8, names and values together; it must be at most ${METADATA_BYTES_LIMIT} bytes. ` +
        'Store the data in your own database, and only its key here',
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

/** Excludes a Map or a class instance, whose contents would be lost silently. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isRecord(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
