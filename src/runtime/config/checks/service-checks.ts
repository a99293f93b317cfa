import { Buffer } from 'node:buffer';
import type { CheckedDeliveryConfig, DeadLetterConfig, DeliveryConfig } from '../../../delivery/delivery-config.js';
import { SECRET_BYTES_LIMIT } from '../../../protocol/request-form.js';
import { SIGNATURE_ALGORITHMS } from '../../../protocol/signature.js';
import { isRecord } from '../../../protocol/encoding/is-record.js';
import {
  checkFields,
  flag,
  describeType,
  listOf,
  numberOf,
  oneOf,
  fieldOf,
  wrongField,
  wrongValue,
  type Check,
} from './field-checks.js';
import { MAX_TIMER_MS } from '../../../hub/http/deadline.js';
import type { CheckedServiceConfig, SignatureConfig } from '../service-config.js';
import type { InjectionToken } from '../../services/tsyringe.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** Whether a name is safe in a log line. */
export function isServiceName(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{Cc}]{1,200}$/u.test(value) && value === value.trim();
}

export const serviceName: Check<string> = (value, place) => {
  if (!isServiceName(value)) {
    throw wrongValue(place, value, 'a string of 1 to 200 characters, without control characters or surrounding spaces');
  }
  return value;
};

/** Checks the secret for signatures. No error shows it. */
export const secret: Check<string | false> = (value, place) => {
  if (value === false) return value;
  const bytes = typeof value === 'string' ? Buffer.byteLength(value) : undefined;
  if (typeof value === 'string' && bytes !== undefined && bytes >= 1 && bytes < SECRET_BYTES_LIMIT) return value;
  const actual = bytes === undefined ? describeType(value) : `a string of ${bytes} bytes`;
  throw wrongField(place, `is ${actual}; it must be a string of 1 to ${SECRET_BYTES_LIMIT - 1} bytes, 'auto' or false`);
};

/** Checks the injection token of one constructor argument. */
export const injectionToken: Check<InjectionToken> = (value, place) => {
  if (!isInjectionToken(value)) {
    const hint = value === undefined ? '. undefined often means a circular import: use delay(() => Class)' : '';
    throw wrongValue(place, value, `a class, a string, a symbol or tsyringe's delay(() => Class)${hint}`);
  }
  return value;
};

function isInjectionToken(value: unknown): value is InjectionToken {
  if (typeof value === 'string') return value !== '';
  return typeof value === 'function' || typeof value === 'symbol' || (isRecord(value) && 'createProxy' in value);
}

/** Checks the option `hubs`. */
export const hubs = oneOf('failover', 'all');

const signatureAlgorithms: Check<Required<SignatureConfig>['algorithms']> = (value, place) => {
  const expected = "a list of 'sha1', 'sha256', 'sha384' or 'sha512'";
  const algorithms = listOf(oneOf(...SIGNATURE_ALGORITHMS), expected)(value, place);
  if (algorithms.length === 0)
    throw wrongField(place, `is empty, so no signature would be accepted; it must be ${expected}`);
  return algorithms;
};

const dedupeKind: Check<false | 'body' | 'entries'> = (value, place) => {
  if (value === false || value === 'body' || value === 'entries') return value;
  throw wrongValue(place, value, "'body', 'entries' or false");
};

const DEAD_LETTERS = {
  keepSeconds: numberOf('seconds', { least: 0, most: UNLIMITED, whole: false }),
  keepCount: numberOf('dead letters', { least: 0, most: UNLIMITED, whole: true }),
} satisfies Record<keyof DeadLetterConfig, Check<unknown>>;

const deadLetters: Check<DeadLetterConfig> = (value, place) => checkFields(value, place, DEAD_LETTERS);

const DELIVERY = {
  mode: oneOf('inline', 'queued'),
  ackAfterMs: numberOf('milliseconds', { least: 0, most: MAX_TIMER_MS, whole: true }),
  retryForSeconds: numberOf('seconds', { least: 0, most: UNLIMITED, whole: false }),
  concurrency: numberOf('events', { least: 1, most: UNLIMITED, whole: true }),
  order: oneOf('none', 'subscription'),
  maxPending: numberOf('events', { least: 1, most: UNLIMITED, whole: true }),
  maxPendingBytes: numberOf('bytes', { least: 1, most: UNLIMITED, whole: true }),
  dedupe: dedupeKind,
  dedupeWindowSeconds: numberOf('seconds', { least: 1, most: UNLIMITED, whole: false }),
  fetchThinPings: flag,
  catchUp: flag,
  pollSeconds: numberOf('seconds', { least: 0, most: MAX_TIMER_MS / 1000, whole: false }),
  deadLetters,
} satisfies Record<keyof DeliveryConfig, Check<unknown>>;

const SIGNATURE = {
  algorithms: signatureAlgorithms,
  onFailure: oneOf('reject', 'acknowledge'),
} satisfies Record<keyof SignatureConfig, Check<unknown>>;

/** Checks the fields of `delivery` that are set. */
export const delivery: Check<DeliveryConfig> = (value, place) => {
  const fields = checkFields(value, place, DELIVERY);
  if (fields.order === 'subscription' && fields.mode !== 'queued') {
    throw wrongField(
      fieldOf(place, 'order'),
      "is 'subscription', which requires delivery.mode: 'queued'. Set mode too, or omit order",
    );
  }
  return fields;
};

/** Fills in the defaults of `delivery`. With several hubs, each event arrives several times, so dedupe is on. */
export function deliveryWithDefaults(
  config: DeliveryConfig,
  hubs: CheckedServiceConfig['hubs'],
): CheckedDeliveryConfig {
  return Object.freeze({
    mode: 'inline',
    ackAfterMs: 5_000,
    retryForSeconds: 259_200,
    concurrency: 16,
    order: 'none',
    maxPending: 10_000,
    maxPendingBytes: 256 * 1024 * 1024,
    dedupe: hubs === 'all' ? 'entries' : false,
    dedupeWindowSeconds: 86_400,
    fetchThinPings: false,
    catchUp: true,
    pollSeconds: 0,
    ...config,
    deadLetters: Object.freeze({ keepSeconds: 2_592_000, keepCount: 10_000, ...config.deadLetters }),
  });
}

/** Checks the fields of `signature` and fills in their defaults. */
export const signature: Check<Required<SignatureConfig>> = (value, place) =>
  Object.freeze({
    algorithms: SIGNATURE_ALGORITHMS,
    onFailure: 'reject' as const,
    ...checkFields(value, place, SIGNATURE),
  });
