import type { Grant, Subscription } from '../../subscription/record/snapshot.js';

/** A hub asks whether a subscription was meant (WebSub section 5.3). */
export interface SubscriptionVerification {
  readonly mode: 'subscribe';
  readonly topic: string;
  readonly challenge: string;
  /** The lease the hub grants, as it stands in the request; absent where it is missing or not a positive number. */
  readonly leaseSeconds?: number;
  readonly subscription: Subscription;
  readonly grant: Grant;
}

/** A hub asks whether an unsubscription was meant (WebSub section 5.3). */
export interface UnsubscriptionVerification {
  readonly mode: 'unsubscribe';
  readonly topic: string;
  readonly challenge: string;
  readonly leaseSeconds?: number;
  readonly subscription: Subscription;
  readonly grant: Grant;
}

/** Headers to add to the confirmation; its body is the challenge. */
export interface SubscriptionVerificationSuccess {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** Headers to add to the confirmation; its body is the challenge. */
export interface UnsubscriptionVerificationSuccess {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}
