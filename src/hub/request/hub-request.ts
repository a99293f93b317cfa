import { FORM_TYPE } from '../../protocol/encoding/media-type.js';
import { hubVerdict } from '../../protocol/hub-status.js';
import { parseHttpUrl } from '../../protocol/http-url.js';
import { requestForm, type HubRequestForm } from '../../protocol/request-form.js';
import { parseRetryAfter } from '../../protocol/retry-after.js';
import { AddressError } from '../guard/address-guard.js';
import { getBearerToken, bearerTokenSource } from '../http/bearer-token.js';
import { startDeadline, type Deadline } from '../http/deadline.js';
import { bytesToRead, callbackSecrets, hubTextRedactor, readBeginning, type Redactor } from '../redaction/hub-text.js';
import type { HttpClientConfig } from '../http/http-config.js';
import { send, type OutboundResponse } from '../http/http.js';
import { INSECURE_SECRET, initiationError, notSent, refusal, requestFailed } from './initiation-error.js';
import { networkErrorMessage } from '../http/network-error.js';
import { RateLimitedError } from '../pacing/origin-rate-limits.js';
import { privateNetworkGuard, type IsGuarded } from '../guard/private-network-guard.js';
import { checkedMaxRedirects } from './redirect-limit.js';
import {
  firstHop,
  canSendSecret,
  nextHop,
  unfollowedLocation,
  type ConfidentialField,
  type Hop,
  type RedirectRules,
} from './redirects.js';
import { configuredSecrets, hasCredentials, requestHeaders, withBearerToken } from './request-headers.js';

/** The form of a request to a hub, and its headers. */
export interface HubRequest extends HubRequestForm {
  /** Headers for this request, in addition to those of the configuration. */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}

