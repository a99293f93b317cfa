/** The resource to discover a hub from, or a hub and topic known beforehand. */
export type SubscriptionTarget = string | HubAndTopic;

/** A hub and topic known beforehand: nothing is discovered (PROTOCOL D9's "given one"). */
export interface HubAndTopic {
  readonly hub: string;
  readonly topic: string;
}

/** Strings that the user stores with a subscription, by name: 4 KiB of UTF-8 at most. */
export type SubscriptionMetadata = Readonly<Record<string, string>>;

/**
 * Where a subscription, or one of its grants, stands:
 * `requested` to be asked; `verifying` asked, and the hub has not come back; `active` verified and within its lease;
 * `expired` the lease ran out, being asked again; `failed` nothing granted and the last try failed; `denied` the hub
 * said no; `unsubscribing` asked to end; `unsubscribed` ended.
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
 * Why an attempt came to nothing: `discovery` the target named no hub; `unreachable` the hub did not answer; `hub-error` it
 * answered with a status that passes; `refused` with one that does not; `verification-missing` it accepted and did not come
 * back; `verification-wrong` it came back for another topic or with another token; `denied` it said no on the callback;
 * `handler-refused` the service's handler did; `unsigned` content came without a signature; `configuration` what was asked
 * cannot be sent, or the function of `auth.bearer` gave no token.
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

/** What went wrong last. */
export interface SubscriptionFailure {
  readonly cause: FailureCause;
  /** The error's stable code. */
  readonly code: string;
  readonly message: string;
  readonly at: Date;
}

/** How often something went wrong for one cause. */
export interface FailureTally {
  readonly count: number;
  readonly lastAt: Date;
  /** The last one's message: the hub's own words, where it had any. */
  readonly message: string;
}

/** Counters of a subscription, since it was created. */
export interface SubscriptionStats {
  /** Content distributions accepted for the handler. */
  readonly received: number;
  /** Content distributions refused for their signature. */
  readonly rejected: number;
  /** Genuine content distributions answered 503: no room, or no store. Of those not read, one a minute counts. */
  readonly refused: number;
  /** Events whose handler succeeded. */
  readonly delivered: number;
  /** Runs of the handler that failed. */
  readonly failed: number;
  /** Content distributions acknowledged and dropped, as the handler had them before (`delivery.dedupe`). */
  readonly duplicates: number;
  /** Entries that polling found and the hub had not delivered (`delivery.pollSeconds`). */
  readonly missed: number;
  readonly lastEventAt?: Date;
}

/** What one hub was asked for, or has confirmed. */
export interface Grant {
  readonly id: string;
  /** The hub as the publisher advertised it. */
  readonly advertisedHub: string;
  /** The hub that is asked: another one after a 308, or the https form of an advertised http URL. */
  readonly hub: string;
  readonly topic: string;
  /** The callback URL given to the hub. */
  readonly callback: string;
  readonly state: SubscriptionState;
  readonly leaseSeconds?: number;
  readonly verifiedAt?: Date;
  readonly expiresAt?: Date;
  /**
   * When a working grant is renewed: as planned, or the next try after a renewal failed. While a renewal is in flight it is the
   * time that it was planned for.
   */
  readonly renewsAt?: Date;
}

/** What is wanted of a topic and how far it got: a read-only snapshot. Secrets are not in it. */
export interface Subscription {
  readonly id: string;
  /** The name of the service its news goes to. */
  readonly service: string;
  readonly target: SubscriptionTarget;
  /** Whether the service's configuration declares it, rather than a call of `subscribe()`. */
  readonly declared: boolean;
  readonly desired: 'subscribed' | 'unsubscribed';
  readonly state: SubscriptionState;
  readonly grants: readonly Grant[];
  readonly createdAt: Date;
  /** Failed attempts in a row. */
  readonly attempts: number;
  /**
   * When the publisher or a hub is asked next, after a failure or where it wants to be left alone. Absent while a request or a
   * discovery is in flight, and where the next request is the renewal as planned (`renewsAt`).
   */
  readonly nextAttemptAt?: Date;
  /** Set when `maxAttempts` was reached, or a handler refused: nothing is asked before `retry(id)`. */
  readonly gaveUp?: boolean;
  readonly lastError?: SubscriptionFailure;
  /** What went wrong so far, by cause, since `retry` or `resetCounters`. */
  readonly failures: Readonly<Partial<Record<FailureCause, FailureTally>>>;
  readonly stats: SubscriptionStats;
  /** As `subscribe()` was given it; absent where it was not. */
  readonly metadata?: SubscriptionMetadata;
  /** Of the first grant, as are the fields below. */
  readonly hub?: string;
  readonly topic?: string;
  readonly callback?: string;
  readonly leaseSeconds?: number;
  readonly verifiedAt?: Date;
  readonly expiresAt?: Date;
  readonly renewsAt?: Date;
}
