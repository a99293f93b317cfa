import { SubscriptionInitiationError } from '../../errors.js';
import { isLoopback } from '../../protocol/loopback.js';
import { toHttps } from '../http/origin.js';

/**
 * The URLs to try for a hub, in order. For an http URL the https form comes first, unless the hub is on this machine
 * (WebSub section 5 favors https).
 *
 * The https form keeps an explicit port; port 80 becomes 443.
 */
export function hubCandidates(hub: string): readonly [first: string, fallback?: string] {
  if (new URL(hub).protocol !== 'http:' || isLoopback(hub)) return [hub];
  return [toHttps(hub), hub];
}

/** Statuses that mean no hub at the https form: another resource, no resource, or a redirect, often back to http. */
const NO_HUB_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 404, 405, 421, 501]);

/**
 * Whether a failure at the https form of an http hub means that there is no hub, so that the next candidate is tried.
 *
 * These failures count: no connection, a TLS error, no answer in time, 301, 302, 303, 404, 405, 421, 501, and a
 * forbidden 307 or 308 to plain HTTP. Any other failure is final.
 */
export function isHubMissing(failure: unknown): failure is SubscriptionInitiationError {
  if (!(failure instanceof SubscriptionInitiationError)) return false;
  const { reason, status = 0 } = failure;
  // A 307 or 308 to http is forbidden if the request has a secret, a verify token or custom parameters.
  const isBackToHttp = reason === 'forbidden' && (status === 307 || status === 308);
  return reason === 'unreachable' || isBackToHttp || NO_HUB_STATUSES.has(status);
}
