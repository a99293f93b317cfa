import type {
  FailureTally,
  SubscriptionFailure,
  SubscriptionMetadata,
  SubscriptionState,
  SubscriptionTarget,
} from './snapshot.js';

/** Version of the stored records that this release writes. */
export const SUBSCRIPTION_RECORD_VERSION = 2;

/** A secret that the hub may sign content with. */
export interface SecretRecord {
  /** Null: content may come unsigned. */
  readonly value: string | null;
  /**
   * `current`: last verified. `pending`: sent in a request not verified yet. `replaced`: a later secret took its place.
   */
  readonly role: 'current' | 'pending' | 'replaced';
  /** Content may be signed with this secret until this time (epoch milliseconds). Absent for the current secret. */
  readonly acceptedUntil?: number;
}

/** A request to the hub that has neither succeeded nor failed yet. Stored before the request is sent. */
export interface PendingRequest {
  /** A random id. Results name the request by this id, so results of an older request are ignored. */
  readonly id: string;
  readonly mode: 'subscribe' | 'unsubscribe';
  /** The request fails if the hub has not verified by this time (epoch milliseconds). */
  readonly deadline: number;
  /** Whether the hub answered the request with a 2xx. */
  readonly accepted: boolean;
  /** Why a verification, denial or error notice could not be confirmed. Explains the failure at the deadline. */
  readonly problem?: string | undefined;
  /** Whether the hub sent a verification that could not be confirmed. A 204 then does not mean success. */
  readonly hasUnconfirmedVerification?: boolean | undefined;
  /**
   * Whether a verification was confirmed before the hub answered the request. The hub's answer decides whether the
   * verification counts.
   */
  readonly verified?: boolean | undefined;
  /** Lease of the confirmed verification, in seconds. Applies once the hub accepts the request. */
  readonly leaseSeconds?: number | undefined;
  /** Renewal time of the confirmed verification (epoch milliseconds). Applies together with `leaseSeconds`. */
  readonly renewsAt?: number | undefined;
  /** Whether the hub denied the request. The request then fails at its deadline, unless a verification comes before. */
  readonly denied?: boolean | undefined;
}

/** A subscription at one hub under one callback, requested or confirmed, as stored. Times are epoch milliseconds. */
export interface GrantRecord {
  /** A random id. */
  readonly id: string;
  /** URL of the hub as the publisher advertised it, or as the target names it. */
  readonly advertisedHub: string;
  /** URL for requests. Differs from `advertisedHub` after a permanent redirect, or if https worked for an http URL. */
  readonly hub: string;
  /** Whether the hub has accepted a request at `hub`. Until then, the https form of an http URL is tried first. */
  readonly hasHubAccepted: boolean;
  /** Form of the last accepted request: with `hub.verify=async`, or without. Absent before the first one. */
  readonly verifyForm?: 'async' | 'none' | undefined;
  /** The topic URL of the request (`hub.topic`). */
  readonly topic: string;
  /** The callback URL of the request (`hub.callback`). */
  readonly callback: string;
  /** The callback's part after the base URL. Its last segment identifies the grant when the hub calls. */
  readonly path: string;
  /** `hub.verify_token` of the request. PubSubHubbub 0.3 only. */
  readonly verifyToken?: string | undefined;
  /** Never `denied`: the grant's snapshot derives that state from `deniedAt`. */
  readonly state: SubscriptionState;
  /** When the last subscribe request was sent. */
  readonly requestedAt?: number | undefined;
  /** When the hub last denied the grant. Absent once the denial no longer stands, for example after a verification. */
  readonly deniedAt?: number | undefined;
  /**
   * Whether the denial came while no subscribe request was open. Anyone who knows the callback may have sent the
   * denial.
   */
  readonly deniedUnsolicited?: boolean | undefined;
  /** Whether the last subscribe request ended with a denial. */
  readonly wasLastRequestDenied?: boolean | undefined;
  /** Whether the hub got our answer to an unsolicited denial. Later signed content proves the denial wrong. */
  readonly denialAnswered?: boolean | undefined;
  /** Denials and refusals in a row. The wait before the next request grows with them. */
  readonly refusals?: number | undefined;
  /** When to request the hub under another callback: after an unsolicited denial, or for a rotation. */
  readonly freshCallbackAt?: number | undefined;
  /** When the last request to check an unsolicited denial was started. Set only for a grant with a fixed callback. */
  readonly denialCheckedAt?: number | undefined;
  /** Id of the grant at the same hub that this grant replaces, under another callback. */
  readonly replaces?: string | undefined;
  /** Whether the next subscribe request carries a new secret. */
  readonly freshSecret?: boolean | undefined;
  /** Whether options changed while a request was open. The grant is renewed once the request is verified. */
  readonly isOutdated?: boolean | undefined;
  /** When the hub last verified a request that the hub also accepted. */
  readonly grantedAt?: number | undefined;
  /**
   * Whether the lease may be forged: the hub has not accepted a request behind the lease. When such a lease ends, the
   * hub is requested at the planned time, not at once.
   */
  readonly provisional?: boolean | undefined;
  /** When an unsolicited verification last moved the renewal to an earlier time. */
  readonly broughtForwardAt?: number | undefined;
  /** When polling last found entries that the hub had not delivered. Absent again once the hub delivers. */
  readonly silentAt?: number | undefined;
  /** When a hub error last turned a verification into a failed attempt. */
  readonly hubErrorAt?: number | undefined;
  /** Lease that the hub last granted for a request of ours, in seconds. */
  readonly leaseSeconds?: number | undefined;
  /** When the hub last verified the subscription. Absent before the first verification. */
  readonly verifiedAt?: number | undefined;
  /** When the lease ends. Absent before the first verification. */
  readonly expiresAt?: number | undefined;
  /** When the lease should be renewed. Absent before the first verification. */
  readonly renewsAt?: number | undefined;
  /** Whether a renewal has started with a discovery. The request follows when discovery ends. */
  readonly isRenewalStarted?: boolean | undefined;
  /**
   * Whether a verification is stored, but our answer may not have been sent. After a crash, the hub is requested again.
   */
  readonly isConfirmationUnsent?: boolean | undefined;
  /** Until this time, a verification still answers the accepted request that missed its deadline. */
  readonly lateUntil?: number | undefined;
  /** Whether another grant has replaced this grant. A superseded grant is unsubscribed and never renewed. */
  readonly superseded?: boolean | undefined;
  /** Secrets that the hub may sign with, oldest first. Empty before the first request. */
  readonly secrets: readonly SecretRecord[];
  /** The open request. Absent if there is none. */
  readonly pending?: PendingRequest | undefined;
  /** Failed requests in a row at the hub. In state `unsubscribing`, failed unsubscribe requests. */
  readonly attempts: number;
  /** When to send the next request, other than the renewal that `renewsAt` plans. */
  readonly nextAttemptAt?: number | undefined;
  /** Equals `nextAttemptAt` if that time is only a crash guard for work in flight. Snapshots hide the guard. */
  readonly guardedUntil?: number | undefined;
  /** Earliest time of the next subscribe request, after a failure, a `Retry-After`, a denial or a refusal. */
  readonly notBefore?: number | undefined;
  /** The subscribe request is deferred until this time: the hub's origin is rate limited. */
  readonly deferredUntil?: number | undefined;
  /** When the grant ended. The grant stays as a tombstone for a while, so that its callback answers 410. */
  readonly endedAt?: number | undefined;
}

