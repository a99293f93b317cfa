import type { FailureTally, SubscriptionFailure, SubscriptionState, SubscriptionTarget } from './snapshot.js';

/** The version that records are written with. */
export const SUBSCRIPTION_RECORD_VERSION = 1;

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
  readonly wrong?: string | undefined;
}

/** What one hub was asked for or has confirmed, as stored. Times are epoch milliseconds. */
export interface GrantRecord {
  readonly id: string;
  readonly advertisedHub: string;
  readonly hub: string;
  /** Whether the hub once accepted a request at `hub`: then the https form is no longer tried first. */
  readonly hubSettled: boolean;
  readonly topic: string;
  readonly callback: string;
  /** What follows the callback's base; its last segment identifies the grant in a request. */
  readonly path: string;
  readonly verifyToken?: string | undefined;
  readonly state: SubscriptionState;
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
  /** The hub wants to be left alone until then (`Retry-After`). */
  readonly notBefore?: number | undefined;
  /** When it ended; it is kept as a tombstone for a while (410). */
  readonly endedAt?: number | undefined;
}

/** Why nothing is asked for, although it might be: holds until `retry` or `subscribe`. */
export type Hold = 'denied' | 'handler-refused' | 'deleted' | 'unsubscribed' | 'pruned' | 'gave-up';

/** The stored form of a failure. */
export type FailureRecord = Omit<SubscriptionFailure, 'at'> & { readonly at: number };

/** How often something went wrong for one cause, and what was said of it last. */
export type TallyRecord = Omit<FailureTally, 'lastAt'> & { readonly lastAt: number };

/** What was asked of a single subscription beyond its service's configuration. */
export interface SubscriptionOverrides {
  readonly leaseSeconds?: number | undefined;
  readonly secret?: string | false | undefined;
}

/** The topic's content as it was fetched last. */
export interface FetchedRecord {
  readonly topic: string;
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
  readonly desired: 'subscribed' | 'unsubscribed';
  readonly hold?: Hold | undefined;
  readonly createdAt: number;
  /** The hubs advertised at the last discovery, in document order. */
  readonly hubs: readonly string[];
  readonly topic?: string | undefined;
  /** Hubs that denied: not asked again before `retry`. */
  readonly deniedBy: readonly string[];
  /** Hubs given up on in the present round over the advertised ones. */
  readonly passedOver: readonly string[];
  readonly grants: readonly GrantRecord[];
  /** Failed attempts in a row, whatever their cause. */
  readonly attempts: number;
  /** When to begin again with discovery. */
  readonly nextAttemptAt?: number | undefined;
  readonly lastError?: FailureRecord | undefined;
  /** Since when news may have been missed that is not made up for yet. */
  readonly gapSince?: number | undefined;
  readonly fetched?: FetchedRecord | undefined;
  /** Failures by cause, since they were last reset. */
  readonly failures?: Readonly<Partial<Record<FailureRecord['cause'], TallyRecord>>> | undefined;
}

/** What a new subscription starts from. */
export type NewSubscription = Pick<
  SubscriptionRecord,
  'id' | 'service' | 'target' | 'declared' | 'createdAt' | 'overrides'
>;

/** A subscription that is wanted and for which nothing has been done yet: it is due at once. */
export function newSubscription(wanted: NewSubscription): SubscriptionRecord {
  const nextAttemptAt = wanted.createdAt;
  return {
    ...wanted,
    desired: 'subscribed',
    hubs: [],
    deniedBy: [],
    passedOver: [],
    grants: [],
    attempts: 0,
    nextAttemptAt,
  };
}
