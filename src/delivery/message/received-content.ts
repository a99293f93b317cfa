import { createHash } from 'node:crypto';
import { linksFromHeaders } from '../../protocol/links/link-header.js';

/**
 * The source of an event. `'hub'`: a hub delivered it. `'catch-up'`: the topic was fetched after a gap
 * (`delivery.catchUp`). `'poll'`: polling found entries that the hub had not delivered (`delivery.pollSeconds`).
 */
export type EventSource = 'hub' | 'catch-up' | 'poll';

/** Accepted content: the bytes and headers of an event. */
export interface ReceivedContent {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  /** The URL of fetched content, which is the base of its relative links. Absent for content that a hub sent. */
  readonly url?: string | undefined;
  /** The decoded bytes. Absent if there is no `Content-Encoding` or it cannot be decoded. */
  readonly decoded?: Uint8Array | undefined;
  /** Whether the content has a `Content-Encoding` that cannot be decoded. */
  readonly undecodable?: boolean | undefined;
}

/** SHA-256 of the subscription id and the body, in hex. */
export function contentDigest(subscriptionId: string, body: Uint8Array): string {
  return createHash('sha256').update(subscriptionId).update('\n').update(body).digest('hex');
}

/** The same bytes as a plain `Uint8Array`, not a `Buffer`. Bytes read from a store are plain too. */
export function toUint8Array(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
}

/** Received headers as a `Headers` object. */
export function headersOf(pairs: ReceivedContent['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}

/** The hub and topic links a content distribution carries (WebSub section 7). */
export interface ContentLinks {
  /** The `rel="hub"` links, as absolute URLs. */
  readonly hub: readonly string[];
  /** The first `rel="self"` link, as an absolute URL. */
  readonly self?: string;
}

/** The first `Content-Type` header as sent, with its parameters. */
export function contentTypeOf({ headers }: Pick<ReceivedContent, 'headers'>): string | undefined {
  return headerValues(headers, 'content-type')[0];
}

/** The links of the `Link` headers. Relative URLs are resolved against `base`. */
export function contentLinks({ headers }: Pick<ReceivedContent, 'headers'>, base: string): ContentLinks {
  const { hubs, selfs } = linksFromHeaders(headerValues(headers, 'link'), base);
  const [self] = selfs;
  return self === undefined ? { hub: hubs } : { hub: hubs, self };
}

/** All values of a header. `lowerCaseName` is its name in lower case. */
function headerValues(headers: ReceivedContent['headers'], lowerCaseName: string): readonly string[] {
  return headers.flatMap(([name, value]) => (name.toLowerCase() === lowerCaseName ? value : []));
}
