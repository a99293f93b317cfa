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

/** What happens to a subscription. */
export type SubscriptionEvent =
  /** It is wanted: at start, or by `subscribe()`. */
  | { readonly type: 'wanted' }
  /** The user wants it tried afresh, whatever held it; with other overrides where they are given. */
  | {
      readonly type: 'retried';
      readonly overrides?: SubscriptionOverrides | undefined;
      /** Replaces the subscription's metadata where it is given. */
      readonly metadata?: SubscriptionMetadata | undefined;
      /** The user asked for this very one: its requests are not held back, whatever hubs said. */
      readonly atOnce?: boolean | undefined;
    }
  /** It is not wanted any more: by the user, by `SubscriptionDeletedError`, or only while the process is down. */
  | { readonly type: 'unwanted'; readonly why: 'unsubscribed' | 'deleted' | 'pruned' | 'shutdown' }
  /** Working grants are to be renewed now, whenever that was planned. */
  | {
      readonly type: 'renewal-wanted';
      /** Not the user wants it: hubs that refused or denied are not asked sooner. @default false */
      readonly isOwed?: boolean | undefined;
    }
  /** Failures are counted from zero again, and what waits because of them is tried now. */
  | { readonly type: 'counters-reset' }
  /** The publisher named a topic and its hubs. */
  | {
      readonly type: 'discovered';
      readonly topic: string;
      readonly hubs: readonly string[];
      /** The alternate feed of the target that named them, where one did. */
      readonly feed?: string | undefined;
    }
  | {
      readonly type: 'discovery-failed';
      readonly failure: FailureRecord;
      /** The publisher asked to be left alone. */
      readonly retryAfter?: PublisherRetryAfter | undefined;
    }
  /** The publisher asked to be left alone before, and that is not over: nothing was fetched. */
  | { readonly type: 'discovery-deferred'; readonly until: number }
  /** The publisher asked to be left alone when its topic was fetched. */
  | { readonly type: 'publisher-retry-after'; readonly retryAfter: PublisherRetryAfter }
  /** The topic could not be read where it is: its content is read there from now on. */
  | { readonly type: 'topic-source'; readonly source: TopicSource }
  /** A request is about to leave. The secret is null where none is sent, absent where it does not matter. */
  | {
      readonly type: 'requested';
      readonly grantId: string;
      readonly requestId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly secret?: string | null | undefined;
      /** The request it takes the place of, at another form of the hub's URL: only while that one is open. */
      readonly insteadOf?: string | undefined;
    }
  | {
      readonly type: 'accepted';
      readonly grantId: string;
      readonly requestId: string;
      readonly hub: string;
      readonly moved: boolean;
      /** How the hub was asked: with `hub.verify=async`, or without. */
      readonly verifyForm?: 'async' | 'none' | undefined;
      /** Whether a 204 says that it is done, where no verification decided it. */
      readonly isDone?: boolean | undefined;
    }
  /** A request that has not left, or was redirected to where none may go now, is put off. */
  | {
      readonly type: 'request-deferred';
      readonly grantId: string;
      /** Epoch milliseconds. */
      readonly until: number;
      /** The request that is open, where one is. */
      readonly requestId?: string | undefined;
    }
  /** The hub said no with a status that is final for it. */
  | {
      readonly type: 'refused';
      readonly grantId: string;
      readonly requestId: string;
      readonly failure: FailureRecord;
      readonly retryAfterSeconds?: number | undefined;
      /** The HTTP status, where there was an answer. */
      readonly status?: number | undefined;
    }
  /** The hub could not be asked, or not now. */
  | {
      readonly type: 'unreachable';
      readonly grantId: string;
      readonly requestId: string;
      readonly failure: FailureRecord;
      readonly retryAfterSeconds?: number | undefined;
      /** The HTTP status, where there was an answer. */
      readonly status?: number | undefined;
    }
  /** The hub verified the intent, and nothing spoke against it. The lease is `hub.lease_seconds` as it came. */
  | {
      readonly type: 'verified';
      readonly grantId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly leaseSeconds?: string | undefined;
    }
  /** The hub has been sent the answer to its verification. */
  | { readonly type: 'answered'; readonly grantId: string }
  /** A verification came for a request that is open, and could not be confirmed. */
  | {
      readonly type: 'verification-wrong';
      readonly grantId: string;
      readonly problem: string;
      /** It was no verification, but a denial or an error for another topic. @default false */
      readonly isNotice?: boolean | undefined;
    }
  /** The hub verified, and the service's own handler refused. */
  | {
      readonly type: 'handler-refused';
      readonly grantId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly failure: FailureRecord;
    }
  | { readonly type: 'denied'; readonly grantId: string; readonly failure: FailureRecord }
  /** The hub has been sent the answer to its denial. */
  | { readonly type: 'denial-answered'; readonly grantId: string }
  /** Genuine content came from a hub that was silent, or signed content after an unasked denial was answered. */
  | { readonly type: 'hub-delivered'; readonly grantId: string; readonly isSigned: boolean }
  /** Polling found entries that the hub had not delivered. */
  | { readonly type: 'hub-silent'; readonly grantId: string }
  /** Pushed content named another hub or topic than is known. */
  | { readonly type: 'links-differ' }
  /** The hub reported an error of its own right after it had verified. */
  | { readonly type: 'hub-error'; readonly grantId: string; readonly failure: FailureRecord }
  /** Working grants are renewed with another secret, or move to another callback. */
  | { readonly type: 'rotation-wanted'; readonly what: 'secret' | 'callback' }
  /** News may have been missed since then (epoch milliseconds), and cannot be fetched now. */
  | {
      readonly type: 'missed';
      readonly since: number;
      /** A hub may have dropped us for it: what works is to be renewed when there is room again. @default false */
      readonly isRenewalOwed?: boolean | undefined;
    }
  /** The topic was fetched, and what was missed since then is kept for the handler; no `since` where nothing was looked for. */
  | {
      readonly type: 'fetched';
      /** Epoch milliseconds, as is the next. */
      readonly since?: number | undefined;
      readonly beganAt: number;
      readonly fetched: FetchedRecord;
    }
  /** Content came that could not be trusted. */
  | { readonly type: 'content-rejected'; readonly failure: FailureRecord }
  /** Time has passed: something that was scheduled may have come due. */
  | { readonly type: 'due' };

