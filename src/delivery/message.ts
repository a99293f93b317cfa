import { createHash, randomUUID } from 'node:crypto';
import type { FeedEntry, ParsedFeed } from '../feed/feed.js';
import type { Document } from '../feed/document.js';
import { parseFeed } from '../feed/parse.js';
import { parseJson } from '../feed/parse-json.js';
import { decodeText } from '../protocol/charset.js';
import { linksFromHeaders } from '../protocol/link-header.js';
import { parseMediaType } from '../protocol/media-type.js';
import type { Grant, Subscription } from '../subscription/snapshot.js';
import { observed, type Awaitable } from './after.js';
import { EntriesReader } from './event-entries.js';
import type { Piece } from './piece.js';
import type { ContentLinks, EventSource, GenuineContent, ReceptionContext } from './received-content.js';

let abortOf: (event: ContentDistributionMessage) => void;
let readerOf: (event: ContentDistributionMessage) => EntriesReader;
let usedReaderOf: (event: ContentDistributionMessage) => EntriesReader | undefined;

/**
 * One piece of news as the hub sent it (WebSub section 7). Nothing of it is parsed before it is asked for; what does not
 * parse throws, or rejects, where it is asked for.
 */
export class ContentDistributionMessage {
  readonly #content: GenuineContent;
  readonly #reception: ReceptionContext;
  #raw: Uint8Array | undefined;
  #id: string | undefined;
  #digest: string | undefined;
  #headers: Headers | undefined;
  #subscription: Subscription | undefined;
  #grant: Grant | undefined;
  #text: string | undefined;
  #reader: EntriesReader | undefined;
  #controller: AbortController | undefined;
  #isAborted: boolean;

  static {
    abortOf = (event) => event.#abort();
    readerOf = (event) => event.#entriesReader();
    usedReaderOf = (event) => event.#reader;
  }

  /** @internal */
  constructor(content: GenuineContent, reception: ReceptionContext) {
    this.#content = content;
    this.#reception = reception;
    this.#isAborted = reception.isAborted;
  }

