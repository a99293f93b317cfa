import type { Delivery } from '../delivery/delivery.js';
import type { ReceivedRequest } from '../subscriptions/received-request.js';

/** What a subscription request can do wrong (WebSub section 5.1, PROTOCOL S1). */
export type RequestViolationCode =
  /** Another method than POST at the hub's URL (a redirect followed as GET, say). */
  | 'not-a-post'
  | 'content-type'
  | 'not-utf-8'
  | 'missing-callback'
  | 'missing-mode'
  | 'missing-topic'
  /** `hub.mode` is neither `subscribe` nor `unsubscribe`. */
  | 'unknown-mode'
  /** A parameter of the protocol given twice. */
  | 'duplicate-parameter'
  /** Not an absolute http or https URL. */
  | 'callback-not-a-url'
  | 'topic-not-a-url'
  /** A fragment in the callback or topic: it never reaches a server. */
  | 'url-with-fragment'
  /** Not a positive whole number of seconds. */
  | 'lease-seconds'
  /** 200 bytes or more. */
  | 'secret-too-long'
  | 'secret-empty'
  /** A secret in a plain HTTP request to a host other than loopback. */
  | 'secret-over-plain-http'
  /** A callback already in use for another topic: callbacks are to be unique per subscription. */
  | 'callback-shared'
  /** Unsubscribing what was never subscribed. */
  | 'unsubscribe-unknown'
  /** No `hub.verify`, at a `pubsubhubbub-0.3` hub. */
  | 'missing-verify'
  /** A `hub.verify` that is neither `async` nor `sync`. */
  | 'unknown-verify';

/** What an answer to the hub's verification can do wrong (WebSub section 5.3.1). */
export type AnswerViolationCode =
  /** A topic nobody asked for was confirmed. */
  | 'confirmed-wrong-topic'
  /** A verification with the other `hub.mode` than asked for was confirmed. */
  | 'confirmed-wrong-mode'
  /** An unsubscription nobody asked for was confirmed. */
  | 'confirmed-unasked-unsubscription'
  /** A 2xx answer whose body is not the challenge. */
  | 'challenge-not-echoed';

/** Something a subscriber did against the specification. */
export interface Violation {
  readonly code: RequestViolationCode | AnswerViolationCode;
  /** What was wrong, for a person. Never a secret. */
  readonly message: string;
  /** The request that did it, where it was a request. */
  readonly request?: ReceivedRequest;
  /** The hub's request whose answer did it, where it was an answer. */
  readonly delivery?: Delivery;
}
