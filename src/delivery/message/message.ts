import { randomUUID } from 'node:crypto';
import type { FeedEntry, ParsedFeed } from '../../feed/feed.js';
import type { FeedDocument } from '../../feed/feed-document.js';
import { parseFeed } from '../../feed/parse/parse.js';
import { parseJson } from '../../feed/json/parse-json.js';
import { decodeText } from '../../protocol/encoding/charset.js';
import { FORM_TYPE, isJsonType, isTextType, parseMediaType } from '../../protocol/encoding/media-type.js';
import { INSPECT, viewNamed } from '../../subscription/record/log-view.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import type { Grant, Subscription } from '../../subscription/record/snapshot.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { suppressUnhandledRejection, type Awaitable } from './awaitable.js';
import { EntriesReader, type EntriesContext } from './event-entries.js';
import type { NewEventMeta } from './event-meta.js';
import { eventSummary, type EventSummary } from './event-summary.js';
import { parseWithSchema } from './parse-with-schema.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import {
  contentDigest,
  contentLinks,
  contentTypeOf,
  headersOf,
  toUint8Array,
  type ContentLinks,
  type EventSource,
  type ReceivedContent,
} from './received-content.js';
import type { StandardSchema } from './standard-schema.js';

/** Inputs of an event besides its content and its metadata. */
export interface MessageContext
  extends Pick<StoredSubscription, 'record' | 'counters'>, Pick<EntriesContext, 'changeOf'> {
  readonly grant: GrantRecord;
  readonly attempt: number;
  /** Whether the runtime no longer waits for handlers. */
  readonly isAborted: boolean;
}

/** Aborts the signal of an event. */
let abortEvent: (event: ContentDistributionMessage) => void;

/** Closes an event: reading its entries later claims none of them. Returns the event. */
let closeEvent: (event: ContentDistributionMessage) => ContentDistributionMessage;

/** The dedupe keys of an event's entries. Not a promise if parsing is quick. Throws the parser's error. */
let entryDedupeKeys: (event: ContentDistributionMessage) => Awaitable<readonly DedupeKey[]>;

/** The dedupe keys if the handler has read the entries, otherwise undefined. Rejects if reading them fails. */
let dedupeKeysOfReadEntries: (event: ContentDistributionMessage) => Awaitable<readonly DedupeKey[]> | undefined;

/**
 * One event: a content distribution from a hub (WebSub section 7), or content fetched from the topic. Content is parsed
 * on first use. This use throws or rejects if the content cannot be parsed.
 *
 * @example
 * ```ts
 * async onEventNotification(event: ContentDistributionMessage) {
 *   console.log(event.subscription.id, event.contentType, event.text());
 * }
 * ```
 */
export class ContentDistributionMessage {
  readonly #content: ReceivedContent;
  readonly #meta: NewEventMeta;
  readonly #context: MessageContext;
  #raw: Uint8Array | undefined;
  #digest: string | undefined;
  #headers: Headers | undefined;
  #subscription: Subscription | undefined;
  #grant: Grant | undefined;
  #text: string | undefined;
  #reader: EntriesReader | undefined;
  #controller: AbortController | undefined;
  #isAborted: boolean;
  #isClosed = false;

  static {
    abortEvent = (event) => {
      event.#isAborted = true;
      event.#controller?.abort();
    };
    closeEvent = (event) => {
      event.#isClosed = true;
      return event;
    };
    entryDedupeKeys = (event) => event.#entriesReader().dedupeKeys();
    dedupeKeysOfReadEntries = (event) => event.#reader?.readDedupeKeys;
  }

  /** @internal */
  constructor(content: ReceivedContent, meta: NewEventMeta, context: MessageContext) {
    this.#content = content;
    this.#meta = meta;
    this.#context = context;
    this.#isAborted = context.isAborted;
  }

