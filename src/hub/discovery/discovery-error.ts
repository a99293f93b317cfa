import { ResourceDiscoveryFailedError, type DiscoveryFailure } from '../../errors.js';
import type { DocumentFormat } from '../../protocol/links/document-format.js';
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from '../../protocol/retry-after.js';
import { AddressError } from '../guard/address-guard.js';
import { DeadlineError } from '../http/deadline.js';
import type { OutboundResponse } from '../http/http.js';
import { networkErrorMessage } from '../http/network-error.js';

/** Maximum length of a URL or any other word in an error or a warning, in characters. */
const MAX_SHOWN_LENGTH = 200;

/** Maximum number of redirects that an error lists. */
const MAX_LISTED_REDIRECTS = 5;

/** The remedy if discovery cannot work: it makes discovery unnecessary. */
const NAME_THE_HUB = 'If you know the hub, set target: { hub, topic }.';

/** Builds the error of a discovery. */
export function discoveryError(
  reason: DiscoveryFailure,
  message: string,
  details: {
    readonly status?: number | undefined;
    readonly retryAfterSeconds?: number | undefined;
    readonly cause?: unknown;
  } = {},
): ResourceDiscoveryFailedError {
  return new ResourceDiscoveryFailedError(message, { ...details, reason });
}

/** The text with its URLs, and other long words, cut to a readable length. */
export function shortenUrls(text: string): string {
  return text.replaceAll(/\S{201,}/g, (word) => `${word.slice(0, MAX_SHOWN_LENGTH)}…`);
}

/** Turns the error of a request or of reading into a discovery error. `subject` is the URL, for the message. */
export function toDiscoveryError(error: unknown, subject: string): ResourceDiscoveryFailedError {
  if (error instanceof ResourceDiscoveryFailedError) return error;
  const message = `Cannot read ${subject}: ${networkErrorMessage(error)}.`;
  if (error instanceof DeadlineError) {
    const remedy = 'Raise discoveryConfig.httpConfig.timeoutMs if the publisher needs longer.';
    return discoveryError('timeout', `${message} ${remedy}`, { cause: error });
  }
  return discoveryError(error instanceof AddressError ? 'forbidden-address' : 'unreachable', message, { cause: error });
}

/**
 * The error of a fetch, with the publisher's `Retry-After` if it answered 429 or 503.
 *
 * @param now the clock for a date in `Retry-After`, in epoch milliseconds
 */
