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
import { initiationError } from './initiation-error.js';
import { networkErrorMessage } from '../http/network-error.js';
import { RateLimitedError } from '../pacing/origin-rate-limits.js';
import { privateNetworkGuard, type IsGuarded } from '../guard/private-network-guard.js';
import { checkedMaxRedirects } from './redirect-limit.js';
import {
  firstHop,
  canSendSecret,
  nextHop,
  unfollowedRedirectText,
  type ConfidentialField,
  type Hop,
  type RedirectRules,
} from './redirects.js';
import { configuredSecrets, hasCredentials, requestHeaders, withBearerToken } from './request-headers.js';

/** What a hub is asked for, and the headers it is asked with. */
export interface HubRequest extends HubRequestForm {
  /** Headers for this request, beside the configuration's. */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}

/** How one request to a hub is made. */
export interface HubRequestOptions {
  readonly httpConfig?: HttpClientConfig | undefined;
  /** Send the secret over plain HTTP to a hub on another machine too. @default false */
  readonly allowInsecureSecret?: boolean | undefined;
  /**
   * Where addresses that are not public are refused. `true`: the hub and every redirect, for a hub that a stranger named.
   * `'redirects'`: redirects alone, as far as the hub does not vouch for them (`vouchedBy`), for a hub the user named.
   * `false`: nowhere. A dispatcher of the user's own is never guarded. @default 'redirects'
   */
  readonly guarded?: boolean | 'redirects' | undefined;
  /** The hub as it was advertised or given: headers and credentials go to its origin only. @default the hub that is asked */
  readonly credentialsFor?: string | undefined;
  /** Told where a request goes without the headers and credentials that are configured. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Told which URL answered, and how. */
  readonly onAnswer?: ((answer: HubAnswer) => void) | undefined;
  /**
   * Asked before a redirect is followed: when to make the request again (epoch milliseconds), where that URL wants to be left
   * alone.
   */
  readonly deferUntil?: ((url: string) => number | undefined) | undefined;
  /** More secrets that no message may show. */
  readonly extraSecrets?: readonly string[] | undefined;
  /** Gives the request up early. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the date in `Retry-After` is compared with, in milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** The answer of one URL to a request: final, or a redirect. */
export interface HubAnswer {
  readonly url: string;
  readonly status: number;
  /** As `Retry-After` asks, where it does. */
  readonly retryAfterSeconds: number | undefined;
}

/** A hub's acceptance. Its verification of intent comes later, or came already. */
export interface HubAcceptance {
  /** The hub to remember: as it was given, or where permanent redirects (308) led. */
  readonly hub: string;
  /** The status, a 2xx. */
  readonly status: number;
  /** Whether permanent redirects led to another hub than was asked. */
  readonly moved: boolean;
}

/**
 * Asks a hub at one URL, once (WebSub section 5.1): 307 and 308 are followed with method and body kept, nothing is
 * tried again.
 *
 * @throws ConfigurationError when what is asked for cannot be sent, before anything is
 * @throws SubscriptionInitiationError when the hub did not accept, with its own words (cut at 1 KiB) in the message
 * @throws HeldOriginError when a redirect is put off
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

const INSECURE_SECRET =
  'the hub is reached over plain HTTP, where a secret would be read on the way. ' +
  'Use an https hub, leave the secret out, or allow it with security.allowInsecureSecret';

function confidentialFieldsOf(form: URLSearchParams, { customParams = {} }: HubRequest): readonly ConfidentialField[] {
  return [
    ...(form.has('hub.secret') ? (['secret'] as const) : []),
    ...(form.has('hub.verify_token') ? (['verifyToken'] as const) : []),
    ...(Object.keys(customParams).length > 0 ? (['customParams'] as const) : []),
  ];
}

/** What stays the same from one redirect to the next. */
interface Attempt {
  readonly hub: string;
  readonly request: HubRequest;
  readonly body: string;
  /** The caller's own. */
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
      const hubText = text === '' ? '' : `: ${JSON.stringify(text)}`;
      const redirectText = unfollowedRedirectText(hop, status, headers.get('location'), redact);
      throw initiationError(
        hub,
        request,
        verdict,
        `${subject(hop, redact)} answered ${status}${redirectText}${hubText}${credentialsHint(attempt, hop, status)}`,
        { status, retryAfterSeconds: retryAfter },
      );
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
    throw initiationError(hub, request, 'temporary', `the hub was not asked: ${networkErrorMessage(cause)}`, { cause });
  }
}

/** Whether a URL is not sent the headers and credentials that are configured. */
function isWithheld({ request, options }: Attempt, hop: Hop): boolean {
  return !hop.sendsHeaders && hasCredentials(options.httpConfig ?? {}, request.customHeaders);
}

/** Why a URL may have refused that was not sent what is configured. */
function credentialsHint(attempt: Attempt, hop: Hop, status: number): string {
  if (!isWithheld(attempt, hop) || (status !== 401 && status !== 403)) return '';
  return `. No credentials were sent there: they are for ${new URL(attempt.rules.credentialsFor).origin} only`;
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
    const failure = networkErrorMessage(cause);
    const shown = redact(failure);
    throw initiationError(
      hub,
      request,
      reason,
      `${subject(hop, redact)} could not be asked: ${shown}`,
      // A redirect may lead to a host whose name has a secret in it.
      shown === failure ? { cause } : {},
    );
  }
}

async function redirectGuard({ hub, options, deadline }: Attempt): Promise<IsGuarded> {
  const { guarded = 'redirects', httpConfig } = options;
  if (guarded !== 'redirects' || httpConfig?.dispatcher !== undefined) return () => guarded === true;
  // When the time is up meanwhile, the next request says so.
  return deadline.race(privateNetworkGuard(hub)).catch(() => () => true);
}

function secretsOf(request: HubRequest, httpConfig: HttpClientConfig = {}): readonly string[] {
  const { secret, verifyToken, callback } = request;
  const configured = configuredSecrets({ ...request, httpConfig });
  return [secret, verifyToken, ...callbackSecrets(callback), ...configured].filter((value) => value !== undefined);
}

const subject = (hop: Hop, redact: Redactor): string =>
  hop.redirects === 0 ? 'the hub' : `${redact(hop.url)}, where the hub redirects,`;
