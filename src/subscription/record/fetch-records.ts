import { isRecord } from '../../protocol/encoding/is-record.js';

/** A planned fetch of missed events (PROTOCOL L3), as stored. Times are epoch milliseconds. */
export interface CatchUpRecord {
  /** A random id, drawn again whenever the fetch is planned anew. The result of an earlier plan is ignored. */
  readonly id: string;
  /** When to fetch the topic. Absent: not before a hub verifies again, because the topic ended the process. */
  readonly at?: number | undefined;
  /** When the fetch was wanted. If fetches fail for too long after this, the last one is final. */
  readonly requestedAt: number;
  /** Failed fetches in a row. Absent for none. */
  readonly attempts?: number | undefined;
  /**
   * Set while content was refused, usually because the inbox was full. `waiting`: at `at`, look for free room. `spread`:
   * there was room, and the fetch waits for a random time.
   */
  readonly refused?: 'waiting' | 'spread' | undefined;
}

/** When an entry was first found missing (epoch milliseconds), by the entry's key. */
export type MissingSince = readonly [key: string, since: number];

/** The polling of a topic, as stored. Times are epoch milliseconds. */
export interface PollRecord {
  /** When to poll next. Absent: not before a hub verifies again, because the topic cannot be fetched. */
  readonly at?: number | undefined;
  /** Failed polls in a row. Absent for none. */
  readonly attempts?: number | undefined;
  /** Entries that the last poll found and no hub has delivered. At most {@link MAX_MISSING}. Absent for none. */
  readonly missing?: readonly MissingSince[] | undefined;
  /** When the first of the missing entries beyond that number was found. */
  readonly othersMissingSince?: number | undefined;
  /** When the subscription was last renewed because its hub was silent. */
  readonly renewedAt?: number | undefined;
}

/** Maximum missing entries that are stored with a subscription. */
export const MAX_MISSING = 100;

/** Whether a value from a store is a {@link CatchUpRecord}. */
export function isCatchUpRecord(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['id'] === 'string' &&
    typeof value['requestedAt'] === 'number' &&
    areTimes(value, ['at', 'attempts'])
  );
}

/** Whether a value from a store is a {@link PollRecord}. */
export function isPollRecord(value: unknown): boolean {
  if (!isRecord(value) || !areTimes(value, ['at', 'attempts', 'othersMissingSince', 'renewedAt'])) return false;
  const { missing = [] } = value;
  return Array.isArray(missing) && missing.every(isMissingSince);
}

function isMissingSince(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}

function areTimes(value: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  return names.every((name) => value[name] === undefined || typeof value[name] === 'number');
}
