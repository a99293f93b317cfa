import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { getBearerToken } from '../http/bearer-token.js';
import { startDeadline, type Deadline } from '../http/deadline.js';
import { toDiscoveryError, withRetryAfter } from './discovery-error.js';
import { documentUrl, redirectedUrl } from './document-url.js';
import { send, type OutboundResponse } from '../http/http.js';
import type { BearerToken } from '../http/http-config.js';
import type { OnAnswer } from '../outbound-log.js';
import { canSendCredentials } from '../http/origin.js';
import { privateNetworkGuard, type IsGuarded } from '../guard/private-network-guard.js';
import { withBearerToken } from '../request/request-headers.js';
import { credentialRedactor, sanitizeError } from '../redaction/credential-redactor.js';

/** How a document is asked for. */
export interface DocumentRequest {
  readonly headers: Headers;
  /** The headers for any origin but that of the URL that the user gave. */
  readonly headersForOthers: Headers;
  /** Whether `headers` has some that others are not sent. */
  readonly hasCredentials?: boolean | undefined;
  /** Gives the bearer token of a request to the user's own origin. */
  readonly tokenSource?: Exclude<BearerToken, string> | undefined;
  /** Told which URL is asked without the headers and credentials that are configured. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Told of each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Milliseconds for all of it: redirects, answer and body. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Gives it up early. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the date in `Retry-After` is compared with, in milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Shared by several requests, in place of `timeoutMs` and `signal`. Cleared by whoever started it. */
  readonly deadline?: Deadline | undefined;
  readonly maxRedirects: number;
  readonly dispatcher?: Dispatcher | undefined;
  /** The URL that the user gave, where it is not the one asked for. */
  readonly givenBy?: string | undefined;
  /** Whether all may lead into private networks. It may anyway as far as the URL given vouches (`vouchedBy`). */
  readonly allowPrivateNetworks: boolean;
}

/** How a reading ended: the reader had enough, the body was over, or it is longer than allowed. */
export type ReadOutcome = 'enough' | 'complete' | 'too-large';

/** A redirect that was followed. */
export interface FollowedRedirect {
  /** The URL that answered with it. */
  readonly url: string;
  /** Its `Link` headers, joined by commas; null where it has none. */
  readonly link: string | null;
}

/** An answer of which nothing but the headers has been read; a redirect is none. */
export interface OpenDocument {
  /** Where the answer came from, after redirects; without a fragment. */
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** The redirects that led here, the last one first. */
  readonly redirects: readonly FollowedRedirect[];
  /**
   * Hands over the decoded body in slices until `take` returns true, the body ends or `maxBytes` are passed. Yields to the
   * event loop between slices, so that a large body blocks nothing. Another call goes on where the last one ended.
   * `signal` ends the transfer, and the reading with it.
   */
  read(take: (bytes: Uint8Array) => boolean, maxBytes: number, signal?: AbortSignal): Promise<ReadOutcome>;
  /** Takes the credentials that were sent out of a text. */
  readonly redact: (text: string) => string;
}

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * GETs a document, following redirects, and lets `use` read as much of it as it needs; the rest is not transferred.
 *
 * @throws ConfigurationError for a `timeoutMs` that is none
 * @throws ResourceDiscoveryFailedError when there is no answer, or one that breaks off or takes too long; else whatever
 *   `use` throws
 */
export async function withDocument<T>(
  target: string,
  request: DocumentRequest,
  use: (document: OpenDocument) => Promise<T>,
): Promise<T> {
  const deadline = request.deadline ?? startDeadline(request.timeoutMs, request.signal);
  let redact = credentialRedactor(request.headers);
  // A token that is given for this request is as secret as the headers that are configured.
  const redactSent = (headers: Headers): void => {
    redact = credentialRedactor(headers);
  };
  try {
    const { response, ...reached } = await follow(documentUrl(target), request, deadline, redactSent);
    try {
      return await use({ ...openDocument(response, reached, deadline), redact });
    } catch (error) {
      throw withRetryAfter(error, response, request.now);
    } finally {
      discardBody(response);
    }
  } catch (error) {
    throw sanitizeError(error, redact);
  } finally {
    if (request.deadline === undefined) deadline.clear();
  }
}

/** The URL that an answer came from, and the redirects before it. */
interface Destination {
  readonly reached: URL;
  readonly redirects: readonly FollowedRedirect[];
}

