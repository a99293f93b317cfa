import type {
  FailureRecord,
  FetchedRecord,
  PublisherRetryAfter,
  SubscriptionOverrides,
  SubscriptionRecord,
  TopicSource,
} from '../record/record.js';
import type { HookEffect } from './hook-effect.js';
import type { LeaseBounds } from './rules/lease.js';
import type { SubscriptionMetadata } from '../record/snapshot.js';

/** Something that happens to a subscription. */
export type TransitionInput =
  /** The subscription is wanted: declared at start, or requested by `subscribe()`. */
  | { readonly type: 'wanted' }
  /** The user retries the subscription, whatever stopped it, optionally with new overrides. */
  | {
      readonly type: 'retried';
      readonly overrides?: SubscriptionOverrides | undefined;
      /** Replaces the subscription's metadata if set. */
      readonly metadata?: SubscriptionMetadata | undefined;
      /**
       * The user retried this one subscription. Its requests are not deferred, whatever hubs or the publisher answered.
       * @default false
       */
      readonly isImmediate?: boolean | undefined;
    }
  /**
   * The subscription is no longer wanted. `'deleted'`: the handler threw `SubscriptionDeletedError`. `'shutdown'`:
   * unwanted only while the process is down.
   */
  | { readonly type: 'unwanted'; readonly why: 'unsubscribed' | 'deleted' | 'pruned' | 'shutdown' }
  /** Working grants are renewed now, whenever their renewal was planned. */
  | {
      readonly type: 'renewal-wanted';
      /**
       * The library owes the renewal; the user did not request it. Hubs that refused or denied keep their wait.
       * @default false
       */
      readonly isOwed?: boolean | undefined;
    }
  /** Failure counters start at zero again. Retries that wait because of failures happen now. */
  | { readonly type: 'counters-reset' }
  /** Discovery found the topic and its hubs. */
  | {
      readonly type: 'discovered';
      readonly topic: string;
      readonly hubs: readonly string[];
      /** The alternate feed of the target, if the feed named the hubs. */
      readonly feed?: string | undefined;
    }
  | {
      readonly type: 'discovery-failed';
      readonly failure: FailureRecord;
      /** The publisher's `Retry-After`, if it sent one. */
      readonly retryAfter?: PublisherRetryAfter | undefined;
    }
  /** The publisher's `Retry-After` lasts until `until` (epoch milliseconds), so nothing was fetched. */
  | { readonly type: 'discovery-deferred'; readonly until: number }
  /** The publisher answered a fetch of its topic with `Retry-After`. */
  | { readonly type: 'publisher-retry-after'; readonly retryAfter: PublisherRetryAfter }
  /** A fetch decided where the topic's content is read until the next renewal: at `source`. */
  | { readonly type: 'topic-source'; readonly source: TopicSource }
  /**
   * A request is about to be sent. The secret is null if the request carries none. Without the field, the stored
   * secrets stay unchanged.
   */
  | {
      readonly type: 'requested';
      readonly grantId: string;
      readonly requestId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly secret?: string | null | undefined;
      /**
       * The open request that this one repeats: at another form of the hub's URL, or with `hub.verify`. Not sent once
       * that request is closed.
       */
      readonly insteadOf?: string | undefined;
    }
  | {
      readonly type: 'accepted';
      readonly grantId: string;
      readonly requestId: string;
      readonly hub: string;
      /** Whether permanent redirects led to `hub`, another URL than the requested one. */
      readonly moved: boolean;
      /** How the request was sent: with `hub.verify=async`, or without. */
      readonly verifyForm?: 'async' | 'none' | undefined;
      /**
       * Whether the hub answered 204 to an unsubscribe request, or to a subscribe request with `hub.verify`. The 204
       * means success, unless the hub already sent a verification or denial for the subscribe request.
       */
      readonly isDone?: boolean | undefined;
    }
  /** A request is deferred before it is sent, or after a redirect to a rate limited origin. */
  | {
      readonly type: 'request-deferred';
      readonly grantId: string;
      /** Epoch milliseconds. */
      readonly until: number;
      /** The open request, if there is one. */
      readonly requestId?: string | undefined;
    }
  /** The hub refused with a status that is final for the request. */
  | {
      readonly type: 'refused';
      readonly grantId: string;
      readonly requestId: string;
      readonly failure: FailureRecord;
      readonly retryAfterSeconds?: number | undefined;
      /** The HTTP status, if the hub answered. */
      readonly status?: number | undefined;
    }
  /** The hub could not be reached, or cannot take the request now. */
  | {
      readonly type: 'unreachable';
      readonly grantId: string;
      readonly requestId: string;
      readonly failure: FailureRecord;
      readonly retryAfterSeconds?: number | undefined;
      /** The HTTP status, if the hub answered. */
      readonly status?: number | undefined;
    }
  /** The hub verified the intent, and no check failed. `leaseSeconds` is `hub.lease_seconds` as received. */
  | {
      readonly type: 'verified';
      readonly grantId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly leaseSeconds?: string | undefined;
    }
  /** The answer to the hub's verification was sent. */
  | { readonly type: 'answered'; readonly grantId: string }
  /** A verification for an open request could not be confirmed. */
  | {
      readonly type: 'verification-wrong';
      readonly grantId: string;
      readonly problem: string;
      /** The call was not a verification, but a denial or an error notice for another topic. @default false */
      readonly isNotice?: boolean | undefined;
    }
  /** The hub verified, and the service's handler refused. */
  | {
      readonly type: 'handler-refused';
      readonly grantId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly failure: FailureRecord;
    }
  | { readonly type: 'denied'; readonly grantId: string; readonly failure: FailureRecord }
  /** The answer to the hub's denial was sent. */
  | { readonly type: 'denial-answered'; readonly grantId: string }
  /** A silent hub sent genuine content, or signed content came after an unsolicited denial was answered. */
  | { readonly type: 'hub-delivered'; readonly grantId: string; readonly isSigned: boolean }
  /** Polling found entries that the hub had not delivered. */
  | { readonly type: 'hub-silent'; readonly grantId: string }
  /** Pushed content names another hub or topic than the stored ones. */
  | { readonly type: 'links-differ' }
  /** The hub reported an error right after it had verified. */
  | { readonly type: 'hub-error'; readonly grantId: string; readonly failure: FailureRecord }
  /** Working grants are renewed with a new secret, or move to a new callback. */
  | { readonly type: 'rotation-wanted'; readonly rotate: 'secret' | 'callback' }
  /** Events may have been missed since `since` (epoch milliseconds). They are fetched later. */
  | {
      readonly type: 'missed';
      readonly since: number;
      /**
       * A hub may have dropped us because of the missed events. Working grants are renewed once there is room again.
       * @default false
       */
      readonly isRenewalOwed?: boolean | undefined;
    }
  /**
   * The topic was fetched, and the events missed since `since` are stored for the handler. Without `since`, the fetch
   * looked for no missed events.
   */
  | {
      readonly type: 'fetched';
      /** Epoch milliseconds. */
      readonly since?: number | undefined;
      /** Epoch milliseconds. */
      readonly beganAt: number;
      readonly fetched: FetchedRecord;
    }
  /** Content was rejected because it could not be trusted. */
  | { readonly type: 'content-rejected'; readonly failure: FailureRecord }
  /** Time has passed: scheduled work may be due. */
  | { readonly type: 'due' };

