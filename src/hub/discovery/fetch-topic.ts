import { concatBytes } from '../../feed/parse/concat-bytes.js';
import { ResourceDiscoveryFailedError } from '../../errors.js';
import { topicStatusError, topicTooLargeError } from './discovery-error.js';
import { ACCEPT_FEEDS, discoveryRequest } from './discovery-request.js';
import { withDocument, type OpenDocument } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import type { OnAnswer } from '../outbound-log.js';

/** A publisher's validators of a document, for conditional requests (RFC 9110 section 8.8). */
export interface Validators {
  /** The URL of the document, if it is not the topic. */
  readonly url?: string | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** Options for fetching a topic. */
export interface TopicRequest {
  readonly config: DiscoveryConfig;
  /** The validators of known content. If the content has not changed, it is not transferred again. */
  readonly known?: Validators | undefined;
  /** The URL that the user configured. It decides about private networks (`privateNetworkGuard`) and credentials. */
  readonly configuredUrl: string;
  /** Whether any URL may lead into private networks. */
  readonly allowPrivateNetworks: boolean;
  /** Maximum size of the content, in bytes after `Content-Encoding` is undone. */
  readonly maxBytes: number;
  /** Called with the URL of each request that is sent without the configured headers and credentials. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Called with each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined;
  /** The clock for a date in `Retry-After`, in epoch milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** The current content of a topic. */
export interface TopicContent {
  /** The URL that answered, after redirects. Relative links in the content resolve against it. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly validators: Validators;
}

/** Headers that are dropped: they describe the transferred bytes or the connection, or are for browsers. */
const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'set-cookie',
]);

/**
 * Fetches a topic, following redirects.
 *
 * @returns undefined if the content has not changed (304)
 * @throws ResourceDiscoveryFailedError if the answer is not a 2xx, breaks off, is too long or takes too long
 */
export async function fetchTopic(topic: string, request: TopicRequest): Promise<TopicContent | undefined> {
  const {
    config,
    known = {},
    configuredUrl,
    allowPrivateNetworks,
    maxBytes,
    signal,
    now,
    onWithheld,
    onAnswer,
  } = request;
  // Prefers feeds: a page and its feed may share a URL.
  const documentRequest = discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS);
  for (const headers of [documentRequest.headers, documentRequest.headersForOthers]) addConditions(headers, known);
  return withDocument(topic, { ...documentRequest, configuredUrl, signal, now, onWithheld, onAnswer }, (document) =>
    readContent(document, maxBytes),
  );
}

/** Whether fetching a topic again is pointless: the topic is gone (410), or its URL is invalid or forbidden. */
export function isPermanentFailure(error: unknown): boolean {
  if (!(error instanceof ResourceDiscoveryFailedError)) return false;
  const { reason, status } = error;
  return status === 410 || reason === 'forbidden-address' || reason === 'invalid-url';
}

function addConditions(headers: Headers, { etag, lastModified }: Validators): void {
  if (etag !== undefined) headers.set('if-none-match', etag);
  if (lastModified !== undefined) headers.set('if-modified-since', lastModified);
}

async function readContent(document: OpenDocument, maxBytes: number): Promise<TopicContent | undefined> {
  const { url, status, headers } = document;
  if (status === 304) return undefined;
  if (status < 200 || status > 299) throw topicStatusError(url, status);
  const chunks: Uint8Array[] = [];
  const take = (bytes: Uint8Array): boolean => {
    chunks.push(bytes);
    return false;
  };
  if ((await document.read(take, maxBytes)) === 'too-large') throw topicTooLargeError(url, status, maxBytes);
  return topicContent({ url, headers }, await concatBytes(chunks));
}

/** The content of a topic, from an answer and its body. */
export function topicContent({ url, headers }: Pick<OpenDocument, 'url' | 'headers'>, body: Uint8Array): TopicContent {
  const etag = headers.get('etag') ?? undefined;
  const lastModified = headers.get('last-modified') ?? undefined;
  return {
    url,
    headers: [...headers].filter(([name]) => !DROPPED_HEADERS.has(name)),
    body,
    validators: { etag, lastModified },
  };
}