/** What the runtime is to do after a transition was stored. */
export type Effect =
  | { readonly type: 'discover' }
  | { readonly type: 'request'; readonly grantId: string; readonly mode: 'subscribe' | 'unsubscribe' }
  | HookEffect
  /** Do not hold back what the subscription asks for next. */
  | { readonly type: 'release' }
  /** Fetch the topic, and hand over what was missed. */
  | { readonly type: 'catch-up' }
  | { readonly type: 'warn'; readonly message: string; readonly grantId: string };

/** The service's rules that decide a transition. */
export interface SubscriptionRules extends LeaseBounds {
  readonly verifyTimeoutSeconds: number;
  readonly maxAttempts: number;
  /** Whether a hub that denied is asked again. */
  readonly afterDenial: 'retry' | 'stop';
  /** Whether each renewal carries another secret. */
  readonly rotateSecret: 'never' | 'renewal';
  /** Whether each renewal moves to another callback. */
  readonly rotateCallback: 'never' | 'renewal';
  /** Whether one advertised hub is used, and the next when it fails, or each of them. */
  readonly hubs: 'failover' | 'all';
  /** Whether what may have been missed is made up for; absent where it is. */
  readonly catchUp?: boolean | undefined;
  /** The lease asked for, where one is. */
  readonly leaseSeconds?: number | undefined;
}

/** What a grant made now would be called. */
export interface GrantIdentity {
  readonly id: string;
  readonly path: string;
  readonly verifyToken?: string | undefined;
}

/** All that a transition depends on besides the record and the event. */
export interface TransitionContext {
  /** Epoch milliseconds. */
  readonly now: number;
  /** From 0 to 1. */
  readonly random: number;
  /** Who the next new grant is: another one at every call. */
  readonly newGrantIdentity: () => GrantIdentity;
  readonly rules: SubscriptionRules;
  /** The callback URL of a path, as the hub is to see it. */
  readonly callbackOf: (path: string) => string;
  /**
   * When to look again whether the callback is free (epoch milliseconds): there is only one to give, and another
   * subscription has it still.
   */
  readonly callbackReservedUntil?: number | undefined;
  /** Whether there is one callback to give, ever. */
  readonly hasOneCallback?: boolean | undefined;
}

/** The record after an event, and what is to be done about it. */
export interface Transition {
  readonly record: SubscriptionRecord;
  readonly effects: readonly Effect[];
}
