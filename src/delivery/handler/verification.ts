import type { Grant, Subscription } from '../../subscription/record/snapshot.js';

/** A hub's verification of intent for a subscription (WebSub section 5.3). */
export interface SubscriptionVerification {
  readonly mode: 'subscribe';
  readonly topic: string;
  /** The text that the confirmation echoes. The library does that. */
  readonly challenge: string;
  /** The lease that the hub grants, in seconds. Absent if the hub sent no positive number. */
  readonly leaseSeconds?: number;
  readonly subscription: Subscription;
  readonly grant: Grant;
}

/** A hub's verification of intent for an unsubscription (WebSub section 5.3). */
export interface UnsubscriptionVerification {
  readonly mode: 'unsubscribe';
  readonly topic: string;
  /** The text that the confirmation echoes. The library does that. */
  readonly challenge: string;
  /** The lease that the hub sent, in seconds. Absent if the hub sent no positive number. */
  readonly leaseSeconds?: number;
  readonly subscription: Subscription;
  readonly grant: Grant;
}

/** Additions to the confirmation of a subscription. Its body is always the challenge. */
export interface SubscriptionVerificationSuccess {
  /** Headers to add. @default none */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** Additions to the confirmation of an unsubscription. Its body is always the challenge. */
export interface UnsubscriptionVerificationSuccess {
  /** Headers to add. @default none */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}
