import { SubscriptionInitiationError } from '../../errors.js';
import { parseHttpUrl } from '../../protocol/http-url.js';
import type { HubRequestForm } from '../../protocol/request-form.js';
import { hubCandidates, isHubMissing } from './hub-candidates.js';
import type { HttpClientConfig } from '../http/http-config.js';
import { sendHubRequest, type HubAcceptance, type HubRequest } from './hub-request.js';

/** What to ask a hub for. */
export interface SubscriptionRequest extends Omit<HubRequestForm, 'mode' | 'verify'> {
  /** Headers for this request, beside `httpConfig.headers`. */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}

/** A hub's acceptance of a request: it verifies intent at the callback next, unless it did while it was asked. */
export interface SubscriptionRequestResult extends HubAcceptance {
  readonly topic: string;
}

/**
 * Asks a hub to subscribe a callback to a topic, once (WebSub section 5.1).
 *
 * A hub given as http, other than on this machine, is asked over https first, and over http only when there proves to be
 * no hub at the https form (no connection, a TLS error or no answer in time; 301, 302, 303, 404, 405, 421 or 501). The
 * time-out counts for each of the two. The `hub` that accepted is in the result: unsubscribe and renew at that one.
 * Headers and credentials go to the origin of `hub` only, wherever it redirects.
 *
 * @example
 * await requestSubscription('https://hub.example.com', {
 *   topic: 'https://example.com/feed',
 *   callback: 'https://me.example.com/callback/1',
 *   secret: 'a long random one',
 * });
 *
 * @throws ConfigurationError when what is asked for cannot be sent, before anything is
 * @throws SubscriptionInitiationError when the hub did not accept; `reason` tells how
 */
export function requestSubscription(
  hub: string,
  request: SubscriptionRequest,
  httpConfig?: HttpClientConfig,
): Promise<SubscriptionRequestResult> {
  return requestAtCandidates(hub, { ...request, mode: 'subscribe' }, httpConfig);
}

/**
 * Asks a hub to end a subscription, once: hub, topic and callback are those that were subscribed. A lease and a secret
 * are not sent. Otherwise as {@link requestSubscription}.
 *
 * @throws ConfigurationError when what is asked for cannot be sent, before anything is
 * @throws SubscriptionInitiationError when the hub did not accept; `reason` tells how
 */
export function requestUnsubscription(
  hub: string,
  request: SubscriptionRequest,
  httpConfig?: HttpClientConfig,
): Promise<SubscriptionRequestResult> {
  return requestAtCandidates(hub, { ...request, mode: 'unsubscribe' }, httpConfig);
}

async function requestAtCandidates(
  hub: string,
  request: HubRequest,
  httpConfig: HttpClientConfig | undefined,
): Promise<SubscriptionRequestResult> {
  parseHttpUrl('hub', hub);
  const requestAt = async (candidate: string): Promise<SubscriptionRequestResult> => ({
    ...(await sendHubRequest(candidate, request, { httpConfig, credentialsFor: hub })),
    topic: request.topic,
  });
  const [first, fallback] = hubCandidates(hub);
  try {
    return await requestAt(first);
  } catch (earlier) {
    if (fallback === undefined || !isHubMissing(earlier)) throw earlier;
    return await requestAt(fallback).catch((failure: unknown) => {
      throw withEarlierFailure(failure, earlier);
    });
  }
}

/** The failure at the http form of a hub, told together with the one at its https form that went before. */
function withEarlierFailure(failure: unknown, earlier: SubscriptionInitiationError): unknown {
  if (!(failure instanceof SubscriptionInitiationError)) return failure;
  return new SubscriptionInitiationError(`${failure.message}. Tried over https before: ${earlier.message}`, {
    reason: failure.reason,
    hub: failure.hub,
    topic: failure.topic,
    status: failure.status,
    retryAfterSeconds: failure.retryAfterSeconds,
    cause: failure,
  });
}