  /** Unique per reception, and the same on every retry of it. */
  get id(): string {
    return (this.#id ??= this.#reception.id ?? randomUUID());
  }

  /** SHA-256 of subscription and body, in hex: equal news of one subscription has equal digests, however it was encoded. */
  get digest(): string {
    const { subscriptionId } = this.#reception;
    return (this.#digest ??= createHash('sha256')
      .update(subscriptionId)
      .update('\n')
      .update(this.bytes())
      .digest('hex'));
  }

  /** The subscription it came for, as it stood when the handler was called. */
  get subscription(): Subscription {
    return (this.#subscription ??= this.#reception.subscription());
  }

  /** The grant it came under. */
  get grant(): Grant {
    return (this.#grant ??= this.#reception.grant());
  }

  /** The headers it was sent with. */
  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#content.headers));
  }

  /** The media type alone, lower-case: `application/atom+xml`. Empty where the hub sent none. */
  get contentType(): string {
    return parseMediaType(this.#values('content-type')[0]).type;
  }

  /** The links of its `Link` headers. They say nothing of which subscription it is for: the callback does. */
  get links(): ContentLinks {
    const { hubs, selfs } = linksFromHeaders(this.#values('link'), this.grant.topic);
    const [self] = selfs;
    return self === undefined ? { hub: hubs } : { hub: hubs, self };
  }

  /** When it was received. */
  get receivedAt(): Date {
    return new Date(this.#reception.receivedAt);
  }

  /** Which run of the handler this is, from 1. */
  get attempt(): number {
    return this.#reception.attempt;
  }

  /** Where it came from. What was fetched from the topic has its present content, whole; `entries()` are what is news of it. */
  get source(): EventSource {
    return this.#reception.source;
  }

  /** Aborted when the runtime stops and waits no longer. Each run of the handler has its own. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#abort();
    return this.#controller.signal;
  }

  /** The bytes as they were sent and signed. */
  get raw(): Uint8Array {
    return (this.#raw ??= withoutBuffer(this.#content.raw));
  }

  /** Whether it has a `Content-Encoding` that could not be undone: `bytes()` are then the bytes as sent. */
  get undecodable(): boolean {
    return this.#content.undecodable === true;
  }

  /** The bytes without their `Content-Encoding`. */
  bytes(): Uint8Array {
    const { decoded } = this.#content;
    return decoded === undefined ? this.raw : withoutBuffer(decoded);
  }

  /**
   * The text: decoded by its byte order mark, the `charset` of its type, its XML declaration, else as UTF-8; without
   * the mark.
   */
  text(): string {
    return (this.#text ??= decodeText(this.bytes(), this.#values('content-type')[0]));
  }

  /**
   * The body as JSON.
   *
   * @throws SyntaxError where it is not
   * @throws RangeError where it is nested more than 512 deep
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects
  json<T = unknown>(): T {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller says what it expects
    return parseJson(this.text()) as T;
  }

  /** The body as a form. */
  form(): URLSearchParams {
    return new URLSearchParams(this.text());
  }

  /**
   * The body as a feed: Atom (RFC 4287), RSS 0.9x and 2.0, RSS 1.0 and 0.90 in RDF, or JSON Feed, whatever its type says.
   * One that takes long to parse is parsed in another thread.
   *
   * @throws SyntaxError where it is none
   * @throws RangeError where it has more than 50,000 entries or 500,000 elements, or takes too much memory or time
   */
  feed(): Promise<ParsedFeed> {
    return observed(Promise.resolve(this.#document()).then(parseFeed));
  }

  /**
   * The entries of the body, and how each compares with what the handler had of it before (`change`). None where the body is
   * no feed: JSON of another kind, a page, text. A body that takes long to parse is parsed in another thread.
   *
   * @example
   * ```ts
   * for (const { title, url, change } of await event.entries()) console.log(change, title, url);
   * ```
   * @throws SyntaxError where it is broken, or XML that is no feed
   * @throws RangeError where it has more than 50,000 entries or 500,000 elements, or takes too much memory or time
   */
  entries(): Promise<readonly FeedEntry[]> {
    return observed(
      this.#entriesReader()
        .read()
        .then(({ entries }) => entries),
    );
  }

  /**
   * The body by its type: JSON as a value, a form as a record (a repeated field's last value), text and XML as a string,
   * anything else as bytes.
   *
   * @throws SyntaxError where the type says JSON and the body is not
   */
  get content(): unknown {
    const { contentType } = this;
    if (contentType === 'application/json' || contentType.endsWith('+json')) return this.json();
    if (contentType === 'application/x-www-form-urlencoded') return Object.fromEntries(this.form());
    if (contentType.startsWith('text/') || contentType === 'application/xml' || contentType.endsWith('+xml')) {
      return this.text();
    }
    return this.bytes();
  }

  /** Of a header by its lower-case name. */
  #values(wanted: string): readonly string[] {
    return this.#content.headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? value : []));
  }

  #document(): Document {
    const { subscriptionId } = this.#reception;
    const contentType = this.#values('content-type')[0];
    return { bytes: this.bytes(), contentType, baseUrl: this.grant.topic, subscriptionId };
  }

  #entriesReader(): EntriesReader {
    return (this.#reader ??= new EntriesReader(this.#document(), this.#reception));
  }

  #abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}

/** Aborts the signal of an event. */
export function abortSignalOf(event: ContentDistributionMessage): void {
  abortOf(event);
}

/**
 * What tells the entries of an event from others; at once where that takes little time.
 *
 * @throws what reading them throws
 */
export function piecesIn(event: ContentDistributionMessage): Awaitable<readonly Piece[]> {
  return readerOf(event).pieces();
}

/** The same, where the handler has asked for the entries; undefined where it has not. Rejects where they cannot be read. */
export function readPiecesOf(event: ContentDistributionMessage): Awaitable<readonly Piece[]> | undefined {
  return usedReaderOf(event)?.readPieces;
}

/** A view on the same bytes that behaves as they do when they come from a store. */
function withoutBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
}

function headersOf(pairs: GenuineContent['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}