/** A hub that does not deliver. Other advertised hubs are used instead. */
export interface SilentHub {
  /** URL of the hub as advertised. */
  readonly hub: string;
  /** When the hub may be used again, in epoch milliseconds. */
  readonly until: number;
}

/**
 * Why a subscription is stopped. The subscription stays stopped until `retry` or `subscribe`.
 *
 * - `denied`: every advertised hub has denied, with `afterDenial: 'stop'`. A late verification also ends the stop.
 * - `handler-refused`: the service's handler refused a verification.
 * - `deleted`: the service's handler threw `SubscriptionDeletedError`.
 * - `unsubscribed`: the user unsubscribed.
 * - `pruned`: the code no longer declares the target (with `pruneDeclared`), the literal callback serves another target
 *   now, or an older subscription has the same target. Declaring the target again also ends the stop.
 * - `gave-up`: `maxAttempts` was reached. A late verification or a reset of the counters also ends the stop.
 */
export type StopReason = 'denied' | 'handler-refused' | 'deleted' | 'unsubscribed' | 'pruned' | 'gave-up';

/** The stored form of a failure. `at` is in epoch milliseconds. */
export type FailureRecord = Omit<SubscriptionFailure, 'at'> & { readonly at: number };

/** The stored form of a cause's failure count. `lastAt` is in epoch milliseconds. */
export type TallyRecord = Omit<FailureTally, 'lastAt'> & { readonly lastAt: number };

/** Options of `subscribe()` that override the service's configuration for one subscription. */
export interface SubscriptionOverrides {
  /** Lease to request, in seconds. */
  readonly leaseSeconds?: number | undefined;
  /** `'auto'`, a secret, or `false` for none. */
  readonly secret?: string | false | undefined;
  /** Added to the service's parameters; wins on equal names. May be secret: no snapshot, log line or error shows it. */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
}

/** A URL that is not fetched for a while, because its publisher sent `Retry-After`. */
export interface PublisherRetryAfter {
  /** The requested URL, before any redirect. */
  readonly url: string;
  /** When the URL may be fetched again, in epoch milliseconds. */
  readonly until: number;
}

/** The URL that a topic's content is read from. Stored when the topic's own URL could not be read as a feed. */
export interface TopicSource {
  readonly topic: string;
  /** The target if the target is a feed; else the topic itself. */
  readonly url: string;
}

