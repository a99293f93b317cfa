import { ResourceDiscoveryFailedError } from '../../../errors.js';
import { isSameTopic } from '../../../protocol/hub-query.js';
import type { PublisherRetryAfter, SubscriptionRecord } from '../../record/record.js';
import { MAX_RETRY_AFTER_MS } from '../../retry-policy.js';

/** Maximum stored publisher retry-afters: enough for the current target and topic, and one former URL of each. */
const MAX_RETRY_AFTERS = 4;

/**
 * When a URL may be fetched again after its publisher's `Retry-After` (PROTOCOL D13), in epoch milliseconds. Undefined
 * if the URL may be fetched now.
 */
export function publisherRetryAt(
  { publisherRetryAfters = [] }: SubscriptionRecord,
  url: string,
  now: number,
): number | undefined {
  return publisherRetryAfters.find((retryAfter) => isInEffect(retryAfter, now) && isSameTopic(retryAfter.url, url))
    ?.until;
}

/** The retry-after of a failed fetch. Undefined if the publisher sent none. */
export function publisherRetryAfterOf(error: unknown, url: string, now: number): PublisherRetryAfter | undefined {
  if (!(error instanceof ResourceDiscoveryFailedError) || error.retryAfterSeconds === undefined) return undefined;
  return { url, until: now + Math.min(error.retryAfterSeconds * 1000, MAX_RETRY_AFTER_MS) };
}

/** Stores a retry-after. Drops expired ones and the previous one for the same URL. */
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

/** The record without publisher retry-afters: the user wants the subscription retried now. */
export function withoutPublisherRetryAfters(record: SubscriptionRecord): SubscriptionRecord {
  return record.publisherRetryAfters === undefined ? record : { ...record, publisherRetryAfters: undefined };
}

/** Whether a retry-after is in effect. A time too far ahead is ignored: it was stored before the clock was set back. */
function isInEffect({ until }: PublisherRetryAfter, now: number): boolean {
  return until > now && until <= now + MAX_RETRY_AFTER_MS;
}
