import type { Acknowledgement } from '../../delivery/handler/event-handler.js';
import type { InternalHubError, SubscriptionDeniedError } from '../../subscription/hub-errors.js';
import type { Grant, Subscription } from '../../subscription/record/snapshot.js';

/** A hub's question whether a subscription was meant (WebSub section 5.3). */
export interface SubscriptionVerification {
  readonly mode: 'subscribe';
  readonly topic: string;
  readonly challenge: string;
  /** The lease the hub grants, as it stands in the request; absent where it is missing or not a positive number. */
  readonly leaseSeconds?: number;
  readonly subscription: Subscription;
  readonly grant: Grant;
}

/** A hub's question whether an unsubscription was meant (WebSub section 5.3). */
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

type MaybePromise<T> = T | Promise<T>;

/** What a service may say when a hub comes back, all of it optional. */
export interface IntentHandlers {
  /** Called before a subscription is confirmed. Throwing refuses it (404): it is not asked again before `retry(id)`. */
  readonly onSubscriptionVerification?: (
    verification: SubscriptionVerification,
  ) => MaybePromise<SubscriptionVerificationSuccess | void>;
  /** Called before an unsubscription is confirmed. Throwing refuses it (404): still subscribed. */
  readonly onUnsubscriptionVerification?: (
    verification: UnsubscriptionVerification,
  ) => MaybePromise<UnsubscriptionVerificationSuccess | void>;
  /** Called when a hub denies a subscription. The hub gets 200 whatever happens here, after `ackAfterMs` at the latest. */
  readonly onSubscriptionValidationDenied?: (denial: SubscriptionDeniedError) => MaybePromise<Acknowledgement | void>;
  /** Called when a hub reports an error of its own. The hub gets 200 whatever happens here, after `ackAfterMs` at the latest. */
  readonly onHubError?: (error: InternalHubError) => MaybePromise<Acknowledgement | void>;
}
