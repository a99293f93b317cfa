import { concatBytes } from '../../feed/parse/concat-bytes.js';
import { ResourceDiscoveryFailedError } from '../../errors.js';
import { discoveryError } from './discovery-error.js';
import { ACCEPT_FEEDS, discoveryRequest } from './discovery-request.js';
import { withDocument, type OpenDocument } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import type { OnAnswer } from '../outbound-log.js';

/** What a publisher gave with a document, to be asked by whether it has changed since (RFC 9110 section 8.8). */
export interface Validators {
  /** The URL they are of, where it is not the topic. */
  readonly url?: string | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** How a topic is asked for. */
export interface TopicRequest {
  readonly config: DiscoveryConfig;
  /** Those of the content that is known: it is not transferred again. */
  readonly known?: Validators | undefined;
  /** The URL that the user gave, which may vouch for private networks (`vouchedBy`). */
  readonly givenBy: string;
  readonly allowPrivateNetworks: boolean;
  /** Bytes taken, after `Content-Encoding` is undone. */
  readonly maxBytes: number;
  /** Told which URL is asked without the headers and credentials that are configured. */
  readonly onWithheld?: ((url: string) => void) | undefined;
  /** Told of each answer, redirects included. */
  readonly onAnswer?: OnAnswer | undefined;
  /** Gives it up early. */
  readonly signal?: AbortSignal | undefined;
  /** The clock that the date in `Retry-After` is compared with, in milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/** The present content of a topic. */
export interface TopicContent {
  /** Where it was read, after redirects: relative links in it are relative to that. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly validators: Validators;
}

/** They are about the bytes as they were transferred, or about the connection, or for a browser. */
const TRANSPORT_HEADERS: ReadonlySet<string> = new Set([
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
 * @returns undefined where it is what is known
 * @throws ResourceDiscoveryFailedError where there is no 2xx answer, or one that breaks off, is too long or takes too long
 */
export async function fetchTopic(topic: string, request: TopicRequest): Promise<TopicContent | undefined> {
  const { config, known = {}, givenBy, allowPrivateNetworks, maxBytes, signal, now, onWithheld, onAnswer } = request;
  // Feeds first: a page and its feed may share a URL.
  const documentRequest = discoveryRequest(config, allowPrivateNetworks, ACCEPT_FEEDS);
  for (const headers of [documentRequest.headers, documentRequest.headersForOthers]) addConditions(headers, known);
  return withDocument(topic, { ...documentRequest, givenBy, signal, now, onWithheld, onAnswer }, (document) =>
    readContent(document, maxBytes),
  );
}

/** Whether a topic that could not be fetched will not be had by asking again: it is gone for good, or must not be asked for. */
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
  if (status < 200 || status > 299) {
    throw discoveryError('http-error', `${url} answered ${status}, so its content cannot be had`, { status });
  }
  const chunks: Uint8Array[] = [];
  const take = (bytes: Uint8Array): boolean => {
    chunks.push(bytes);
    return false;
  };
  if ((await document.read(take, maxBytes)) === 'too-large') {
    throw discoveryError('too-large', `${url} is longer than ${maxBytes} bytes (security.maxBodyBytes)`, { status });
  }
  return topicContent({ url, headers }, await concatBytes(chunks));
}

/** The content of a topic, of an answer whose body was read. */
export function topicContent({ url, headers }: Pick<OpenDocument, 'url' | 'headers'>, body: Uint8Array): TopicContent {
  const etag = headers.get('etag') ?? undefined;
  const lastModified = headers.get('last-modified') ?? undefined;
  return {
    url,
    headers: [...headers].filter(([name]) => !TRANSPORT_HEADERS.has(name)),
    body,
    validators: { etag, lastModified },
  };
}
