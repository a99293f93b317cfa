import type { SubscriptionState } from './snapshot.js';

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
  /** Id of the process run that sends the request. Missing in records of earlier versions. */
  readonly member?: string | undefined;
  /** How many times the request was sent: at another form of the hub's URL, or with `hub.verify`. Absent for one. */
  readonly sends?: number | undefined;
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
  /** Id of the request that `lateUntil` belongs to. Missing in records of earlier versions. */
  readonly lateRequest?: string | undefined;
  /** Id of the request that the hub verified, while the answer to the verification may not have been sent. */
  readonly verifiedRequest?: string | undefined;
  /** Whether another grant has replaced this grant. A superseded grant is unsubscribed and never renewed. */
  readonly superseded?: boolean | undefined;
  /** Secrets that the hub may sign with, oldest first. Empty before the first request. */
  readonly secrets: readonly SecretRecord[];
  /**
   * Id of the request to send next. The transition that wants a request draws the id. Only a request with this id may
   * be sent, once. Absent once it is sent, and if anything else was planned meanwhile.
   */
  readonly currentRequest?: string | undefined;
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
