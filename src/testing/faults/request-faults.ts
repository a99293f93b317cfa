import type { ReceivedRequest } from '../subscriptions/received-request.js';

/** Kind of a request to the hub. A renewal is a subscribe request for an active subscription. */
export type RequestKind = 'new' | 'renewals' | 'unsubscriptions';

/** The requests that a fault applies to; `subscriptions` means `new` and `renewals`. */
export type RequestSelection = RequestKind | 'subscriptions';

/** The body of a response: a text, or a function of the request, for example to echo a secret. */
export type AnswerBody = string | ((request: ReceivedRequest) => string);

/** Limits a fault to some requests. */
export interface RequestLimits {
  /** The requests it applies to. @default all requests */
  readonly only?: RequestSelection;
  /** The number of requests it applies to. @default Infinity */
  readonly times?: number;
}

/** A status the hub answers requests with instead of serving them. */
export interface RequestFailure extends RequestLimits {
  /** Status of the response. `'reset'` cuts the connection instead. */
  readonly status: number | 'reset';
  /** `Retry-After`: seconds, or a date. @default none */
  readonly retryAfter?: number | Date;
  /** Body of the response. @default a text that names the status */
  readonly body?: AnswerBody;
  /**
   * Verifies the request while it is open, and fails it afterwards. A confirmed subscription becomes active.
   * @default false
   */
  readonly verifyFirst?: boolean;
}

/** A redirect the hub answers requests with. */
export interface RequestRedirect extends RequestLimits {
  readonly status: 301 | 302 | 303 | 307 | 308;
  /** The `Location`, sent unchanged. Example: another hub's `url`. */
  readonly to: string;
}

/** Options of `deny()`. */
export interface DenyOptions {
  /** Leaves an active subscription active; the hub continues to deliver. @default false */
  readonly keep?: boolean;
}

/** A denial of requests that the hub has accepted. */
export interface RequestDenial extends RequestLimits, DenyOptions {
  /** `hub.reason`; `''` sends none. @default '' */
  readonly reason?: string;
  /** The requests it applies to. @default 'subscriptions' */
  readonly only?: RequestSelection;
  /** Verifies first, and denies only requests that are not confirmed. @default false */
  readonly unlessConfirmed?: boolean;
  /** Verifies after the denial. @default false */
  readonly thenVerify?: boolean;
}

/** The hub's response to a request that it accepts. */
export interface RequestAcceptance {
  /**
   * Status of the response.
   * @default 202, or 204 after a `sync` or `unchecked` verification of a request with `hub.verify`
   */
  readonly status?: number;
  /** Body of the response. @default '' */
  readonly body?: AnswerBody;
}

/** Number of requests the hub accepts per window. It answers 429 with `Retry-After` to requests above the limit. */
export interface RateLimit {
  readonly requests: number;
  /** Length of the window in seconds, by the hub's clock. The window begins with the first request. */
  readonly perSeconds: number;
}
