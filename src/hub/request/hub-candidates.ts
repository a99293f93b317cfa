import { SubscriptionInitiationError } from '../../errors.js';
import { isLoopback } from '../../protocol/loopback.js';
import { toHttps } from '../http/origin.js';

/**
 * The URLs a hub is tried at, in order: the https form of an http URL first, unless the hub is on this machine
 * (WebSub section 5: the https URL is to be favoured).
 *
 * A port that is spelled out is kept, http's own becomes https's own.
 */
export function hubCandidates(hub: string): readonly [first: string, fallback?: string] {
  if (new URL(hub).protocol !== 'http:' || isLoopback(hub)) return [hub];
  return [toHttps(hub), hub];
}

/** What a server answers that has something else, or nothing, at the https form; or that leads back to http. */
const NO_HUB_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 404, 405, 421, 501]);

/**
 * Whether a failure at the https form of an http hub says that there is no hub at it, so that the next candidate is to be
 * tried: no connection, a TLS error, no answer in time, a 301, 302 or 303, a 307 or 308 to plain HTTP, a 404, 405, 421 or 501.
 * Anything else is the hub's own answer and stands.
 */
export function isHubMissing(failure: unknown): failure is SubscriptionInitiationError {
  if (!(failure instanceof SubscriptionInitiationError)) return false;
  const { reason, status = 0 } = failure;
  // A 307 or 308 back to http, where secrets and parameters are not sent on.
  const isBackToHttp = reason === 'forbidden' && (status === 307 || status === 308);
  return reason === 'unreachable' || isBackToHttp || NO_HUB_STATUSES.has(status);
}
