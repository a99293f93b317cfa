import type { SubscriptionRecord } from '../record/record.js';
import type { HookEffect } from './hook-effect.js';
import type { LeaseBounds } from './rules/lease.js';

export type { InputOf, SilentHubReport, TransitionInput } from './transition-input.js';

/** A log line about a grant. `event` is a key of `LOG_EVENTS`. */
export type LogEffect = { readonly type: 'log'; readonly grantId: string } & (
  | { readonly event: 'subscription.callback-changed'; readonly isOldAccepted: boolean }
  | { readonly event: 'subscription.unverified'; readonly leaseSeconds: number }
  | { readonly event: 'hub.all-silent' }
);

/** Work that a step of a transition wants. Requests and discoveries get their ids when the transition ends. */
export type Effect =
  | { readonly type: 'discover' }
  | { readonly type: 'request'; readonly grantId: string; readonly mode: 'subscribe' | 'unsubscribe' }
  | OtherEffect;

/**
 * Work for the runtime once a transition is stored. The ids name requests and discoveries: one that is carried out twice
 * or too late changes nothing.
 */
export type NamedEffect =
  | { readonly type: 'discover'; readonly discoveryId: string }
  | {
      readonly type: 'request';
      readonly grantId: string;
      readonly requestId: string;
      readonly mode: 'subscribe' | 'unsubscribe';
    }
  | OtherEffect;

type OtherEffect =
  | HookEffect
  /** Stop deferring the next requests of the subscription. */
  | { readonly type: 'bypass-rate-limits' }
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
  /** Seconds between polls of the topic; 0 for none. @default 0 */
  readonly pollSeconds?: number | undefined;
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
  /** Returns a random id for a request or a discovery. Each call returns a different one. */
  readonly newRequestId: () => string;
  /** Id of this run of the process. Requests name it, so that a later run knows that they were lost. */
  readonly member: string;
  /** Whether the process run that sends a request has ended. Undefined: a run of an earlier version. */
  readonly isMemberGone: (member: string | undefined) => boolean;
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

/** The record after a step, and the effects that the step wants. */
export interface Transition {
  readonly record: SubscriptionRecord;
  readonly effects: readonly Effect[];
}

/** The record after an input, and the effects to run. */
export interface NamedTransition {
  readonly record: SubscriptionRecord;
  readonly effects: readonly NamedEffect[];
}
