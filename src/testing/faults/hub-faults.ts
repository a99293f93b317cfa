import type { RateLimit, RequestAcceptance, RequestDenial, RequestFailure, RequestRedirect } from './request-faults.js';

/**
 * How the hub verifies intent (WebSub section 5.3):
 * - `async`: after responding to the request.
 * - `sync`: while the request is still open. Denials are sent then, too.
 * - `never`: not at all. A new subscription stays pending.
 * - `unchecked`: treats the request as verified without calling the callback.
 * - `wrong-topic`: with a topic the subscriber did not request. The subscriber must refuse it.
 * - `wrong-mode`: with the opposite `hub.mode`. The subscriber must refuse it.
 * - `wrong-challenge`: rejects every echo, even the correct one. The subscriber confirms but stays unverified.
 */
export type VerifyMode = 'async' | 'sync' | 'never' | 'unchecked' | 'wrong-topic' | 'wrong-mode' | 'wrong-challenge';

/** One mode per kind of request. */
export interface VerifyModes {
  /** Mode for subscribe requests. @default 'async', or the preference in the request's `hub.verify` */
  readonly subscriptions?: VerifyMode;
  /** Mode for unsubscribe requests. @default 'async', or the preference in the request's `hub.verify` */
  readonly unsubscriptions?: VerifyMode;
}

/** Signature method of `X-Hub-Signature` (WebSub section 7.1). */
export type SignatureMethod = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/**
 * The value of `X-Hub-Signature`:
 * - `valid`: the correct signature. Without a secret, no header is sent.
 * - `wrong`: a signature made with another secret. Also sent when the subscriber has no secret.
 * - `missing`: no header.
 * - `malformed`: the correct digest without its method. Also sent when the subscriber has no secret.
 */
export type SignatureFault = 'valid' | 'wrong' | 'missing' | 'malformed';

/** Milliseconds the hub delays its messages. */
export interface HubDelays {
  /** Before the hub responds to a subscription request; with `sync`, after the verification. @default 0 */
  readonly answer?: number;
  /** Before a verification or denial is sent. @default 0 */
  readonly verification?: number;
  /** Before content is sent to a callback. @default 0 */
  readonly content?: number;
  /** Before a GET of a topic is answered. @default 0 */
  readonly topic?: number;
}

/**
 * Faults of a hub, or of one topic. A field that a topic leaves out comes from its hub.
 *
 * @example
 * const hub = await TestHub.start({ rateLimit: { requests: 1, perSeconds: 60 }, signature: 'wrong' });
 */
export interface HubFaults {
  /** One mode for all requests, or one per kind. @default 'async', or the preference in the request's `hub.verify` */
  readonly verify?: VerifyMode | VerifyModes | undefined;
  /** Number of times each verification is sent, one after another, each with a new challenge. @default 1 */
  readonly verifyTimes?: number | undefined;
  /**
   * Seconds granted, regardless of the request. `'perpetual'` leaves `hub.lease_seconds` out of the verification. A
   * number that is not positive is sent unchanged. Such leases never expire.
   * @default the requested lease, else 864_000 (ten days)
   */
  readonly leaseSeconds?: number | 'perpetual' | undefined;
  /** `hub.lease_seconds` to send in place of the granted seconds; `false` sends none. @default the seconds granted */
  readonly announcedLease?: number | string | false | undefined;
  /** Required parameters: a request without them gets 400. Example: `['hub.verify']`. @default [] */
  readonly requires?: readonly string[] | undefined;
  /**
   * The response to an accepted request, even when its `sync` verification failed.
   * @default as in `RequestAcceptance`; 409 when the verification failed
   */
  readonly accept?: RequestAcceptance | undefined;
  /** Rate limit for subscription requests; `false` limits nothing. @default false */
  readonly rateLimit?: RateLimit | false | undefined;
  /**
   * A denial of accepted subscription requests, or only its reason. `''` denies without a reason; `false` denies
   * nothing.
   * @default false
   */
  readonly deny?: string | RequestDenial | false | undefined;
  /** Failure that requests are answered with; `false` fails nothing. @default false */
  readonly fail?: RequestFailure | false | undefined;
  /** Redirect that requests are answered with; `false` redirects nothing. @default false */
  readonly redirect?: RequestRedirect | false | undefined;
  /** When the secret of a renewal becomes the one that signs content. @default 'verification' */
  readonly secretFrom?: 'verification' | 'request' | undefined;
  /** Signature method of content. @default 'sha256' ('sha1' for a `pubsubhubbub-0.3` hub) */
  readonly algorithm?: SignatureMethod | undefined;
  /** Signature sent with content. @default 'valid' */
  readonly signature?: SignatureFault | undefined;
  /** Delivers nothing. A GET of a topic still shows the published body. @default false */
  readonly silent?: boolean | undefined;
  /** Immediate retries of content after any response other than 2xx and 410. @default 0 */
  readonly retries?: number | undefined;
  /** Ends the subscription when content is not answered 2xx after all retries. @default false */
  readonly dropOnFailure?: boolean | undefined;
  /** Delays of the hub's messages, in milliseconds. One number delays every kind. @default 0 */
  readonly delayMs?: number | HubDelays | undefined;
}
