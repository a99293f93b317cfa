import type { RateLimit, RequestAcceptance, RequestDenial, RequestFailure, RequestRedirect } from './request-faults.js';

/**
 * How the hub verifies intent (WebSub section 5.3):
 * `async` after the request was answered; `sync` while it is still open, and so with denials; `never`; `unchecked` takes the
 * request as verified without a call of the callback; `wrong-topic` with a topic nobody asked for, which a subscriber must
 * refuse; `wrong-mode` with the other `hub.mode`, which it must refuse too; `wrong-challenge` with a challenge that no echo
 * satisfies: the hub takes even the right echo for a wrong one, so the subscriber confirms and yet stays unverified.
 */
export type VerifyMode = 'async' | 'sync' | 'never' | 'unchecked' | 'wrong-topic' | 'wrong-mode' | 'wrong-challenge';

/** A mode for each kind of request. */
export interface VerifyModes {
  /** @default 'async', or what the request's `hub.verify` prefers */
  readonly subscriptions?: VerifyMode;
  /** @default 'async', or what the request's `hub.verify` prefers */
  readonly unsubscriptions?: VerifyMode;
}

/** A method of `X-Hub-Signature` (WebSub section 7.1). */
export type SignatureMethod = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/**
 * What stands in `X-Hub-Signature`: `valid` the content's own; `wrong` one made with another secret; `missing` no header at
 * all; `malformed` the right digest without its method. `wrong` and `malformed` are sent to subscribers without a secret
 * too, `valid` never is.
 */
export type SignatureFault = 'valid' | 'wrong' | 'missing' | 'malformed';

/** Milliseconds the hub holds things back. */
export interface HubDelays {
  /** Before a subscription request is answered, and after a `sync` verification. @default 0 */
  readonly answer?: number;
  /** Before a verification or denial is sent. @default 0 */
  readonly verification?: number;
  /** Before content is sent to a callback. @default 0 */
  readonly content?: number;
  /** Before a GET of a topic is answered. @default 0 */
  readonly topic?: number;
}

/** How a hub behaves, for all topics or for one. What a topic leaves out is as its hub has it. */
export interface HubFaults {
  /** One mode for all requests, or one for each kind. @default 'async', or what the request's `hub.verify` prefers */
  readonly verify?: VerifyMode | VerifyModes | undefined;
  /** How often each verification is sent, one after the other, each with its own challenge. @default 1 */
  readonly verifyTimes?: number | undefined;
  /**
   * Seconds granted, whatever was asked for. `'perpetual'` leaves `hub.lease_seconds` out of the verification; a number that
   * is not positive is sent as it is. Neither lapses.
   * @default what the subscriber asks for, else 864_000 (ten days)
   */
  readonly leaseSeconds?: number | 'perpetual' | undefined;
  /** The `hub.lease_seconds` sent in place of the seconds granted; `false` sends none. @default the seconds granted */
  readonly announcedLease?: number | string | false | undefined;
  /** Parameters without which a request is answered 400: `['hub.verify']`. @default [] */
  readonly requires?: readonly string[] | undefined;
  /** How an accepted request is answered, also where a `sync` verification failed. @default 202, and 409 where it failed */
  readonly accept?: RequestAcceptance | undefined;
  /** `false` limits nothing. @default false */
  readonly rateLimit?: RateLimit | false | undefined;
  /**
   * The denial, or its reason, that subscription requests get after a 202. `''` gives no reason, `false` denies nothing.
   * @default false
   */
  readonly deny?: string | RequestDenial | false | undefined;
  /** `false` fails nothing. @default false */
  readonly fail?: RequestFailure | false | undefined;
  /** `false` redirects nothing. @default false */
  readonly redirect?: RequestRedirect | false | undefined;
  /** When a renewal's secret replaces the one that content is signed with. @default 'verification' */
  readonly secretFrom?: 'verification' | 'request' | undefined;
  /** @default 'sha256' ('sha1' for a `pubsubhubbub-0.3` hub) */
  readonly algorithm?: SignatureMethod | undefined;
  /** @default 'valid' */
  readonly signature?: SignatureFault | undefined;
  /** Whether nothing is delivered. A GET of a topic still shows what was published. @default false */
  readonly silent?: boolean | undefined;
  /** How often content is sent again, at once, after an answer other than 2xx and 410. @default 0 */
  readonly retries?: number | undefined;
  /** Whether content that is not answered 2xx in the end ends the subscription. @default false */
  readonly dropOnFailure?: boolean | undefined;
  /** One number holds back everything. @default 0 */
  readonly delayMs?: number | HubDelays | undefined;
}
