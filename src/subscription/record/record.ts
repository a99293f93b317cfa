import type {
  FailureTally,
  SubscriptionFailure,
  SubscriptionMetadata,
  SubscriptionState,
  SubscriptionTarget,
} from './snapshot.js';

/** The version that records are written with. */
export const SUBSCRIPTION_RECORD_VERSION = 2;

/**
 * A secret the hub may sign with. `current` since the last verification; `pending` from a request on; `replaced` by a
 * later one. A value of null stands for content that comes unsigned.
 */
export interface SecretRecord {
  readonly value: string | null;
  readonly role: 'current' | 'pending' | 'replaced';
  /** Epoch milliseconds; absent while current. */
  readonly acceptedUntil?: number;
}

/** A request that has left, or is about to, and that the hub has not come back to. */
export interface PendingRequest {
  readonly id: string;
  readonly mode: 'subscribe' | 'unsubscribe';
  /** Epoch milliseconds by which the hub should have verified. */
  readonly deadline: number;
  /** Whether the hub has answered with a 2xx. */
  readonly accepted: boolean;
  /** What was wrong with the verification that came for it, if one came. */
  readonly problem?: string | undefined;
  /** Whether a verification came for it that could not be confirmed: then a 204 does not mean success. */
  readonly cameBack?: boolean | undefined;
  /** Whether a verification was confirmed while the request was still open: how the request ends decides the rest. */
  readonly verified?: boolean | undefined;
  /** The lease that verification gave, in seconds; it counts once the hub has taken the request. */
  readonly leaseSeconds?: number | undefined;
  /** When that lease is to be renewed; it counts with the lease. */
  readonly renewsAt?: number | undefined;
  /** Whether the hub denied it: unless a verification comes, it fails at its deadline. */
  readonly denied?: boolean | undefined;
}

/** What one hub was asked for or has confirmed, as stored. Times are epoch milliseconds. */
export interface GrantRecord {
  readonly id: string;
  readonly advertisedHub: string;
  readonly hub: string;
  /** Whether the hub once accepted a request at `hub`: then the https form is no longer tried first. */
  readonly hubSettled: boolean;
  /** How the hub once accepted a request: with `hub.verify=async`, or without. Absent while it has accepted none. */
  readonly verifyForm?: 'async' | 'none' | undefined;
  readonly topic: string;
  readonly callback: string;
  /** What follows the callback's base; its last segment identifies the grant in a request. */
  readonly path: string;
  readonly verifyToken?: string | undefined;
  /** Never `denied`: that follows from `deniedAt`. */
  readonly state: SubscriptionState;
  /** When its hub was last asked to subscribe. */
  readonly requestedAt?: number | undefined;
  /** When its hub last denied it, if that still stands. */
  readonly deniedAt?: number | undefined;
  /** Whether the denial came while no request of ours was open: anyone who knows the callback may have sent it. */
  readonly deniedUnsolicited?: boolean | undefined;
  /** Whether its hub answered its last request with a denial. */
  readonly isDenied?: boolean | undefined;
  /** Whether an unasked denial was answered: signed content that comes later proves that the hub still delivers. */
  readonly denialAnswered?: boolean | undefined;
  /** Denials and refusals in a row: the wait before the next request grows with them. */
  readonly refusals?: number | undefined;
  /** When its hub is to be asked under a callback of another grant. */
  readonly freshCallbackAt?: number | undefined;
  /** When its hub was last asked because of an unasked denial, where there is no other callback to ask with. */
  readonly denialCheckedAt?: number | undefined;
  /** The grant whose place it is to take at the same hub, under another callback. */
  readonly replaces?: string | undefined;
  /** The next request carries a new secret. */
  readonly freshSecret?: boolean | undefined;
  /** `subscribe()` changed what to ask for while the request was in flight: it is renewed once that is verified. */
  readonly isOutdated?: boolean | undefined;
  /** When the hub last verified a request of ours, which it took. */
  readonly grantedAt?: number | undefined;
  /**
   * Its lease comes from a verification that answers no request its hub is known to have taken: at its end the hub is asked
   * when that was planned, not at once.
   */
  readonly provisional?: boolean | undefined;
  /** When a verification that nobody asked for last brought the renewal forward. */
  readonly broughtForwardAt?: number | undefined;
  /** When polling found that the hub had not delivered, if it has not delivered since. */
  readonly silentAt?: number | undefined;
  /** When a hub error last undid a verification. */
  readonly hubErrorAt?: number | undefined;
  /** The lease the hub last granted to a request of ours. */
  readonly leaseSeconds?: number | undefined;
  readonly verifiedAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly renewsAt?: number | undefined;
  /** Its renewal has come due and begun with discovery: asked for when that has ended. */
  readonly renewalDue?: boolean | undefined;
  /** Its verification is stored, and the answer to that may not have left: the hub may not know. */
  readonly unanswered?: boolean | undefined;
  /** A hub that accepted a request, and was given up on, may verify it until then (epoch milliseconds). */
  readonly lateUntil?: number | undefined;
  /** Another grant has taken its place: it is left, and never asked for again. */
  readonly superseded?: boolean | undefined;
  readonly secrets: readonly SecretRecord[];
  readonly pending?: PendingRequest | undefined;
  /** Failures in a row at this hub. */
  readonly attempts: number;
  readonly nextAttemptAt?: number | undefined;
  /** The value of `nextAttemptAt` that guards work in flight, in case the process dies: nothing is planned for that time. */
  readonly guardedUntil?: number | undefined;
  /** The hub wants to be left alone until then (`Retry-After`). */
  readonly notBefore?: number | undefined;
  /** Its request was put off until then, as the hub's origin answered 429 to another one. */
  readonly deferredUntil?: number | undefined;
  /** When it ended; it is kept as a tombstone for a while (410). */
  readonly endedAt?: number | undefined;
}