  /** A unique id. It is the same on every retry. A delivery that the hub sends again gets another id. */
  get id(): string {
    return (this.#meta.id ??= randomUUID());
  }

  /**
   * SHA-256 of the subscription id and the decoded body, in hex. Equal content of one subscription has equal digests,
   * whatever its `Content-Encoding`.
   */
  get digest(): string {
    return (this.#digest ??= contentDigest(this.#meta.subscriptionId, this.bytes()));
  }

  /** The subscription as it was when the handler was called. */
  get subscription(): Subscription {
    const { record, counters } = this.#context;
    return (this.#subscription ??= subscriptionSnapshot(record, counters.stats()));
  }

  /** The grant that the content was received for. */
  get grant(): Grant {
    return (this.#grant ??= grantSnapshot(this.#context.grant));
  }

  /** The headers of the request, or of the response for fetched content. */
  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#content.headers));
  }

  /** The media type in lower case, without parameters: `application/atom+xml`. Empty if the hub sent none. */
  get contentType(): string {
    return parseMediaType(contentTypeOf(this.#content)).type;
  }

  /** The links of the `Link` headers. They do not identify the subscription; the callback does. */
  get links(): ContentLinks {
    return contentLinks(this.#content, this.#base);
  }

  /** When the content was received. */
  get receivedAt(): Date {
    return new Date(this.#meta.receivedAt);
  }

  /** The number of this handler run, from 1. */
  get attempt(): number {
    return this.#context.attempt;
  }

  /** The source of the event. Fetched content is the topic's whole content; `entries()` has only its new entries. */
  get source(): EventSource {
    return this.#meta.source ?? 'hub';
  }

  /** Aborted when the runtime stops waiting for handlers at shutdown. Each handler run has its own signal. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }

  /** The bytes as the hub sent and signed them. For fetched content: the decoded bytes. */
  get raw(): Uint8Array {
    return (this.#raw ??= toUint8Array(this.#content.raw));
  }

  /** Whether the `Content-Encoding` could not be decoded. `bytes()` then returns the bytes as sent. */
  get undecodable(): boolean {
    return this.#content.undecodable === true;
  }

  /** The bytes after the `Content-Encoding` is decoded. */
  bytes(): Uint8Array {
    const { decoded } = this.#content;
    return decoded === undefined ? this.raw : toUint8Array(decoded);
  }

  /**
   * The body as text. The charset comes from the byte order mark, else the `charset` of the content type, else the XML
   * declaration, else it is UTF-8. The text has no byte order mark.
   */
  text(): string {
    return (this.#text ??= decodeText(this.bytes(), contentTypeOf(this.#content)));
  }

  /**
   * The body as JSON.
   *
   * @example
   * ```ts
   * const order = event.json<{ readonly id: number }>();
   * ```
   * @throws SyntaxError if the body is not JSON
   * @throws RangeError if it is nested more than 512 levels deep
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller states the expected type
  json<T = unknown>(): T {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller states the expected type
    return parseJson(this.text()) as T;
  }

  /**
   * Validates the JSON body with a schema and returns the schema's output. Takes zod, valibot, arktype, or any other
   * Standard Schema.
   *
   * @example
   * ```ts
   * const { id } = await event.parse(z.object({ id: z.number() }));
   * ```
   * @throws UnrecoverableEventError if the body is not JSON or does not match. If the handler does not catch it, the
   * event becomes a dead letter.
   * @throws RangeError like `json()`. If the handler does not catch it, the event is retried.
   * @throws TypeError if `schema` is not a Standard Schema. If the handler does not catch it, the event is retried.
   */
  parse<Output>(schema: StandardSchema<Output>): Promise<Output> {
    return parseWithSchema(schema, () => this.json());
  }

  /** The body as a form, whatever its type. */
  form(): URLSearchParams {
    return new URLSearchParams(this.text());
  }

  /**
   * The body as a feed, whatever its type: Atom (RFC 4287), RSS 0.9x and 2.0, RSS 1.0 and 0.90 in RDF, or JSON Feed. A
   * feed that takes long is parsed in another thread.
   *
   * @throws SyntaxError if the body is not a feed
   * @throws RangeError if it has more than 50,000 entries or 500,000 elements, or takes too much memory or time
   */
  feed(): Promise<ParsedFeed> {
    return suppressUnhandledRejection(Promise.resolve(this.#document()).then(parseFeed));
  }

  /**
   * The entries of the body, or none if the body is not a feed. `change` compares each entry with the entries that the
   * handler has processed. A copy of an entry that another event is still processing is `unchanged`. A body that takes
   * long is parsed in another thread.
   *
   * @example
   * ```ts
   * for (const { title, url, change } of await event.entries()) console.log(change, title, url);
   * ```
   * @throws SyntaxError if the body is broken, or is XML but not a feed
   * @throws RangeError if it has more than 50,000 entries or 500,000 elements, or takes too much memory or time
   */
  entries(): Promise<readonly FeedEntry[]> {
    return suppressUnhandledRejection(this.#entriesReader().entries());
  }

  /**
   * The body according to its type: JSON as a value, a form as a record (the last value of a repeated field), text and
   * XML as a string, anything else as bytes.
   *
   * @throws SyntaxError if the type is JSON and the body is not
   * @throws RangeError if the JSON is nested more than 512 levels deep
   */
  get content(): unknown {
    return contentByType(this);
  }

  /** A summary for logs, with the text cut and without secrets and callbacks. `JSON.stringify(event)` writes it. */
  toJSON(): EventSummary {
    return eventSummary(this, contentTypeOf(this.#content));
  }

  /** The same summary, for `console.log(event)`. */
  [INSPECT](): object {
    return viewNamed('ContentDistributionMessage', this.toJSON());
  }

  /** The base URL of relative links. */
  get #base(): string {
    return this.#content.url ?? this.grant.topic;
  }

  #document(): FeedDocument {
    const contentType = contentTypeOf(this.#content);
    return { bytes: this.bytes(), contentType, baseUrl: this.#base, subscriptionId: this.#meta.subscriptionId };
  }

  #entriesReader(): EntriesReader {
    const { newEntryKeys } = this.#meta;
    const { changeOf } = this.#context;
    const claimant = (): string | undefined => (this.#isClosed ? undefined : this.id);
    return (this.#reader ??= new EntriesReader(this.#document(), { newEntryKeys, changeOf, claimant }));
  }
}

/** The body of an event according to its media type. */
function contentByType(event: ContentDistributionMessage): unknown {
  const { contentType } = event;
  if (isJsonType(contentType)) return event.json();
  if (contentType === FORM_TYPE) return Object.fromEntries(event.form());
  if (isTextType(contentType)) return event.text();
  return event.bytes();
}

export { abortEvent, closeEvent, entryDedupeKeys, dedupeKeysOfReadEntries };
