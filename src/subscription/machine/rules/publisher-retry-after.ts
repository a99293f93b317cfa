import { ResourceDiscoveryFailedError } from '../../../errors.js';
import { isSameTopic } from '../../../protocol/hub-query.js';
import type { PublisherRetryAfter, SubscriptionRecord } from '../../record/record.js';
import { MAX_RETRY_AFTER_MS } from '../../retry-policy.js';

/** The present target and topic, and one former URL of each. */
const MAX_RETRY_AFTERS = 4;

/** Until when a URL is not to be fetched (epoch milliseconds), as its publisher asked (PROTOCOL D13); undefined where it may be. */
export function publisherRetryAt(
  { publisherRetryAfters: publisherHolds = [] }: SubscriptionRecord,
  url: string,
  now: number,
): number | undefined {
  return publisherHolds.find((retryAfter) => isInEffect(retryAfter, now) && isSameTopic(retryAfter.url, url))?.until;
}

/** The hold that a failed fetch begins; undefined where its publisher asked for none. */
export function publisherRetryAfterOf(error: unknown, url: string, now: number): PublisherRetryAfter | undefined {
  if (!(error instanceof ResourceDiscoveryFailedError) || error.retryAfterSeconds === undefined) return undefined;
  return { url, until: now + Math.min(error.retryAfterSeconds * 1000, MAX_RETRY_AFTER_MS) };
}

/** The record with one more hold, and without those that are over. */
export function withPublisherRetryAfter(
  record: SubscriptionRecord,
  retryAfter: PublisherRetryAfter,
  now: number,
): SubscriptionRecord {
  const others = (record.publisherRetryAfters ?? []).filter(
    (other) => isInEffect(other, now) && !isSameTopic(other.url, retryAfter.url),
  );
  return { ...record, publisherRetryAfters: [...others, retryAfter].slice(-MAX_RETRY_AFTERS) };
}

/** The record without holds: its user wants it tried now. */
export function withoutPublisherRetryAfters(record: SubscriptionRecord): SubscriptionRecord {
  return record.publisherRetryAfters === undefined ? record : { ...record, publisherRetryAfters: undefined };
}

/** A hold that lasts longer than allowed was set by a clock that has since been set back: it is ignored. */
function isInEffect({ until }: PublisherRetryAfter, now: number): boolean {
  return until > now && until <= now + MAX_RETRY_AFTER_MS;
}
