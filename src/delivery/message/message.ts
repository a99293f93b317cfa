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

/** What a handler's event is made from besides its content and its facts. */
export interface MessageContext
  extends Pick<StoredSubscription, 'record' | 'counters'>, Pick<EntriesContext, 'changeOf'> {
  readonly grant: GrantRecord;
  readonly attempt: number;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: boolean;
}

/** Aborts the signal of an event. */
let abortEvent: (event: ContentDistributionMessage) => void;

/** The event is in hand no more: when its entries are read later, that claims none of them. */
let closeEvent: (event: ContentDistributionMessage) => ContentDistributionMessage;

/** The keys and versions of an event's entries; no promise where parsing takes little time. Throws the parser's error. */
let entryDedupeKeys: (event: ContentDistributionMessage) => Awaitable<readonly DedupeKey[]>;

/** The same, where the handler has asked for the entries; undefined where it has not. Rejects where they cannot be read. */
let dedupeKeysOfReadEntries: (event: ContentDistributionMessage) => Awaitable<readonly DedupeKey[]> | undefined;

/**
 * One piece of news as the hub sent it (WebSub section 7). Nothing of it is parsed before it is asked for; what does not
 * parse throws, or rejects, where it is asked for.
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

  /** Unique per reception, and the same on every retry of it. */
  get id(): string {
    return (this.#meta.id ??= randomUUID());
  }

  /** SHA-256 of subscription and body, in hex: equal news of one subscription has equal digests, however it was encoded. */
  get digest(): string {
    return (this.#digest ??= contentDigest(this.#meta.subscriptionId, this.bytes()));
  }

  /** The subscription it came for, as it stood when the handler was called. */
  get subscription(): Subscription {
    const { record, counters } = this.#context;
    return (this.#subscription ??= subscriptionSnapshot(record, counters.stats()));
  }

  /** The grant it came under. */
  get grant(): Grant {
    return (this.#grant ??= grantSnapshot(this.#context.grant));
  }

  /** The headers it was sent with. */
  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#content.headers));
  }

  /** The media type alone, lower-case: `application/atom+xml`. Empty where the hub sent none. */
  get contentType(): string {
    return parseMediaType(contentTypeOf(this.#content)).type;
  }

  /** The links of its `Link` headers. They say nothing of which subscription it is for: the callback does. */
  get links(): ContentLinks {
    return contentLinks(this.#content, this.#base);
  }

  /** When it was received. */
  get receivedAt(): Date {
    return new Date(this.#meta.receivedAt);
  }

  /** Which run of the handler this is, from 1. */
  get attempt(): number {
    return this.#context.attempt;
  }

  /** Where it came from. What was fetched from the topic has its present content, whole; `entries()` are what is news of it. */
  get source(): EventSource {
    return this.#meta.source ?? 'hub';
  }

  /** Aborted when the runtime stops and waits no longer. Each run of the handler has its own. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }

  /** The bytes as they were sent and signed. */
  get raw(): Uint8Array {
    return (this.#raw ??= toUint8Array(this.#content.raw));
  }

  /** Whether it has a `Content-Encoding` that could not be undone: `bytes()` are then the bytes as sent. */
  get undecodable(): boolean {
    return this.#content.undecodable === true;
  }

  /** The bytes without their `Content-Encoding`. */
  bytes(): Uint8Array {
    const { decoded } = this.#content;
    return decoded === undefined ? this.raw : toUint8Array(decoded);
  }

  /**
   * The text: decoded by its byte order mark, the `charset` of its type, its XML declaration, else as UTF-8; without
   * the mark.
   */
  text(): string {
    return (this.#text ??= decodeText(this.bytes(), contentTypeOf(this.#content)));
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

  /**
   * The JSON body as a schema puts it out: zod, valibot, arktype, or any other Standard Schema.
   *
   * @throws UnrecoverableEventError where the body is no JSON or does not match; thrown on, it makes the event a dead letter
   * @throws RangeError as `json()` does, and TypeError where it is given no schema: thrown on, the event is tried again
   */
  parse<Output>(schema: StandardSchema<Output>): Promise<Output> {
    return parseWithSchema(schema, () => this.json());
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
    return suppressUnhandledRejection(Promise.resolve(this.#document()).then(parseFeed));
  }

  /**
   * The entries of the body. `change` compares each with what the handler had before: a copy of an entry in hand elsewhere is
   * `unchanged`. None where the body is no feed. A body that takes long to parse is parsed in another thread.
   *
   * @example
   * ```ts
   * for (const { title, url, change } of await event.entries()) console.log(change, title, url);
   * ```
   * @throws SyntaxError where it is broken, or XML that is no feed
   * @throws RangeError where it has more than 50,000 entries or 500,000 elements, or takes too much memory or time
   */
  entries(): Promise<readonly FeedEntry[]> {
    return suppressUnhandledRejection(this.#entriesReader().entries());
  }

  /**
   * The body by its type: JSON as a value, a form as a record (a repeated field's last value), text and XML as a string,
   * anything else as bytes.
   *
   * @throws SyntaxError where the type says JSON and the body is not
   */
  get content(): unknown {
    return contentByType(this);
  }

  /** A summary for a log: the text is cut, and no secret or callback is in it. `JSON.stringify(event)` writes it. */
  toJSON(): EventSummary {
    return eventSummary(this, contentTypeOf(this.#content));
  }

  /** Shows the same summary in `console.log(event)`. */
  [INSPECT](): object {
    return viewNamed('ContentDistributionMessage', this.toJSON());
  }

  /** The base of relative links. */
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
    return (this.#reader ??= new EntriesReader(this.#document(), { newEntryKeys: newEntryKeys, changeOf, claimant }));
  }
}

/** The body of an event as its media type says it is. */
function contentByType(event: ContentDistributionMessage): unknown {
  const { contentType } = event;
  if (isJsonType(contentType)) return event.json();
  if (contentType === FORM_TYPE) return Object.fromEntries(event.form());
  if (isTextType(contentType)) return event.text();
  return event.bytes();
}

export {
  abortEvent as abortSignalOf,
  closeEvent,
  entryDedupeKeys as piecesIn,
  dedupeKeysOfReadEntries as readPiecesOf,
};
