import { createHash } from 'node:crypto';
import { linksFromHeaders } from '../../protocol/links/link-header.js';

/**
 * Where news came from: a hub; the topic itself, fetched after a gap (`delivery.catchUp`); or the topic, polled
 * (`delivery.pollSeconds`), where the hub had not sent it.
 */
export type EventSource = 'hub' | 'catch-up' | 'poll';

/** Genuine content: the bytes and headers of an event. */
export interface ReceivedContent {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  /** The URL it was fetched from, which is the base of relative links then; absent for content that a hub sent. */
  readonly url?: string | undefined;
  /** The bytes without their `Content-Encoding`; absent without one, or when it cannot be undone. */
  readonly decoded?: Uint8Array | undefined;
  /** Whether the content has a `Content-Encoding` that cannot be undone. */
  readonly undecodable?: boolean | undefined;
}

/** SHA-256 of a subscription and a body, in hex. */
export function contentDigest(subscriptionId: string, body: Uint8Array): string {
  return createHash('sha256').update(subscriptionId).update('\n').update(body).digest('hex');
}

/** A view on the same bytes that behaves as they do when they come from a store. */
export function toUint8Array(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
}

/** The headers of received content. */
export function headersOf(pairs: ReceivedContent['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}

/** The hub and topic links a content distribution carries (WebSub section 7). */
export interface ContentLinks {
  readonly hub: readonly string[];
  readonly self?: string;
}

/** The `Content-Type` header as it was sent, with its parameters; the first of several. */
export function contentTypeOf({ headers }: Pick<ReceivedContent, 'headers'>): string | undefined {
  return headerValues(headers, 'content-type')[0];
}

/** The links of the `Link` headers. Relative ones are resolved against `base`. */
export function contentLinks({ headers }: Pick<ReceivedContent, 'headers'>, base: string): ContentLinks {
  const { hubs, selfs } = linksFromHeaders(headerValues(headers, 'link'), base);
  const [self] = selfs;
  return self === undefined ? { hub: hubs } : { hub: hubs, self };
}

/** All values of the header with this lower-case name. */
function headerValues(headers: ReceivedContent['headers'], wanted: string): readonly string[] {
  return headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? value : []));
}
