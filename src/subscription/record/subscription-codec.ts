import { slices } from '../../engine/slices.js';
import { StoreError } from '../../errors.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';
import type { StoredStats } from './counters.js';
import { isCatchUpRecord, isPollRecord } from './fetch-records.js';
import { withMemoryNames, withStoredNames } from './field-names.js';
import { SUBSCRIPTION_RECORD_VERSION, type SubscriptionRecord } from './record.js';
import { fromVersion1 } from './record-version-1.js';

/** The decoded form of a stored subscription. */
export interface SubscriptionData {
  readonly record: SubscriptionRecord;
  /** Counts of an earlier version. Later counts are in records of their own. */
  readonly stats: StoredStats;
}

const STRINGS = ['service', 'desired'];
const NUMBERS = ['createdAt', 'attempts'];
const TIMES = ['gapSince', 'firstVerifiedAt'];
const LISTS = ['hubs', 'passedOver'];
const GRANT_STRINGS = ['id', 'advertisedHub', 'hub', 'topic', 'callback', 'path', 'state'];
const GRANT_TIMES = ['leaseSeconds', 'verifiedAt', 'expiresAt', 'renewsAt', 'nextAttemptAt'];

/** The value that is stored for a subscription. */
export function encodeSubscription({ record, stats }: SubscriptionData): unknown {
  return encodeRecord(SUBSCRIPTION_RECORD_VERSION, { record: withStoredNames(record), stats });
}

/** Reads all stored subscriptions, in slices. Unreadable records are reported and stay in the store. */
export async function* readSubscriptions(
  store: RecordStore,
  onUnreadable: (error: unknown) => void,
): AsyncGenerator<readonly SubscriptionData[]> {
  for await (const slice of slices(store.list('subscription', { onUnreadable }), 100)) {
    yield slice.flatMap(([id, raw]) => {
      try {
        return decodeSubscription(id, raw);
      } catch (error) {
        onUnreadable(error);
        return [];
      }
    });
  }
}

/**
 * Decodes the stored value of a subscription.
 *
 * @throws StoreError if the value is not a subscription, or was written by a newer version
 */
export function decodeSubscription(id: string, raw: unknown): SubscriptionData {
  const key = `subscription ${id}`;
  const stored = decodeRecord(SUBSCRIPTION_RECORD_VERSION, raw, { 1: fromVersion1 }, key);
  const data = isRecord(stored) ? { ...stored, record: withMemoryNames(stored['record']) } : stored;
  if (!isSubscriptionData(data, id))
    throw new StoreError(
      `The record ${key} is corrupt: it does not contain a valid subscription. It was left unchanged.`,
    );
  return data;
}

function isSubscriptionData(data: unknown, id: string): data is SubscriptionData {
  if (!isRecord(data) || !isRecord(data['record']) || !isRecord(data['stats'])) return false;
  const { record, stats } = data;
  const { target, grants } = record;
  const isTarget = typeof target === 'string' || (isRecord(target) && areStrings(target, ['hub', 'topic']));
  return (
    record['id'] === id &&
    areStrings(record, STRINGS) &&
    areNumbers(record, NUMBERS) &&
    TIMES.every((name) => record[name] === undefined || typeof record[name] === 'number') &&
    (record['fetched'] === undefined || (isRecord(record['fetched']) && areStrings(record['fetched'], ['topic']))) &&
    (record['topicSource'] === undefined ||
      (isRecord(record['topicSource']) && areStrings(record['topicSource'], ['topic', 'url']))) &&
    (record['publisherRetryAfters'] === undefined || isPublisherRetryAfters(record['publisherRetryAfters'])) &&
    (record['catchUp'] === undefined || isCatchUpRecord(record['catchUp'])) &&
    (record['poll'] === undefined || isPollRecord(record['poll'])) &&
    isOverrides(record['overrides']) &&
    (record['metadata'] === undefined || isStringsByName(record['metadata'])) &&
    isTarget &&
    LISTS.every((name) => Array.isArray(record[name])) &&
    Array.isArray(grants) &&
    grants.every(isGrant) &&
    'received' in stats
  );
}

function isGrant(grant: unknown): boolean {
  return (
    isRecord(grant) &&
    areStrings(grant, GRANT_STRINGS) &&
    URL.canParse(String(grant['callback'])) &&
    Array.isArray(grant['secrets']) &&
    GRANT_TIMES.every((name) => grant[name] === undefined || typeof grant[name] === 'number')
  );
}

function isPublisherRetryAfters(list: unknown): boolean {
  return (
    Array.isArray(list) &&
    list.every((item) => isRecord(item) && areStrings(item, ['url']) && areNumbers(item, ['until']))
  );
}

function isOverrides(overrides: unknown): boolean {
  if (overrides === undefined) return true;
  return isRecord(overrides) && (overrides['customParams'] === undefined || isStringsByName(overrides['customParams']));
}

function isStringsByName(value: unknown): boolean {
  return isRecord(value) && areStrings(value, Object.keys(value));
}

function areStrings(object: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  return names.every((name) => typeof object[name] === 'string');
}

function areNumbers(object: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  return names.every((name) => typeof object[name] === 'number');
}