async function follow(
  url: URL,
  request: DocumentRequest,
  deadline: Deadline,
  onHeaders: (headers: Headers) => void,
): Promise<Destination & { response: OutboundResponse }> {
  const { dispatcher, givenBy = url.href } = request;
  let reached = url;
  const followed: FollowedRedirect[] = [];
  // They are for the origin of the URL that the user gave, wherever a page may have led from there.
  let sendsHeaders = canSendCredentials(url.href, givenBy);
  try {
    const headers = sendsHeaders ? await withAuthorization(request, deadline) : request.headersForOthers;
    onHeaders(headers);
    const isGuarded = await deadline.race(guardOf(url, request));
    for (;;) {
      if (!sendsHeaders && request.hasCredentials === true) request.onWithheld?.(reached.href);
      const response = await send(reached.href, {
        method: 'GET',
        headers: sendsHeaders ? headers : request.headersForOthers,
        signal: deadline.signal,
        guarded: isGuarded(reached.href),
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
      request.onAnswer?.(response);
      if (!REDIRECT_STATUSES.has(response.status)) return { response, reached, redirects: followed.toReversed() };
      discardBody(response);
      const next = redirectedUrl(response, reached, followed.length, request.maxRedirects);
      followed.push({ url: reached.href, link: response.headers.get('link') });
      reached = next;
      // What was left behind once does not come back.
      sendsHeaders &&= canSendCredentials(reached.href, givenBy);
    }
  } catch (error) {
    throw toDiscoveryError(error, subject(reached, url));
  }
}

async function withAuthorization({ headers, tokenSource }: DocumentRequest, deadline: Deadline): Promise<Headers> {
  if (tokenSource === undefined) return headers;
  return withBearerToken(
    headers,
    await getBearerToken(tokenSource, 'discoveryConfig.httpConfig.auth.bearer', deadline),
  );
}

async function guardOf(
  { href }: URL,
  { allowPrivateNetworks, dispatcher, givenBy = href }: DocumentRequest,
): Promise<IsGuarded> {
  return allowPrivateNetworks || dispatcher !== undefined ? () => false : privateNetworkGuard(givenBy);
}

/** Bytes handed over in one go. */
const SLICE_BYTES = 8_192;

/** Milliseconds for which a document is read before the event loop has its turn. */
const MAX_BLOCKING_MS = 5;

function openDocument(
  { status, headers, body }: OutboundResponse,
  { reached: url, redirects }: Destination,
  { signal }: Deadline,
): Omit<OpenDocument, 'redact'> {
  const next = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> => {
    try {
      return (await reader.read()).value;
    } catch (error) {
      throw toDiscoveryError(error, url.href);
    }
  };
  /** The rest of a chunk of which `take` had enough: the next read begins with it. */
  let rest: Uint8Array | undefined;
  let lastYieldAt = performance.now();
  const yieldToEventLoop = async (): Promise<void> => {
    await nextTurn();
    if (signal.aborted) throw toDiscoveryError(signal.reason, url.href);
    lastYieldAt = performance.now();
  };
  return {
    url: url.href,
    status,
    headers,
    redirects,
    async read(take, maxBytes, signalToStop) {
      if (body === null) return 'complete';
      const reader = body.getReader();
      const cancel = (): void => void reader.cancel().catch(() => undefined);
      signalToStop?.addEventListener('abort', cancel, { once: true });
      try {
        let left = maxBytes;
        for (;;) {
          const bytes = rest ?? (await next(reader));
          rest = undefined;
          if (signalToStop?.aborted === true) return 'enough';
          if (bytes === undefined) return 'complete';
          for (let at = 0; at < Math.min(bytes.byteLength, left); at += SLICE_BYTES) {
            const end = Math.min(at + SLICE_BYTES, left);
            if (take(bytes.subarray(at, end))) {
              rest = bytes.subarray(end);
              return 'enough';
            }
            if (performance.now() - lastYieldAt > MAX_BLOCKING_MS) await yieldToEventLoop();
          }
          left -= bytes.byteLength;
          if (left < 0) return 'too-large';
        }
      } finally {
        signalToStop?.removeEventListener('abort', cancel);
        reader.releaseLock();
      }
    },
  };
}

/** Ends the transfer of what nobody will read. */
function discardBody({ body }: OutboundResponse): void {
  body?.cancel().catch(() => undefined);
}

function subject(reached: URL, requested: URL): string {
  return reached.href === requested.href ? requested.href : `${reached.href}, where ${requested.href} redirects,`;
}
