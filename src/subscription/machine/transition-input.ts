import type {
  FailureRecord,
  FetchedRecord,
  PublisherRetryAfter,
  SubscriptionOverrides,
  TopicSource,
} from '../record/record.js';
import type { MissingSince } from '../record/fetch-records.js';
import type { SubscriptionMetadata } from '../record/snapshot.js';

/** A hub that has not delivered entries in time. */
export interface SilentHubReport {
  readonly grantId: string;
  /** Number of new entries that it has not delivered. */
  readonly missed: number;
}

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
  /** Discovery found the topic and its hubs. Ignored if the discovery is no longer current. */
  | {
      readonly type: 'discovered';
      readonly discoveryId: string;
      readonly topic: string;
      readonly hubs: readonly string[];
      /** The alternate feed of the target, if the feed named the hubs. */
      readonly feed?: string | undefined;
    }
  | {
      readonly type: 'discovery-failed';
      readonly discoveryId: string;
      readonly failure: FailureRecord;
      /** The publisher's `Retry-After`, if it sent one. */
      readonly retryAfter?: PublisherRetryAfter | undefined;
    }
  /** The publisher's `Retry-After` lasts until `until` (epoch milliseconds), so nothing was fetched. */
  | { readonly type: 'discovery-deferred'; readonly discoveryId: string; readonly until: number }
  /** The publisher answered a fetch of its topic with `Retry-After`. */
  | { readonly type: 'publisher-retry-after'; readonly retryAfter: PublisherRetryAfter }
  /** A fetch decided where the topic's content is read until the next renewal: at `source`. */
  | { readonly type: 'topic-source'; readonly source: TopicSource }
  /**
   * A request is about to be sent. Ignored unless the request is the grant's current one, and not sent yet. The secret
   * is null if the request carries none. Without the field, the stored secrets stay unchanged.
   */
  | {
      readonly type: 'requested';
      readonly grantId: string;
      readonly requestId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly secret?: string | null | undefined;
      /**
       * The number of this send, from 1. From 2 on, the open request is repeated: at another form of the hub's URL, or
       * with `hub.verify`.
       * @default 1
       */
      readonly send?: number | undefined;
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
      /** The current request, or the open one. */
      readonly requestId: string;
    }
  /**
   * The process that was sending the request is gone. If the hub has not accepted the request, it is sent again at once,
   * and no failure is counted.
   */
  | { readonly type: 'request-lost'; readonly grantId: string; readonly requestId: string }
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
      /** The request that was open when the verification came. Undefined: nobody asked for it. */
      readonly requestId: string | undefined;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly leaseSeconds?: string | undefined;
    }
  /** The answer to the hub's verification of a request was sent. */
  | { readonly type: 'answered'; readonly grantId: string; readonly requestId: string }
  /** A verification for an open request could not be confirmed. */
  | {
      readonly type: 'verification-wrong';
      readonly grantId: string;
      readonly requestId: string;
      readonly problem: string;
      /** The call was not a verification, but a denial or an error notice for another topic. @default false */
      readonly isNotice?: boolean | undefined;
    }
  /** The hub verified, and the service's handler refused. */
  | {
      readonly type: 'handler-refused';
      readonly grantId: string;
      /** The request that was open when the verification came. Undefined: nobody asked for it. */
      readonly requestId: string | undefined;
      readonly mode: 'subscribe' | 'unsubscribe';
      readonly failure: FailureRecord;
    }
  | { readonly type: 'denied'; readonly grantId: string; readonly failure: FailureRecord }
  /** The answer to the hub's denial was sent. */
  | { readonly type: 'denial-answered'; readonly grantId: string }
  /** A silent hub sent genuine content, or signed content came after an unsolicited denial was answered. */
  | { readonly type: 'hub-delivered'; readonly grantId: string; readonly isSigned: boolean }
  /** Pushed content names another hub or topic than the stored ones. */
  | { readonly type: 'links-differ' }
  /** The hub reported an error right after it had verified. */
  | { readonly type: 'hub-error'; readonly grantId: string; readonly failure: FailureRecord }
  /** Working grants are renewed with a new secret, or move to a new callback. */
  | { readonly type: 'rotation-wanted'; readonly rotate: 'secret' | 'callback' }
  /**
   * Genuine content was answered 503 at `since` (epoch milliseconds). It is fetched, and the subscription renewed, once
   * there is room. Ignored while that is planned already.
   */
  | { readonly type: 'content-refused'; readonly since: number }
  /** There is room for events. Like all results of a catch-up, it counts only for the current plan. */
  | { readonly type: 'room-found'; readonly gapId: string }
  /** There is no room again. */
  | { readonly type: 'room-missing'; readonly gapId: string }
  /** The topic was fetched, and the missed events are stored for the handler. */
  | {
      readonly type: 'caught-up';
      readonly gapId: string;
      /** Epoch milliseconds. */
      readonly beganAt: number;
      readonly fetched: FetchedRecord;
    }
  /** The topic could not be fetched now. It is fetched again, not before `notBefore` (epoch milliseconds). */
  | { readonly type: 'catch-up-failed'; readonly gapId: string; readonly notBefore: number }
  /** The topic is not fetched before a hub verifies again. */
  | { readonly type: 'catch-up-skipped'; readonly gapId: string }
  /** There is nothing to fetch. */
  | { readonly type: 'catch-up-dropped'; readonly gapId: string }
  /** A poll read the topic. Like all results of a poll, it counts only for the poll that was due at `dueAt`. */
  | {
      readonly type: 'polled';
      /** Epoch milliseconds. */
      readonly dueAt: number;
      readonly fetched: Omit<FetchedRecord, 'polledAt'>;
      /** Entries that no hub has delivered yet. */
      readonly missing: readonly MissingSince[];
      /** The hub that has not delivered entries in time. Absent if there is none. */
      readonly silent?: SilentHubReport | undefined;
    }
  /** A poll failed. The next one is not before `notBefore`. Both times are epoch milliseconds. */
  | { readonly type: 'poll-failed'; readonly dueAt: number; readonly notBefore: number }
  /** The topic is not polled before a hub verifies again. */
  | { readonly type: 'poll-skipped'; readonly dueAt: number }
  /** The service receives again: after a start, or after a sleep of the machine. */
  | {
      readonly type: 'resumed';
      /** The time until which the service missed no event (epoch milliseconds). Undefined: it never ran. */
      readonly receivedUntil: number | undefined;
      /** When to fetch missed events, in epoch milliseconds. */
      readonly fetchAt: number;
    }
  /** Content was rejected because it could not be trusted. */
  | { readonly type: 'content-rejected'; readonly failure: FailureRecord }
  /** Time has passed: scheduled work may be due. */
  | { readonly type: 'due' };

/** The input of one type. */
export type InputOf<Type extends TransitionInput['type']> = Extract<TransitionInput, { type: Type }>;
