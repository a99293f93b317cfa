import { slices } from '../engine/slices.js';
import { StoreError } from '../errors.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';
import type { StoredStats } from './counters.js';
import { SUBSCRIPTION_RECORD_VERSION, type SubscriptionRecord } from './record.js';

/** A subscription as it lies in the store. */
export interface StoredSubscription {
  readonly record: SubscriptionRecord;
  readonly stats: StoredStats;
}

/** What is written for a subscription. */
export function writeStored(stored: StoredSubscription): unknown {
  return encodeRecord(SUBSCRIPTION_RECORD_VERSION, stored);
}

/** Everything that was written, in slices; what cannot be read is told of and left as it is. */
export async function* storedSubscriptions(
  store: RecordStore,
  onUnreadable: (error: unknown) => void,
): AsyncGenerator<readonly StoredSubscription[]> {
  for await (const slice of slices(store.entries('subscription', { onUnreadable }))) {
    yield slice.flatMap(([id, raw]) => {
      try {
        return readStored(id, raw);
      } catch (error) {
        onUnreadable(error);
        return [];
      }
    });
  }
}

/**
 * What was written for a subscription.
 *
 * @throws StoreError where it is something else, or of a newer version
 */
export function readStored(id: string, raw: unknown): StoredSubscription {
  const key = `subscription ${id}`;
  const data = decodeRecord(SUBSCRIPTION_RECORD_VERSION, raw, {}, key);
  if (!isStored(data))
    throw new StoreError(`The record ${key} is corrupt: it does not hold a subscription. It was left as it is.`);
  return data;
}

function isStored(data: unknown): data is StoredSubscription {
  if (typeof data !== 'object' || data === null || !('record' in data) || !('stats' in data)) return false;
  const { record, stats } = data;
  if (typeof record !== 'object' || record === null || typeof stats !== 'object' || stats === null) return false;
  return (
    'id' in record && 'service' in record && 'grants' in record && Array.isArray(record.grants) && 'received' in stats
  );
}
