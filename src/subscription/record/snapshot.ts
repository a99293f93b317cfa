/**
 * The target of a subscription: the URL of a resource that names its hub (WebSub section 4), or a hub and topic.
 *
 * @example
 * ```ts
 * targets: ['https://blog.example/feed', { hub: 'https://hub.example/', topic: 'https://news.example/feed' }]
 * ```
 */
export type SubscriptionTarget = string | HubAndTopic;

/** A known hub and topic: no discovery takes place (PROTOCOL D9). */
export interface HubAndTopic {
  /** URL of the hub. */
  readonly hub: string;
  /** The topic, as the hub knows it (`hub.topic`). */
  readonly topic: string;
}

/** Strings that the user stores with a subscription, by name. At most 4 KiB of UTF-8. */
export type SubscriptionMetadata = Readonly<Record<string, string>>;

/**
 * State of a subscription, or of one of its grants:
 *
 * - `requested`: the subscribe request is not sent yet.
 * - `verifying`: the request is sent; the hub has not verified the subscription yet.
 * - `active`: the hub verified, and the lease runs.
 * - `expired`: the lease ran out; the hub is requested again.
 * - `failed`: no hub has granted the subscription, and the last attempt failed.
 * - `denied`: the hub denied the subscription (WebSub section 5.2).
 * - `unsubscribing`: the unsubscribe request is not verified yet.
 * - `unsubscribed`: the subscription has ended.
 */
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/** Every state of a subscription. */
export const SUBSCRIPTION_STATES = [
  'requested',
  'verifying',
  'active',
  'expired',
  'failed',
  'denied',
  'unsubscribing',
  'unsubscribed',
] as const;

/**
 * Why an attempt failed:
 *
 * - `discovery`: no hub was found for the target.
 * - `unreachable`: the hub did not answer the request.
 * - `hub-error`: the hub answered with a temporary error (408, 409, 422, 425, 429 or 5xx), or reported an error with
 *   `hub.mode=hub-error`.
 * - `refused`: the hub answered with a permanent error.
 * - `verification-missing`: the hub did not verify in time.
 * - `verification-wrong`: the hub's call could not be confirmed, for example because of another topic or token.
 * - `denied`: the hub denied on the callback (WebSub section 5.2).
 * - `handler-refused`: a handler of the service refused the verification.
 * - `unsigned`: content came without a valid signature.
 * - `configuration`: the request cannot be sent, or the function `auth.bearer` returned no token.
 */
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/** Every cause of a failure. */
export const FAILURE_CAUSES = [
  'discovery',
  'unreachable',
  'hub-error',
  'refused',
  'verification-missing',
  'verification-wrong',
  'denied',
  'handler-refused',
  'unsigned',
  'configuration',
] as const;

/** The last failure of a subscription. */
export interface SubscriptionFailure {
  readonly cause: FailureCause;
  /** The stable code of the error, `ERR_WEBSUB…`. */
  readonly code: string;
  readonly message: string;
  readonly at: Date;
}

/** The failures of one cause. */
export interface FailureTally {
  readonly count: number;
  readonly lastAt: Date;
  /** Message of the last failure. It quotes the hub's own words if there were any. */
  readonly message: string;
}

/** Counters of a subscription since its creation. */
export interface SubscriptionStats {
  /** Events accepted for the handler. */
  readonly received: number;
  /** Deliveries rejected because of their signature. */
  readonly rejected: number;
  /**
   * Genuine deliveries answered 503, because there was no room or the store failed. If bodies were not read, at most
   * one delivery a minute counts.
   */
  readonly refused: number;
  /** Events that the handler has processed. */
  readonly delivered: number;
  /** Failed runs of the handler. */
  readonly failed: number;
  /** Deliveries acknowledged and dropped as duplicates (`delivery.dedupe`). */
  readonly duplicates: number;
  /** Entries that polling found and the hub had not delivered (`delivery.pollSeconds`). */
  readonly missed: number;
  /** When the last event was received, delivered by a hub or fetched. Absent before the first one. */
  readonly lastEventAt?: Date;
}

/** A subscription at one hub, requested or confirmed. */
export interface Grant {
  readonly id: string;
  /** URL of the hub as the publisher advertised it. */
  readonly advertisedHub: string;
  /** URL for requests. Differs from `advertisedHub` after a 308, or if the https form of an http URL is used. */
  readonly hub: string;
  readonly topic: string;
  /** The callback URL that the hub delivers to. Keep this URL secret: anyone who knows the URL can send content. */
  readonly callback: string;
  readonly state: SubscriptionState;
  /** Lease that the hub granted, in seconds. */
  readonly leaseSeconds?: number;
  /** When the hub last verified the subscription. */
  readonly verifiedAt?: Date;
  /** When the lease ends. */
  readonly expiresAt?: Date;
  /**
   * When a working grant is renewed: the planned time, or the next attempt after a failed renewal. While a renewal is
   * in flight, the planned time of that renewal.
   */
  readonly renewsAt?: Date;
}

/** A read-only snapshot of a subscription: the user's wish and the grants of its hubs. Contains no secrets. */
export interface Subscription {
  readonly id: string;
  /** Name of the service that receives the events. */
  readonly service: string;
  readonly target: SubscriptionTarget;
  /** Whether the service's configuration declares the target. Otherwise `subscribe()` added it. */
  readonly declared: boolean;
  /** The user's wish. */
  readonly desired: 'subscribed' | 'unsubscribed';
  /** The progress of the subscription, derived from the grants and from `desired`. */
  readonly state: SubscriptionState;
  /** One for each hub and callback; working ones first, ended ones last. */
  readonly grants: readonly Grant[];
  readonly createdAt: Date;
  /** Failed attempts in a row. */
  readonly attempts: number;
  /**
   * When the publisher is fetched or a hub is requested next, after a failure or a `Retry-After`. Absent while a
   * request or a discovery is in flight, and if the next request is the planned renewal (`renewsAt`).
   */
  readonly nextAttemptAt?: Date;
  /**
   * Whether the subscription has stopped because `maxAttempts` was reached or a handler refused. `retry(id)` starts the
   * subscription again.
   */
  readonly gaveUp?: boolean;
  readonly lastError?: SubscriptionFailure;
  /** Failures by cause, since the last `retry` or `resetCounters`. */
  readonly failures: Readonly<Partial<Record<FailureCause, FailureTally>>>;
  readonly stats: SubscriptionStats;
  /** The metadata passed to `subscribe()`. Absent if none was passed. */
  readonly metadata?: SubscriptionMetadata;
  /** Hub of the first grant. The fields below also belong to the first grant. */
  readonly hub?: string;
  readonly topic?: string;
  readonly callback?: string;
  readonly leaseSeconds?: number;
  readonly verifiedAt?: Date;
  readonly expiresAt?: Date;
  readonly renewsAt?: Date;
}