/** A hub that is passed over until a time, in epoch milliseconds, because it did not deliver. */
export interface SilentHub {
  readonly hub: string;
  readonly until: number;
}

/** Why nothing is asked for, although it might be: holds until `retry` or `subscribe`. */
export type StopReason = 'denied' | 'handler-refused' | 'deleted' | 'unsubscribed' | 'pruned' | 'gave-up';

/** The stored form of a failure. */
export type FailureRecord = Omit<SubscriptionFailure, 'at'> & { readonly at: number };

/** How often something went wrong for one cause, and what was said of it last. */
export type TallyRecord = Omit<FailureTally, 'lastAt'> & { readonly lastAt: number };

/** What was asked of a single subscription beyond its service's configuration. */
export interface SubscriptionOverrides {
  readonly leaseSeconds?: number | undefined;
  readonly secret?: string | false | undefined;
  /** Sent over the service's. Values may be keys: no snapshot, log line or error shows them. */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
}

/** A publisher wants one of its URLs to be left alone (`Retry-After`). */
export interface PublisherRetryAfter {
  /** The URL that was asked for, whatever it redirected to. */
  readonly url: string;
  /** Epoch milliseconds. */
  readonly until: number;
}

/** The URL to read a topic's content from, where its own URL could not be read. */
export interface TopicSource {
  readonly topic: string;
  /** The target; the topic itself, where the target has no feed either. */
  readonly url: string;
}

/** The topic's content as it was fetched last. */
export interface FetchedRecord {
  readonly topic: string;
  /** The URL that the next two are of, where it is not the topic. */
  readonly url?: string | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** Since when polling knows what the topic has, in epoch milliseconds. */
  readonly polledAt?: number | undefined;
}

/** What is wanted and how far it got, as stored. Times are epoch milliseconds. */
export interface SubscriptionRecord {
  readonly id: string;
  readonly service: string;
  readonly target: SubscriptionTarget;
  readonly declared: boolean;
  /** The code declared it once and does no more, and nobody has asked for it since. */
  readonly orphaned?: boolean | undefined;
  readonly overrides?: SubscriptionOverrides | undefined;
  /** The user's own data. Records of earlier versions have none. */
  readonly metadata?: SubscriptionMetadata | undefined;
  readonly desired: 'subscribed' | 'unsubscribed';
  readonly stoppedBecause?: StopReason | undefined;
  /** Whether a record of version 1 held it as denied: it is asked for again after a start. */
  readonly stoppedByVersion1?: boolean | undefined;
  readonly createdAt: number;
  /**
   * When a hub first verified it: catch-up delivers nothing that is older. Records of 0.1.0 lack it, unless they are verified
   * first by a later version.
   */
  readonly firstVerifiedAt?: number | undefined;
  /** The hubs advertised at the last discovery, in document order. */
  readonly hubs: readonly string[];
  readonly topic?: string | undefined;
  /** The alternate feed that named them, where the target is a page that names no hub. */
  readonly feed?: string | undefined;
  /** Hubs that were found silent twice: others are used until then. */
  readonly silent?: readonly SilentHub[] | undefined;
  /** When links of pushed content last led to discovery. */
  readonly linksFollowedAt?: number | undefined;
  /** Hubs given up on in the present round over the advertised ones. */
  readonly passedOver: readonly string[];
  readonly grants: readonly GrantRecord[];
  /** Failed attempts in a row, whatever their cause. */
  readonly attempts: number;
  /** How many of `attempts` a verification left standing because its hub reports errors. `maxAttempts` does not count them. */
  readonly attemptsKept?: number | undefined;
  /** When to begin again with discovery. */
  readonly nextAttemptAt?: number | undefined;
  /** As on a grant, for a discovery in flight. */
  readonly guardedUntil?: number | undefined;
  readonly lastError?: FailureRecord | undefined;
  /** Since when news may have been missed that is not made up for yet. */
  readonly gapSince?: number | undefined;
  /** Content was refused for lack of room, and the renewal that makes up for it has not begun. */
  readonly renewalOwed?: boolean | undefined;
  readonly fetched?: FetchedRecord | undefined;
  /** The URL read in place of the topic's, until the next renewal; absent as long as the topic itself can be read. */
  readonly topicSource?: TopicSource | undefined;
  /** URLs of the publisher that are not to be fetched for a time. */
  readonly publisherRetryAfters?: readonly PublisherRetryAfter[] | undefined;
  /** Failures by cause, since they were last reset. */
  readonly failures?: Readonly<Partial<Record<FailureRecord['cause'], TallyRecord>>> | undefined;
}

/** What a new subscription starts from. */
export type NewSubscription = Pick<
  SubscriptionRecord,
  'id' | 'service' | 'target' | 'declared' | 'createdAt' | 'overrides' | 'metadata'
>;

/** A subscription that is wanted and for which nothing has been done yet: it is due at once. */
export function newSubscription(wanted: NewSubscription): SubscriptionRecord {
  const nextAttemptAt = wanted.createdAt;
  return {
    ...wanted,
    desired: 'subscribed',
    hubs: [],
    passedOver: [],
    grants: [],
    attempts: 0,
    nextAttemptAt,
  };
}