export function withRetryAfter(error: unknown, { status, headers }: OutboundResponse, now = Date.now): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError) || (status !== 429 && status !== 503)) return error;
  const requestedSeconds = parseRetryAfter(headers.get('retry-after'), now()) ?? 0;
  if (requestedSeconds <= 0) return error;
  const seconds = Math.min(requestedSeconds, MAX_RETRY_AFTER_SECONDS);
  const { message, reason, cause } = error;
  return discoveryError(reason, `${message} The publisher asks to wait ${seconds} s (Retry-After).`, {
    status,
    retryAfterSeconds: seconds,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The error for a target or a `Location` that cannot be requested. `rule` continues the sentence "the URL must …". */
export function invalidUrlError(subject: string, rule: string, status: number | undefined): Error {
  return discoveryError('invalid-url', `${subject}: the URL must ${rule}.`, { status });
}

/** The error for a redirect without `Location`. */
export function missingLocationError(url: string, status: number): Error {
  const message = `Cannot follow the redirect of ${url}: it answered ${status} without a Location.`;
  return discoveryError('http-error', message, { status });
}

/** The error for a redirect after the last one that is followed. */
export function tooManyRedirectsError(url: string, status: number, redirects: number): Error {
  const message =
    `Cannot follow the redirect of ${url}: it answered ${status} after ${redirects} redirects, the maximum. ` +
    'Set the target to the final URL, or raise discoveryConfig.httpConfig.maxRedirects.';
  return discoveryError('too-many-redirects', message, { status });
}

/** An answer that is no document to search for hubs. */
export interface FailedAnswer {
  readonly url: string;
  readonly status: number;
  readonly requestHeaders: Headers;
  /** Origins that got no credentials, as sentences without a period. */
  readonly withheld: readonly string[];
  /** Whether the answer comes from the alternate feed of a page. The error of the page then has the remedy. */
  readonly isAlternateFeed: boolean;
}

/** The error for an answer with a status other than 2xx. */
export function statusError({ url, status, requestHeaders, withheld, isAlternateFeed }: FailedAnswer): Error {
  if (status === 406) {
    const language = requestHeaders.get('accept-language');
    const message =
      `${url} answered 406: it has no document in the requested types (${requestHeaders.get('accept')})` +
      `${language === null ? '' : ` and languages (${language})`}. ` +
      'Request others with discoveryConfig.accept and discoveryConfig.acceptLanguage.';
    return discoveryError('not-acceptable', message, { status });
  }
  const hints = status === 401 || status === 403 ? withheld.map((message) => `${message}.`) : [];
  const remedies = isAlternateFeed ? [] : ['Check the URL.', NAME_THE_HUB];
  const sentences = [`${url} answered ${status}, so no hub can be discovered there.`, ...hints, ...remedies];
  return discoveryError('http-error', sentences.join(' '), { status });
}

/** The searched places of one document. */
export interface SearchedPlaces {
  /** The URL that answered, after redirects. */
  readonly url: string;
  readonly status: number;
  readonly mediaType: string;
  readonly format: DocumentFormat;
  /** The limit that ended reading early, such as `5242880 bytes`. Undefined if the whole document was read. */
  readonly limit: string | undefined;
  /** The URLs of the redirects that had `Link` headers. */
  readonly redirects: readonly string[];
}

const SEARCHED_PARTS: Readonly<Record<DocumentFormat, string>> = {
  html: ' and the <link> elements of the page',
  xml: ' and the atom:link elements of the feed',
  'json-feed': ' and the hubs of the JSON Feed',
  unknown: ', but not the document, because it is neither HTML nor XML nor JSON',
};

/** The document and its searched places, for `noHubError`. */
export function searchedPlacesText({ url, status, mediaType, format, limit, redirects }: SearchedPlaces): string {
  const limitText = limit === undefined ? '' : ` (only the first ${limit})`;
  const searched = `the Link headers${redirectsText(redirects)}${SEARCHED_PARTS[format]}${limitText}`;
  return `${url} (${status}, ${mediaType || 'no content type'}): searched ${searched}`;
}

function redirectsText(urls: readonly string[]): string {
  if (urls.length === 0) return '';
  const others = urls.length > MAX_LISTED_REDIRECTS ? ` and ${urls.length - MAX_LISTED_REDIRECTS} others` : '';
  return ` (also of the redirects from ${urls.slice(0, MAX_LISTED_REDIRECTS).join(', ')}${others})`;
}

/** A search of a page or feed that found no hub. */
export interface FailedSearch {
  readonly status: number;
  /** The searched places, for an error. */
  readonly searchedPlaces: string;
  /** Whether reading ended at a limit. */
  readonly isTruncated: boolean;
  /** A self link without a hub, for an error. */
  readonly self?: string | undefined;
  /** Redacts the sent credentials from a text, and cuts its URLs. */
  readonly sanitize: (text: string) => string;
}

/** The error for a page or feed that names no hub. `feedError`: why its alternate feed could not be read. */
export function noHubError(
  { searchedPlaces, self, isTruncated, status, sanitize }: FailedSearch,
  { feedPlaces, feedError }: { readonly feedPlaces?: string; readonly feedError?: ResourceDiscoveryFailedError } = {},
): Error {
  const sentences = [
    `No hub found at ${searchedPlaces}.`,
    ...(self === undefined ? [] : [sanitize(`Its self link is ${self} and may name a hub.`)]),
    ...(feedPlaces === undefined ? [] : [sanitize(`No hub found at its alternate feed ${feedPlaces}.`)]),
    ...(feedError === undefined ? [] : [`Its alternate feed failed: ${feedError.message}`]),
    NAME_THE_HUB,
  ];
  const transient = feedError !== undefined && isTransient(feedError) ? feedError : undefined;
  return discoveryError(
    transient?.reason ?? (isTruncated ? 'too-large' : 'no-hub'),
    sentences.join(' '),
    // The `Retry-After` of the feed applies to the whole discovery.
    {
      status: transient === undefined ? status : transient.status,
      ...(feedError && { cause: feedError, retryAfterSeconds: feedError.retryAfterSeconds }),
    },
  );
}

/** Whether a feed that cannot be read now may be readable later. */
function isTransient({ reason, status = 0 }: ResourceDiscoveryFailedError): boolean {
  return reason === 'unreachable' || status === 429 || status >= 500;
}

/** The error for a document with several self links. `via` is the place of the links. */
export function multipleSelfError(
  { url, sanitize }: { readonly url: string; readonly sanitize: (text: string) => string },
  via: string,
  selfs: readonly string[],
): Error {
  const message =
    `${url} has several self links (${via}): ${selfs.join(', ')}. Only one can be the topic. ` +
    'If you know which one, set target: { hub, topic }.';
  return discoveryError('multiple-self', sanitize(message));
}

/** The error for a topic that was answered with a status other than 2xx. */
export function topicStatusError(url: string, status: number): Error {
  return discoveryError('http-error', `Cannot fetch ${url}: it answered ${status}.`, { status });
}

/** The error for a topic that is longer than `maxBytes`. */
export function topicTooLargeError(url: string, status: number, maxBytes: number): Error {
  const message = `Cannot fetch ${url}: it is longer than ${maxBytes} bytes. Raise security.maxBodyBytes to allow more.`;
  return discoveryError('too-large', message, { status });
}
