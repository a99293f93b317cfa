/**
 * How the hub verifies intent (WebSub section 5.3):
 * `async` after the request was answered; `sync` while it is still open; `never`; `wrong-topic` with a topic nobody asked
 * for, which a subscriber must refuse; `wrong-challenge` with a challenge that no echo satisfies: the hub takes even the
 * right echo for a wrong one, so the subscriber confirms and yet stays unverified.
 */
export type VerifyMode = 'async' | 'sync' | 'never' | 'wrong-topic' | 'wrong-challenge';

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
  /** Before a subscription request is answered. @default 0 */
  readonly answer?: number;
  /** Before a verification or denial is sent. @default 0 */
  readonly verification?: number;
  /** Before content is sent to a callback. @default 0 */
  readonly content?: number;
  /** Before a GET of a topic is answered. @default 0 */
  readonly topic?: number;
}

/** A status the hub answers subscription requests with instead of serving them. */
export interface RequestFailure {
  readonly status: number;
  /** How many requests fail before the hub serves them again. @default Infinity */
  readonly times?: number;
  /** `Retry-After`: seconds, or a date. @default none */
  readonly retryAfter?: number | Date;
}

/** A redirect the hub answers subscription requests with. */
export interface RequestRedirect {
  readonly status: 307 | 308;
  /** The `Location`, sent as it is: another hub's `url`, say. */
  readonly to: string;
}

/** How a hub behaves, for all topics or for one. What a topic leaves out is as its hub has it. */
export interface HubFaults {
  /** @default 'async', or what the request's `hub.verify` prefers */
  readonly verify?: VerifyMode | undefined;
  /**
   * Seconds granted, whatever was asked for. `'perpetual'` leaves `hub.lease_seconds` out of the verification; a number that
   * is not positive is sent as it is. Neither lapses.
   * @default what the subscriber asks for, else 864_000 (ten days)
   */
  readonly leaseSeconds?: number | 'perpetual' | undefined;
  /** @default 'sha256' ('sha1' for a `pubsubhubbub-0.3` hub) */
  readonly algorithm?: SignatureMethod | undefined;
  /** @default 'valid' */
  readonly signature?: SignatureFault | undefined;
  /** One number holds back everything. @default 0 */
  readonly delayMs?: number | HubDelays | undefined;
  /** The reason each subscription request is denied with, after a 202. `''` sends none, `false` denies nothing. @default false */
  readonly deny?: string | false | undefined;
  /** `false` fails nothing. @default false */
  readonly fail?: RequestFailure | false | undefined;
  /** `false` redirects nothing. @default false */
  readonly redirect?: RequestRedirect | false | undefined;
}