/** Options of one request to a hub. */
export interface HubRequestOptions {
  readonly httpConfig?: HttpClientConfig | undefined;
  /** Whether to send the secret over plain HTTP to a hub on another machine. @default false */
  readonly allowInsecureSecret?: boolean | undefined;
  /**
   * Which requests must not connect to addresses that are not public. A user's dispatcher is never guarded.
   *
   * - `true`: the hub and every redirect. For a hub that the user did not configure.
   * - `'redirects'`: redirects that the hub's URL does not allow (`privateNetworkGuard`). For a configured hub.
   * - `false`: none.
   *
   * @default 'redirects'
   */
  readonly guarded?: boolean | 'redirects' | undefined;
  /**
   * The hub as advertised or configured. Only its origin, and the https form of that, get headers and credentials.
   * @default the requested hub
   */
  readonly credentialsFor?: string | undefined;
  /** Called with the URL of each request that is sent without the configured headers and credentials. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Called with each answer, redirects included. */
  readonly onAnswer?: ((answer: HubAnswer) => void) | undefined;
  /**
   * Called before a redirect is followed. Returns the time of the next attempt, in epoch milliseconds, if the origin of
   * the redirect target is rate limited.
   */
  readonly deferUntil?: ((url: string) => number | undefined) | undefined;
  /** Additional secrets to redact from messages. */
  readonly extraSecrets?: readonly string[] | undefined;
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined;
  /** The clock for a date in `Retry-After`, in epoch milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** The answer of one URL to a request: final, or a redirect. */
export interface HubAnswer {
  readonly url: string;
  readonly status: number;
  /** The wait in `Retry-After`; undefined without one. */
  readonly retryAfterSeconds: number | undefined;
}

/** A hub's acceptance of a request. The hub verifies intent afterwards, or has already verified it. */
export interface HubAcceptance {
  /** The hub to use from now on: the requested hub, or where 308 redirects led before any 307. */
  readonly hub: string;
  /** The status of the answer, a 2xx. */
  readonly status: number;
  /** Whether permanent redirects led to another hub than the requested one. */
  readonly moved: boolean;
}

/**
 * Sends one request to a hub (WebSub section 5.1). Follows 307 and 308 with the same method and body. Never retries.
 *
 * @throws ConfigurationError before anything is sent, if the request cannot be sent
 * @throws SubscriptionInitiationError if the hub did not accept. The message has the hub's text, cut after 1 KiB.
 * @throws RateLimitedError if a redirect leads to a rate limited origin
 */
export async function sendHubRequest(
  hub: string,
  request: HubRequest,
  options: HubRequestOptions = {},
): Promise<HubAcceptance> {
  const { httpConfig = {} } = options;
  parseHttpUrl('hub', hub);
  const form = requestForm(request);
  const headers = requestHeaders(httpConfig, request.customHeaders);
  const rules: RedirectRules = {
    hub,
    credentialsFor: options.credentialsFor ?? hub,
    maxRedirects: checkedMaxRedirects('httpConfig.maxRedirects', httpConfig.maxRedirects),
    confidentialFields: confidentialFieldsOf(form, request),
    allowInsecureSecret: options.allowInsecureSecret === true,
  };
  if (form.has('hub.secret') && !canSendSecret(hub, rules.allowInsecureSecret)) {
    throw initiationError(hub, request, 'forbidden', INSECURE_SECRET);
  }
  const deadline = startDeadline(httpConfig.timeoutMs, options.signal);
  try {
    return await follow({ hub, request, body: form.toString(), headers, rules, options, deadline });
  } finally {
    deadline.clear();
  }
}

function confidentialFieldsOf(form: URLSearchParams, { customParams = {} }: HubRequest): readonly ConfidentialField[] {
  return [
    ...(form.has('hub.secret') ? (['secret'] as const) : []),
    ...(form.has('hub.verify_token') ? (['verifyToken'] as const) : []),
    ...(Object.keys(customParams).length > 0 ? (['customParams'] as const) : []),
  ];
}

/** The parts of a request that stay the same across redirects. */
interface Attempt {
  readonly hub: string;
  readonly request: HubRequest;
  readonly body: string;
  /** Headers for the origin of `credentialsFor` only. */
  readonly headers: Headers;
  readonly rules: RedirectRules;
  readonly options: HubRequestOptions;
  readonly deadline: Deadline;
}

async function follow(initial: Attempt): Promise<HubAcceptance> {
  const { hub, request, options, rules } = initial;
  let hop = firstHop(rules);
  const token = hop.sendsHeaders ? await bearerToken(initial) : undefined;
  const attempt = token === undefined ? initial : { ...initial, headers: withBearerToken(initial.headers, token) };
  const { httpConfig, extraSecrets = [] } = options;
  const secrets = [...secretsOf(request, httpConfig), ...extraSecrets, ...(token === undefined ? [] : [token])];
  const redact = hubTextRedactor(secrets);
  let isGuarded: IsGuarded = () => options.guarded === true;
  for (;;) {
    const response = await post(attempt, hop, isGuarded(hop.url), redact);
    const text = redact(await readBeginning(response.body, bytesToRead(secrets)));
    const { status, headers } = response;
    const retryAfter = parseRetryAfter(headers.get('retry-after'), (options.now ?? Date.now)());
    options.onAnswer?.({ url: hop.url, status, retryAfterSeconds: retryAfter });
    const verdict = hubVerdict(status);
    // Quirk(thylacine): a 202 may carry warnings in its body. We ignore the body.
    if (verdict === 'accepted') return { hub: hop.hub, status, moved: hop.hub !== hub };
    if (verdict !== 'redirected') {
      const location = unfollowedLocation(hop, status, headers.get('location'), redact);
      const credentialsFor = missingCredentialsFor(attempt, hop, status);
      const problem = refusal(subject(hop, redact), { status, location, text, credentialsFor });
      throw initiationError(hub, request, verdict, problem, { status, retryAfterSeconds: retryAfter });
    }
    const next = nextHop(hop, status, headers.get('location'), rules);
    if ('problem' in next) {
      throw initiationError(hub, request, next.reason, `${subject(hop, redact)} ${redact(next.problem)}`, { status });
    }
    const until = options.deferUntil?.(next.url);
    if (until !== undefined) throw new RateLimitedError(next.url, until);
    if (hop.redirects === 0) isGuarded = await redirectGuard(attempt);
    hop = next;
  }
}

async function bearerToken({ hub, request, options, deadline }: Attempt): Promise<string | undefined> {
  const source = bearerTokenSource(options.httpConfig ?? {});
  if (source === undefined) return undefined;
  try {
    return await getBearerToken(source, 'httpConfig.auth.bearer', deadline);
  } catch (cause) {
    throw initiationError(hub, request, 'temporary', notSent(networkErrorMessage(cause)), { cause });
  }
}

/** Whether headers or credentials are configured that this hop does not get. */
function isWithheld({ request, options }: Attempt, hop: Hop): boolean {
  return !hop.sendsHeaders && hasCredentials(options.httpConfig ?? {}, request.customHeaders);
}

/** The origin that the configured credentials are for, if a hop without them answered 401 or 403. */
function missingCredentialsFor(attempt: Attempt, hop: Hop, status: number): string | undefined {
  if (!isWithheld(attempt, hop) || (status !== 401 && status !== 403)) return undefined;
  return new URL(attempt.rules.credentialsFor).origin;
}

async function post(attempt: Attempt, hop: Hop, guarded: boolean, redact: Redactor): Promise<OutboundResponse> {
  const { hub, request, body, options, deadline } = attempt;
  if (isWithheld(attempt, hop)) options.onWithheld?.(hop.url);
  const headers = new Headers(hop.sendsHeaders ? attempt.headers : undefined);
  headers.set('content-type', FORM_TYPE);
  const dispatcher = options.httpConfig?.dispatcher;
  try {
    return await send(hop.url, {
      method: 'POST',
      headers,
      body,
      signal: deadline.signal,
      guarded,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
  } catch (cause) {
    const reason = cause instanceof AddressError ? 'forbidden' : 'unreachable';
    const message = networkErrorMessage(cause);
    const redacted = redact(message);
    throw initiationError(
      hub,
      request,
      reason,
      requestFailed(subject(hop, redact), redacted),
      // The cause may quote a secret: a redirect may lead to a host with a secret in its name.
      redacted === message ? { cause } : {},
    );
  }
}

async function redirectGuard({ hub, options, deadline }: Attempt): Promise<IsGuarded> {
  const { guarded = 'redirects', httpConfig } = options;
  if (guarded !== 'redirects' || httpConfig?.dispatcher !== undefined) return () => guarded === true;
  // If the deadline passes meanwhile, the next request reports it.
  return deadline.race(privateNetworkGuard(hub)).catch(() => () => true);
}

function secretsOf(request: HubRequest, httpConfig: HttpClientConfig = {}): readonly string[] {
  const { secret, verifyToken, callback } = request;
  const configured = configuredSecrets({ ...request, httpConfig });
  return [secret, verifyToken, ...callbackSecrets(callback), ...configured].filter((value) => value !== undefined);
}

const subject = (hop: Hop, redact: Redactor): string =>
  hop.redirects === 0 ? 'the hub' : `${redact(hop.url)} (redirected from the hub)`;