/** The input of one type. */
export type InputOf<Type extends TransitionInput['type']> = Extract<TransitionInput, { type: Type }>;

/** A log line about a grant. `event` is a key of `LOG_EVENTS`. */
export type LogEffect = { readonly type: 'log'; readonly grantId: string } & (
  | { readonly event: 'subscription.callback-changed'; readonly isOldAccepted: boolean }
  | { readonly event: 'subscription.unverified'; readonly leaseSeconds: number }
  | { readonly event: 'hub.all-silent' }
);

/** Work for the runtime once a transition is stored. */
export type Effect =
  | { readonly type: 'discover' }
  | { readonly type: 'request'; readonly grantId: string; readonly mode: 'subscribe' | 'unsubscribe' }
  | HookEffect
  /** Stop deferring the next requests of the subscription. */
  | { readonly type: 'bypass-rate-limits' }
  /** Fetch the topic and deliver the missed events. */
  | { readonly type: 'catch-up' }
  | LogEffect;

/** The service's options that decide transitions. */
export interface SubscriptionRules extends LeaseBounds {
  readonly verifyTimeoutSeconds: number;
  readonly maxAttempts: number;
  /** Whether to retry at a hub after it denied. */
  readonly afterDenial: 'retry' | 'stop';
  /** Whether each renewal carries a new secret. */
  readonly rotateSecret: 'never' | 'renewal';
  /** Whether each renewal moves to a new callback. */
  readonly rotateCallback: 'never' | 'renewal';
  /** Whether to use one advertised hub and fail over to the next, or to use all advertised hubs. */
  readonly hubs: 'failover' | 'all';
  /** Whether missed events are fetched. @default true */
  readonly catchUp?: boolean | undefined;
  /** The lease to request, if one is configured. */
  readonly leaseSeconds?: number | undefined;
}

/** The identity of a new grant. */
export interface GrantIdentity {
  readonly id: string;
  readonly path: string;
  readonly verifyToken?: string | undefined;
}

/** Everything a transition depends on besides the record and the input. */
export interface TransitionContext {
  /** Epoch milliseconds. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
  /** Returns the identity of the next new grant. Each call returns a different one. */
  readonly newGrantIdentity: () => GrantIdentity;
  readonly rules: SubscriptionRules;
  /** The callback URL of a path, as the hub sees it. */
  readonly callbackOf: (path: string) => string;
  /**
   * When to check again whether the callback is free (epoch milliseconds). Set while another subscription still uses
   * the only callback.
   */
  readonly callbackReservedUntil?: number | undefined;
  /** Whether all grants share one callback. */
  readonly hasOneCallback?: boolean | undefined;
}

/** The record after an input, and the effects to run. */
export interface Transition {
  readonly record: SubscriptionRecord;
  readonly effects: readonly Effect[];
}
