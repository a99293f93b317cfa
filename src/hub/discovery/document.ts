import { setImmediate as macrotask } from 'node:timers/promises';
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

/** Options of a request for a document. */
export interface DocumentRequest {
  /** The headers for the origin of the configured URL. */
  readonly headers: Headers;
  /** The headers for other origins. */
  readonly headersForOthers: Headers;
  /** Whether `headers` has configured headers or credentials that other origins do not get. */
  readonly hasCredentials?: boolean | undefined;
  /** Returns the bearer token for the origin of the configured URL. */
  readonly tokenSource?: Exclude<BearerToken, string> | undefined;
  /** Called with the URL of each request that is sent without the configured headers and credentials. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Called with each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Milliseconds for redirects, answer and body together. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined;
  /** The clock for a date in `Retry-After`, in epoch milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** A deadline that several requests share, in place of `timeoutMs` and `signal`. Its creator clears it. */
  readonly deadline?: Deadline | undefined;
  readonly maxRedirects: number;
  readonly dispatcher?: Dispatcher | undefined;
  /** The URL that the user configured. @default the requested URL */
  readonly configuredUrl?: string | undefined;
  /** Whether any URL may lead into private networks. If not, the configured URL decides (`privateNetworkGuard`). */
  readonly allowPrivateNetworks: boolean;
}

/** How reading ended: the reader has enough, the body is complete, or it is longer than allowed. */
export type ReadOutcome = 'enough' | 'complete' | 'too-large';

/** A redirect that was followed. */
export interface FollowedRedirect {
  /** The URL that answered with the redirect. */
  readonly url: string;
  /** The `Link` headers of the redirect, joined by commas; null without any. */
  readonly link: string | null;
}

/** An answer other than a redirect, with its body still unread. */
export interface OpenDocument {
  /** The URL that answered, after redirects, without a fragment. */
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** The redirects that led to this document, last one first. */
  readonly redirects: readonly FollowedRedirect[];
  /**
   * Passes the decoded body to `take` in slices, until `take` returns true, the body ends or exceeds `maxBytes`.
   *
   * Yields to the event loop between slices, so that a large body does not block it. A second call continues where the
   * first ended. `signal` cancels the transfer.
   */
  read(take: (bytes: Uint8Array) => boolean, maxBytes: number, signal?: AbortSignal): Promise<ReadOutcome>;
  /** Redacts the sent credentials from a text. */
  readonly redact: (text: string) => string;
}

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * GETs a document, following redirects, and lets `use` read as much of it as it needs. The remaining bytes are not
 * transferred.
 *
 * @throws ConfigurationError for an invalid `timeoutMs`
 * @throws ResourceDiscoveryFailedError if there is no answer, or the answer breaks off or takes too long
 * @throws the errors of `use`
 */
export async function withDocument<T>(
  target: string,
  request: DocumentRequest,
  use: (document: OpenDocument) => Promise<T>,
): Promise<T> {
  const deadline = request.deadline ?? startDeadline(request.timeoutMs, request.signal);
  let redact = credentialRedactor(request.headers);
  // The bearer token of this request is redacted like the configured headers.
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

/** The URL that answered, and the redirects before it. */
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
  const { dispatcher, configuredUrl = url.href } = request;
  let reached = url;
  const followed: FollowedRedirect[] = [];
  // Configured headers go to the origin of the configured URL only. The feed of a page may have another origin.
  let sendsHeaders = canSendCredentials(url.href, configuredUrl);
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
      // Once dropped, headers and credentials stay dropped.
      sendsHeaders &&= canSendCredentials(reached.href, configuredUrl);
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
  { allowPrivateNetworks, dispatcher, configuredUrl = href }: DocumentRequest,
): Promise<IsGuarded> {
  return allowPrivateNetworks || dispatcher !== undefined ? () => false : privateNetworkGuard(configuredUrl);
}

/** Maximum bytes per call of `take`. */
const SLICE_BYTES = 8_192;

/** Milliseconds of reading before yielding to the event loop. */
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
  /** The unread part of the last chunk. The next read begins with it. */
  let unread: Uint8Array | undefined;
  let lastYieldAt = performance.now();
  const yieldToEventLoop = async (): Promise<void> => {
    await macrotask();
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
        let bytesLeft = maxBytes;
        for (;;) {
          const bytes = unread ?? (await next(reader));
          unread = undefined;
          if (signalToStop?.aborted === true) return 'enough';
          if (bytes === undefined) return 'complete';
          for (let at = 0; at < Math.min(bytes.byteLength, bytesLeft); at += SLICE_BYTES) {
            const end = Math.min(at + SLICE_BYTES, bytesLeft);
            if (take(bytes.subarray(at, end))) {
              unread = bytes.subarray(end);
              return 'enough';
            }
            if (performance.now() - lastYieldAt > MAX_BLOCKING_MS) await yieldToEventLoop();
          }
          bytesLeft -= bytes.byteLength;
          if (bytesLeft < 0) return 'too-large';
        }
      } finally {
        signalToStop?.removeEventListener('abort', cancel);
        reader.releaseLock();
      }
    },
  };
}

/** Ends the transfer of a body that nobody reads. */
function discardBody({ body }: OutboundResponse): void {
  body?.cancel().catch(() => undefined);
}

function subject(reached: URL, requested: URL): string {
  return reached.href === requested.href ? requested.href : `${reached.href} (redirected from ${requested.href})`;
}
