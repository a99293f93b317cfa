import { parseHttpUrl } from '../../protocol/http-url.js';
import type { HubRequestForm } from '../../protocol/request-form.js';
import { hubCandidates, isHubMissing } from './hub-candidates.js';
import { withHttpsFailure } from './initiation-error.js';
import type { HttpClientConfig } from '../http/http-config.js';
import { sendHubRequest, type HubAcceptance, type HubRequest } from './hub-request.js';

/**
 * A request to a hub: topic, callback, lease, secret and custom parameters.
 *
 * @example
 * const request: SubscriptionRequest = {
 *   topic: 'https://example.com/feed',
 *   callback: 'https://me.example.com/callback/1',
 *   leaseSeconds: 86_400,
 * };
 */
export interface SubscriptionRequest extends Omit<HubRequestForm, 'mode' | 'verify'> {
  /** Headers for this request, in addition to `httpConfig.headers`. @default none */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}

/**
 * A hub's acceptance of a request. The hub verifies intent at the callback afterwards, or did so during the request.
 *
 * @example
 * const { hub, moved } = await requestSubscription('https://hub.example.com', request);
 */
export interface SubscriptionRequestResult extends HubAcceptance {
  /** The requested topic. */
  readonly topic: string;
}

/**
 * Asks a hub to subscribe a callback to a topic (WebSub section 5.1). Sends one request and does not retry.
 *
 * An http hub on another machine is tried over https first. Plain http is used only if there is no hub at the https
 * form: no connection, a TLS error, no answer in time, 301, 302, 303, 404, 405, 421, 501, or a forbidden 307 or 308 to
 * http. `httpConfig.timeoutMs` applies to each of the two attempts.
 *
 * Renew and unsubscribe at the `hub` of the result. Headers and credentials go only to the origin of the requested hub
 * or its https form, even after redirects.
 *
 * @example
 * await requestSubscription('https://hub.example.com', {
 *   topic: 'https://example.com/feed',
 *   callback: 'https://me.example.com/callback/1',
 *   secret: 'a long random one',
 * });
 *
 * @throws ConfigurationError before anything is sent, if the request cannot be sent
 * @throws SubscriptionInitiationError if the hub did not accept. `reason` is the kind of failure.
 */
export function requestSubscription(
  hub: string,
  request: SubscriptionRequest,
  httpConfig?: HttpClientConfig,
): Promise<SubscriptionRequestResult> {
  return requestAtCandidates(hub, { ...request, mode: 'subscribe' }, httpConfig);
}

/**
 * Asks a hub to end a subscription (WebSub section 5.1). Sends one request and does not retry.
 *
 * Pass the hub, topic and callback of the subscription. Lease and secret are not sent. The rest is as in
 * {@link requestSubscription}.
 *
 * @example
 * await requestUnsubscription('https://hub.example.com', {
 *   topic: 'https://example.com/feed',
 *   callback: 'https://me.example.com/callback/1',
 * });
 *
 * @throws ConfigurationError before anything is sent, if the request cannot be sent
 * @throws SubscriptionInitiationError if the hub did not accept. `reason` is the kind of failure.
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
  } catch (httpsFailure) {
    if (fallback === undefined || !isHubMissing(httpsFailure)) throw httpsFailure;
    return await requestAt(fallback).catch((failure: unknown) => {
      throw withHttpsFailure(failure, httpsFailure);
    });
  }
}