/** Validators of the topic content last read, for the next conditional fetch. Also the time of the last poll. */
export interface FetchedRecord {
  readonly topic: string;
  /** The URL that `etag` and `lastModified` belong to. Absent if they belong to the topic URL. */
  readonly url?: string | undefined;
  /** The `ETag` header, sent as `If-None-Match` with the next fetch. */
  readonly etag?: string | undefined;
  /** The `Last-Modified` header, sent as `If-Modified-Since` with the next fetch. */
  readonly lastModified?: string | undefined;
  /** When polling last read the topic (epoch milliseconds). Updated at most daily. Absent before the first poll. */
  readonly polledAt?: number | undefined;
}

/** A subscription: the user's wish and its progress, as stored. Times are epoch milliseconds. */
export interface SubscriptionRecord {
  /** A random id. */
  readonly id: string;
  /** Name of the service that receives the events. */
  readonly service: string;
  /** The resource to discover from, or a hub and topic. */
  readonly target: SubscriptionTarget;
  /** Whether the service's configuration declares the target. Otherwise `subscribe()` added it. */
  readonly declared: boolean;
  /** Whether the configuration declared the target in the past, and `subscribe()` has not been called for it since. */
  readonly orphaned?: boolean | undefined;
  /** Options of `subscribe()`. Absent if none were passed. */
  readonly overrides?: SubscriptionOverrides | undefined;
  /** The user's own data, from `subscribe()`. Records of earlier versions have none. */
  readonly metadata?: SubscriptionMetadata | undefined;
  /** The user's wish. */
  readonly desired: 'subscribed' | 'unsubscribed';
  /** Why no subscribe request is sent. Absent while the subscription is enabled. */
  readonly stoppedBecause?: StopReason | undefined;
  /** Whether a record of version 1 was stopped as denied. The next start enables it again. */
  readonly stoppedByVersion1?: boolean | undefined;
  /** When the subscription was created. */
  readonly createdAt: number;
  /**
   * When a hub first verified the subscription. Catch-up delivers nothing older. Missing in records of 0.1.0 that were
   * verified before the upgrade.
   */
  readonly firstVerifiedAt?: number | undefined;
  /** The hubs advertised at the last discovery, in document order. Empty before the first discovery. */
  readonly hubs: readonly string[];
  /** The topic URL that the last discovery found. Absent before the first discovery. */
  readonly topic?: string | undefined;
  /** The alternate feed that named hubs and topic. Absent if the target itself named a hub. */
  readonly feed?: string | undefined;
  /** Hubs that polling found silent twice in a row. */
  readonly silent?: readonly SilentHub[] | undefined;
  /** When links in pushed content last started a discovery. */
  readonly linksFollowedAt?: number | undefined;
  /** Advertised hubs that failed in this round of failover. They are skipped until the next round. */
  readonly passedOver: readonly string[];
  /** The grants in the order of their creation. Ended grants stay as tombstones. */
  readonly grants: readonly GrantRecord[];
  /** Failed attempts in a row, whatever their cause. */
  readonly attempts: number;
  /** Failed attempts kept at a verification because the hub reports errors. `maxAttempts` ignores them. */
  readonly attemptsKept?: number | undefined;
  /** When to start the next discovery. Absent if none is planned. */
  readonly nextAttemptAt?: number | undefined;
  /** Equals `nextAttemptAt` if that time is only a crash guard for a discovery in flight. */
  readonly guardedUntil?: number | undefined;
  /** The last failure. The next success clears it. */
  readonly lastError?: FailureRecord | undefined;
  /** Time since which events may have been missed. Absent once catch-up has closed the gap. */
  readonly gapSince?: number | undefined;
  /** Whether a renewal is owed for refused content and has not started. */
  readonly renewalOwed?: boolean | undefined;
  /** Validators of the topic content last read. Absent before the first fetch. */
  readonly fetched?: FetchedRecord | undefined;
  /** URL that the content is read from until the next renewal. Absent if the topic's own URL could be read. */
  readonly topicSource?: TopicSource | undefined;
  /** URLs of the publisher that are not fetched for a while. */
  readonly publisherRetryAfters?: readonly PublisherRetryAfter[] | undefined;
  /** Failures by cause, since the last reset of the counters. */
  readonly failures?: Readonly<Partial<Record<FailureRecord['cause'], TallyRecord>>> | undefined;
}

/** Fields that a new subscription is created with. All others have fixed initial values. */
export type NewSubscription = Pick<
  SubscriptionRecord,
  'id' | 'service' | 'target' | 'declared' | 'createdAt' | 'overrides' | 'metadata'
>;

/** A new subscription. Its discovery is due at once. */
export function newSubscription(fields: NewSubscription): SubscriptionRecord {
  const nextAttemptAt = fields.createdAt;
  return {
    ...fields,
    desired: 'subscribed',
    hubs: [],
    passedOver: [],
    grants: [],
    attempts: 0,
    nextAttemptAt,
  };
}
