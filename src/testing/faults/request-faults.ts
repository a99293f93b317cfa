import type { ReceivedRequest } from '../subscriptions/received-request.js';

/** A request to the hub as it counts for faults: a renewal asks for a subscription that is active. */
export type RequestKind = 'new' | 'renewals' | 'unsubscriptions';

/** The requests that a fault applies to; `subscriptions` are `new` and `renewals`. */
export type RequestSelection = RequestKind | 'subscriptions';

/** A text, or a function that makes it from the request: to echo a secret, for example. */
export type AnswerBody = string | ((request: ReceivedRequest) => string);

/** Limits a fault to some requests. */
export interface RequestLimits {
  /** The requests it applies to. @default all requests */
  readonly only?: RequestSelection;
  /** How many requests it applies to. @default Infinity */
  readonly times?: number;
}

/** A status the hub answers requests with instead of serving them. */
export interface RequestFailure extends RequestLimits {
  /** `'reset'` cuts the connection instead of answering. */
  readonly status: number | 'reset';
  /** `Retry-After`: seconds, or a date. @default none */
  readonly retryAfter?: number | Date;
  /** The answer's body. @default a text that names the status */
  readonly body?: AnswerBody;
  /**
   * Whether the hub verifies the request while it is open, and fails it afterwards. A confirmed subscription is active.
   * @default false
   */
  readonly verifyFirst?: boolean;
}

/** A redirect the hub answers requests with. */
export interface RequestRedirect extends RequestLimits {
  readonly status: 301 | 302 | 303 | 307 | 308;
  /** The `Location`, sent as it is: another hub's `url`, say. */
  readonly to: string;
}

/** Options of a denial. */
export interface DenyOptions {
  /** Whether an active subscription stays active, so that the hub goes on delivering. @default false */
  readonly keep?: boolean;
}

/** A denial of requests that the hub has accepted. */
export interface RequestDenial extends RequestLimits, DenyOptions {
  /** `hub.reason`; `''` sends none. @default '' */
  readonly reason?: string;
  /** The requests it applies to. @default 'subscriptions' */
  readonly only?: RequestSelection;
  /** Whether the hub verifies first and denies only what is not confirmed. @default false */
  readonly unlessConfirmed?: boolean;
  /** Whether the hub verifies after the denial. @default false */
  readonly thenVerify?: boolean;
}

/** How the hub answers a request that it accepts. */
export interface RequestAcceptance {
  /** @default 202, or 204 after a `sync` verification in PubSubHubbub 0.3's form */
  readonly status?: number;
  /** @default '' */
  readonly body?: AnswerBody;
}

/** How many requests the hub takes; it answers 429 with `Retry-After` to those above. */
export interface RateLimit {
  readonly requests: number;
  /** The window's length in seconds, by the hub's clock. It begins with the first request. */
  readonly perSeconds: number;
}
