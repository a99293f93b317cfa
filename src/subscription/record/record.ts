import type { CatchUpRecord, PollRecord } from './fetch-records.js';
import type { GrantRecord } from './grant-record.js';
import type { FailureTally, SubscriptionFailure, SubscriptionMetadata, SubscriptionTarget } from './snapshot.js';

export type { GrantRecord, PendingRequest, SecretRecord } from './grant-record.js';

/** Version of the stored records that this release writes. */
export const SUBSCRIPTION_RECORD_VERSION = 2;

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
  /** Id of the discovery that is wanted or runs. Only its result counts, once. Absent if there is none. */
  readonly currentDiscovery?: string | undefined;
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
  /** The planned fetch of missed events. Absent if none is planned. */
  readonly catchUp?: CatchUpRecord | undefined;
  /** The polling of the topic. Absent if it is not polled. */
  readonly poll?: PollRecord | undefined;
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
