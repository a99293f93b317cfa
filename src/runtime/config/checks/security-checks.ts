import { MAX_TIMER_MS } from '../../../hub/http/deadline.js';
import { sealKeyOf, type SealKey } from '../../../store/sealing/seal-key.js';
import {
  checkFields,
  flag,
  describeType,
  numberOf,
  fieldOf,
  wrongField,
  type Check,
  type Place,
} from './field-checks.js';
import type { SecurityOptions } from '../start-options.js';

/** The limits, with defaults. Without the seal keys, because only a few parts may have those. */
export type CheckedSecurity = Required<Omit<SecurityOptions, 'sealKey'>>;

const UNLIMITED = Number.MAX_SAFE_INTEGER;

const MAKE_A_KEY = `node -e "console.log(require('node:crypto').randomBytes(32).toString('base64'))"`;

/** Checks seal keys. No error shows them. */
const sealKey: Check<readonly SealKey[]> = (value, place) => {
  const list: readonly unknown[] | undefined = Array.isArray(value) ? value : undefined;
  if (list === undefined) return [oneSealKey(value, place)];
  if (list.length === 0) throw wrongSealKey(place, 'is an empty list');
  return list.map((key, index) => oneSealKey(key, fieldOf(place, index)));
};

function oneSealKey(value: unknown, place: Place): SealKey {
  if (typeof value !== 'string') throw wrongSealKey(place, `is ${describeType(value)}`);
  const key = sealKeyOf(value.trim());
  if (key === undefined) throw wrongSealKey(place, `is a string of ${value.length} characters`);
  return key;
}

function wrongSealKey(place: Place, problem: string): Error {
  return wrongField(place, `${problem}; it must be 32 random bytes in base64. Create a key with ${MAKE_A_KEY}`);
}

/** Reads the keys in the environment's `WEBSUB_SEAL_KEY`, separated by commas or spaces. Empty: no keys. */
export function sealKeysFrom(text: string): readonly SealKey[] {
  const keyTexts = text.split(/[\s,]+/).filter((part) => part !== '');
  const place = { subject: 'The environment', field: 'WEBSUB_SEAL_KEY' };
  return keyTexts.map((part, index) => oneSealKey(part, keyTexts.length === 1 ? place : fieldOf(place, index)));
}

const SECURITY = {
  maxBodyBytes: numberOf('bytes', { least: 1, most: UNLIMITED, whole: true }),
  bodyTimeoutMs: numberOf('milliseconds', { least: 1, most: MAX_TIMER_MS, whole: true }),
  maxInFlightBytes: numberOf('bytes', { least: 1, most: UNLIMITED, whole: true }),
  maxConnections: numberOf('connections', { least: 1, most: UNLIMITED, whole: true }),
  storeTimeoutMs: numberOf('milliseconds', { least: 1, most: MAX_TIMER_MS, whole: true }),
  allowPrivateNetworks: flag,
  allowInsecureSecret: flag,
  hubConcurrency: numberOf('requests', { least: 1, most: UNLIMITED, whole: true }),
  maxLeaseSeconds: numberOf('seconds', { least: 1, most: UNLIMITED, whole: true }),
  defaultLeaseSeconds: numberOf('seconds', { least: 1, most: UNLIMITED, whole: true }),
  maxRenewalSeconds: numberOf('seconds', { least: 1, most: UNLIMITED, whole: true }),
  sealKey,
} satisfies Record<keyof SecurityOptions, Check<unknown>>;

/** Checks the option `security` and fills in its defaults. Seal keys have none. */
export const security: Check<CheckedSecurity & { readonly sealKey?: readonly SealKey[] }> = (value, place) => ({
  maxBodyBytes: 10 * 1024 * 1024,
  bodyTimeoutMs: 30_000,
  maxInFlightBytes: 64 * 1024 * 1024,
  maxConnections: 10_000,
  storeTimeoutMs: 5_000,
  allowPrivateNetworks: false,
  allowInsecureSecret: false,
  hubConcurrency: 8,
  maxLeaseSeconds: 31_536_000,
  defaultLeaseSeconds: 86_400,
  maxRenewalSeconds: 864_000,
  ...checkFields(value, place, SECURITY),
});
