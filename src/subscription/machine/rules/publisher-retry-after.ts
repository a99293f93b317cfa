import { ResourceDiscoveryFailedError } from '../../../errors.js';
import { isSameTopic } from '../../../protocol/hub-query.js';
import type { PublisherHold, SubscriptionRecord } from '../../record/record.js';
import { LONGEST_RETRY_AFTER_MS } from '../../retry-policy.js';

/** The present target and topic, and one former URL of each. */
const MOST_HOLDS = 4;

/** Until when a URL is not to be fetched (epoch milliseconds), as its publisher asked (PROTOCOL D13); undefined where it may be. */
export function heldUntil({ publisherHolds = [] }: SubscriptionRecord, url: string, now: number): number | undefined {
  return publisherHolds.find((hold) => isHeld(hold, now) && isSameTopic(hold.url, url))?.until;
}

/** The hold that a failed fetch begins; undefined where its publisher asked for none. */
export function holdOf(error: unknown, url: string, now: number): PublisherHold | undefined {
  if (!(error instanceof ResourceDiscoveryFailedError) || error.retryAfterSeconds === undefined) return undefined;
  return { url, until: now + Math.min(error.retryAfterSeconds * 1000, LONGEST_RETRY_AFTER_MS) };
}

/** The record with one more hold, and without those that are over. */
export function withHold(record: SubscriptionRecord, hold: PublisherHold, now: number): SubscriptionRecord {
  const others = (record.publisherHolds ?? []).filter(
    (other) => isHeld(other, now) && !isSameTopic(other.url, hold.url),
  );
  return { ...record, publisherHolds: [...others, hold].slice(-MOST_HOLDS) };
}

/** The record without holds: its user wants it tried now. */
export function withoutHolds(record: SubscriptionRecord): SubscriptionRecord {
  return record.publisherHolds === undefined ? record : { ...record, publisherHolds: undefined };
}

/** A hold that lasts longer than allowed was set by a clock that has since been set back: it is ignored. */
function isHeld({ until }: PublisherHold, now: number): boolean {
  return until > now && until <= now + LONGEST_RETRY_AFTER_MS;
}
