import { SubscriptionInitiationError, type InitiationFailure } from '../../errors.js';
import type { HubRequestForm } from '../../protocol/request-form.js';

/** Details of a failure besides its reason. */
export interface InitiationErrorDetails {
  readonly status?: number;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** The error for a request that a hub did not accept. `problem` has no final period, and must contain no secret. */
export function initiationError(
  hub: string,
  { mode, topic }: HubRequestForm,
  reason: InitiationFailure,
  problem: string,
  details: InitiationErrorDetails = {},
): SubscriptionInitiationError {
  const action = mode === 'subscribe' ? 'subscribe to' : 'unsubscribe from';
  const message = `Cannot ${action} ${topic} at ${hub}: ${problem}.`;
  return new SubscriptionInitiationError(message, { ...details, reason, hub, topic });
}

/** The problem of a secret that would be sent over plain HTTP. */
export const INSECURE_SECRET =
  'the hub uses plain HTTP, so others could read the secret. ' +
  'Use an https hub, omit the secret, or set security.allowInsecureSecret';

/** The problem of a request that was not sent. */
export const notSent = (reason: string): string => `the request was not sent, because ${reason}`;

/** The problem of a request without an answer. */
export const requestFailed = (subject: string, reason: string): string => `the request to ${subject} failed: ${reason}`;

/** An answer that is neither an acceptance nor a redirect to follow. Its texts are redacted. */
export interface RefusalDetails {
  readonly status: number;
  /** The `Location` of a 301, 302 or 303; null without one. Undefined for another status. */
  readonly location: string | null | undefined;
  /** The hub's own text. Empty if it sent none. */
  readonly text: string;
  /** The origin that the credentials are for, if they were not sent and the status is 401 or 403. */
  readonly credentialsFor: string | undefined;
}

/** The problem of a hub that refused. */
export function refusal(subject: string, { status, location, text, credentialsFor }: RefusalDetails): string {
  const redirect =
    location === undefined
      ? ''
      : ` with ${location === null ? 'no Location' : `the Location ${location}`}, but only 307 and 308 are followed`;
  const quote = text === '' ? '' : `: ${JSON.stringify(text)}`;
  const credentials =
    credentialsFor === undefined ? '' : `. No credentials were sent there, because they are for ${credentialsFor} only`;
  return `${subject} answered ${status}${redirect}${quote}${credentials}`;
}

/** The problems of redirects that are not followed, without the URL that answered. */
export const REDIRECT_PROBLEM = {
  badLocation: (status: number): string =>
    `answered ${status} without a valid Location, which must be an http or https URL without credentials`,
  tooMany: (status: number, url: string, maxRedirects: number): string =>
    `answered ${status} after ${maxRedirects} redirects, the maximum. Raise httpConfig.maxRedirects to follow it to ${url}`,
  insecure: (status: number, url: string, field: string): string =>
    `answered ${status}, but ${field} must not be sent over plain HTTP to ${url}`,
} as const;

/** The failure at the http form of a hub, with the earlier failure at its https form in the message. */
export function withHttpsFailure(failure: unknown, httpsFailure: SubscriptionInitiationError): unknown {
  if (!(failure instanceof SubscriptionInitiationError)) return failure;
  const { message, reason, hub, topic, status, retryAfterSeconds } = failure;
  return new SubscriptionInitiationError(`${message} The request over https failed before: ${httpsFailure.message}`, {
    reason,
    hub,
    topic,
    status,
    retryAfterSeconds,
    cause: failure,
  });
}
