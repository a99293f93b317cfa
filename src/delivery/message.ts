import { createHash, randomUUID } from 'node:crypto';
import { DECLARATION_BYTES, detectEncoding } from '../protocol/charset.js';
import { linksFromHeaders } from '../protocol/link-header.js';
import { parseMediaType, type MediaType } from '../protocol/media-type.js';
import type { Grant, Subscription } from '../subscription/snapshot.js';

/** Where news came from. */
export type EventSource = 'hub';

/** What an event is made from; everything else is worked out when it is asked for. */
export interface ReceivedContent {
  /** Where it was stored before: the id it has. */
  readonly id?: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  /** The bytes without their `Content-Encoding`, where they had one that could be undone. */
  readonly decoded?: Uint8Array | undefined;
  /** Whether there is a `Content-Encoding` that could not be undone. */
  readonly undecodable?: boolean | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly attempt: number;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: boolean;
  readonly subscriptionId: string;
  readonly subscription: () => Subscription;
  readonly grant: () => Grant;
}

/** The hub and topic links a content distribution carries (WebSub section 7). */
export interface ContentLinks {
  readonly hub: readonly string[];
  readonly self?: string;
}

let abortOf: (event: ContentDistributionMessage) => void;

/**
 * One piece of news as the hub sent it (WebSub section 7). Nothing of it is parsed before it is asked for; what does not
 * parse throws where it is asked for.
 */
export class ContentDistributionMessage {
  readonly #content: ReceivedContent;
  #raw: Uint8Array | undefined;
  #id: string | undefined;
  #digest: string | undefined;
  #headers: Headers | undefined;
  #subscription: Subscription | undefined;
  #grant: Grant | undefined;
  #text: string | undefined;
  #controller: AbortController | undefined;
  #isAborted: boolean;

  static {
    abortOf = (event) => event.#abort();
  }

  /** @internal */
  constructor(content: ReceivedContent) {
    this.#content = content;
    this.#isAborted = content.isAborted;
  }

  /** Unique per reception, and the same on every retry of it. */
  get id(): string {
    return (this.#id ??= this.#content.id ?? randomUUID());
  }

  /** SHA-256 of subscription and body, in hex: equal news of one subscription has equal digests, however it was encoded. */
  get digest(): string {
    const { subscriptionId } = this.#content;
    return (this.#digest ??= createHash('sha256')
      .update(subscriptionId)
      .update('\n')
      .update(this.bytes())
      .digest('hex'));
  }

  /** The subscription it came for, as it stood when the handler was called. */
  get subscription(): Subscription {
    return (this.#subscription ??= this.#content.subscription());
  }

  /** The grant it came under. */
  get grant(): Grant {
    return (this.#grant ??= this.#content.grant());
  }

  /** The headers it was sent with. */
  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#content.headers));
  }

  /** The media type alone, lower-case: `application/atom+xml`. Empty where the hub sent none. */
  get contentType(): string {
    return this.#mediaType.type;
  }

  /** The links of its `Link` headers. They say nothing of which subscription it is for: the callback does. */
  get links(): ContentLinks {
    const { hubs, selfs } = linksFromHeaders(this.#values('link'), this.grant.topic);
    const [self] = selfs;
    return self === undefined ? { hub: hubs } : { hub: hubs, self };
  }

  /** When it was received. */
  get receivedAt(): Date {
    return new Date(this.#content.receivedAt);
  }

  /** Which run of the handler this is, from 1. */
  get attempt(): number {
    return this.#content.attempt;
  }

  /** Where it came from. */
  get source(): EventSource {
    return 'hub';
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
    if (this.#text !== undefined) return this.#text;
    const { type, charset } = this.#mediaType;
    const bytes = this.bytes();
    const isJson = type === 'application/json' || type.endsWith('+json');
    const encoding = detectEncoding(bytes.subarray(0, DECLARATION_BYTES), isJson ? 'utf-8' : charset);
    return (this.#text = new TextDecoder(encoding).decode(bytes));
  }

  /**
   * The body as JSON.
   *
   * @throws SyntaxError where it is not
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects
  json<T = unknown>(): T {
    const value: T = JSON.parse(this.text());
    return value;
  }

  /** The body as a form. */
  form(): URLSearchParams {
    return new URLSearchParams(this.text());
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

  get #mediaType(): MediaType {
    return parseMediaType(this.#values('content-type')[0]);
  }

  /** Of a header by its lower-case name. */
  #values(wanted: string): readonly string[] {
    return this.#content.headers.flatMap(([name, value]) => (name.toLowerCase() === wanted ? value : []));
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

/** A view on the same bytes that behaves as they do when they come from a store. */
function withoutBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
}

function headersOf(pairs: ReceivedContent['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}
