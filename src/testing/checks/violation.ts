import type { Delivery } from '../delivery/delivery.js';
import type { ReceivedRequest } from '../subscriptions/received-request.js';

/** Violations in a subscription request (WebSub section 5.1, PROTOCOL S1). */
export type RequestViolationCode =
  /** A method other than POST at the hub's URL, for example after a redirect followed as GET. */
  | 'not-a-post'
  | 'content-type'
  | 'not-utf-8'
  | 'missing-callback'
  | 'missing-mode'
  | 'missing-topic'
  /** `hub.mode` is neither `subscribe` nor `unsubscribe`. */
  | 'unknown-mode'
  /** A protocol parameter appears twice. */
  | 'duplicate-parameter'
  /** Not an absolute http or https URL. */
  | 'callback-not-a-url'
  | 'topic-not-a-url'
  /** The callback or topic has a fragment, which never reaches a server. */
  | 'url-with-fragment'
  /** Not a positive whole number of seconds. */
  | 'lease-seconds'
  /** The secret has 200 bytes or more. */
  | 'secret-too-long'
  | 'secret-empty'
  /** A secret arrived in a plain HTTP request to a host other than loopback. */
  | 'secret-over-plain-http'
  /** The callback is already in use for another topic. Callbacks must be unique per subscription. */
  | 'callback-shared'
  /** An unsubscribe request for a subscription that was never requested. */
  | 'unsubscribe-unknown'
  /** No `hub.verify`, at a `pubsubhubbub-0.3` hub. */
  | 'missing-verify'
  /** A `hub.verify` that is neither `async` nor `sync`. */
  | 'unknown-verify';

/** Violations in a response to the hub's verification (WebSub section 5.3.1). */
export type AnswerViolationCode =
  /** The subscriber confirmed a topic it did not request. */
  | 'confirmed-wrong-topic'
  /** The subscriber confirmed a verification whose `hub.mode` is the opposite of the requested one. */
  | 'confirmed-wrong-mode'
  /** The subscriber confirmed an unsubscription it did not request. */
  | 'confirmed-unasked-unsubscription'
  /** A 2xx response whose body is not the challenge. */
  | 'challenge-not-echoed';

/** A violation of the specification by a subscriber. */
export interface Violation {
  readonly code: RequestViolationCode | AnswerViolationCode;
  /** Description for a person. Never contains a secret. */
  readonly message: string;
  /** The offending request, for a violation in a request. */
  readonly request?: ReceivedRequest;
  /** The delivery with the offending response, for a violation in a response. */
  readonly delivery?: Delivery;
}
