import { createHash } from 'node:crypto';
import { linksFromHeaders } from '../../protocol/links/link-header.js';
import type { Grant, Subscription } from '../../subscription/record/snapshot.js';
import type { EntriesContext } from './event-entries.js';

/**
 * Where news came from: a hub; the topic itself, fetched after a gap (`delivery.catchUp`); or the topic, polled
 * (`delivery.pollSeconds`), where the hub had not sent it.
 */
export type EventSource = 'hub' | 'catch-up' | 'poll';

/** What was received and found genuine. */
export interface GenuineContent {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  /** The URL it was read from, where it was fetched: relative links are relative to that, not to the topic. */
  readonly url?: string | undefined;
  /** The bytes without their `Content-Encoding`, where they had one that could be undone. */
  readonly decoded?: Uint8Array | undefined;
  /** Whether there is a `Content-Encoding` that could not be undone. */
  readonly undecodable?: boolean | undefined;
}

/** SHA-256 of a subscription and a body, in hex. */
export function contentDigest(subscriptionId: string, body: Uint8Array): string {
  return createHash('sha256').update(subscriptionId).update('\n').update(body).digest('hex');
}

/** A view on the same bytes that behaves as they do when they come from a store. */
export function withoutBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
}

/** The headers of received content. */
export function headersOf(pairs: GenuineContent['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}

/** How content was received. Beside it an event is made from nothing: everything else is worked out when it is asked for. */
export interface ReceptionContext extends Pick<EntriesContext, 'subscriptionId' | 'only' | 'changeOf'> {
  /** Where it was stored before: the id it has. */
  readonly id?: string | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly attempt: number;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: boolean;
  readonly source: EventSource;
  readonly subscription: () => Subscription;
  readonly grant: () => Grant;
}

/** The hub and topic links a content distribution carries (WebSub section 7). */
export interface ContentLinks {
  readonly hub: readonly string[];
  readonly self?: string;
}

/** The `Content-Type` header as it was sent, with its parameters; the first of several. */
export function contentTypeOf({ headers }: Pick<GenuineContent, 'headers'>): string | undefined {
  return headerValues(headers, 'content-type')[0];
}

/** The links of the `Link` headers. Relative ones are resolved against `base`. */
export function contentLinks({ headers }: Pick<GenuineContent, 'headers'>, base: string): ContentLinks {
  const { hubs, selfs } = linksFromHeaders(headerValues(headers, 'link'), base);
  const [self] = selfs;
  return self === undefined ? { hub: hubs } : { hub: hubs, self };
}

/** All values of the header with this lower-case name. */
function headerValues(headers: GenuineContent['headers'], wanted: string): readonly string[] {
  return headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? value : []));
}
