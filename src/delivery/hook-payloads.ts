import type { SignatureError } from '../errors.js';
import { Hooks } from '../hooks.js';
import type { Logger } from '../logger.js';
import type { InternalHubError } from '../subscription/hub-errors.js';
import type { Grant, Subscription } from '../subscription/record/snapshot.js';
import type { ContentDistributionMessage } from './message/message.js';
import type { DeadLetterCause } from './inbox/stored-event.js';

/** Fields of every payload. */
interface PayloadFields {
  /** The subscription when the hook was called. */
  readonly subscription: Subscription;
  readonly grant?: Grant | undefined;
  readonly event?: ContentDistributionMessage | undefined;
  readonly error?: Error | undefined;
  /** Why the event became a dead letter. */
  readonly cause?: DeadLetterCause | undefined;
  readonly at: Date;
}

/** A payload without an event. */
interface SubscriptionPayload extends PayloadFields {
  readonly event?: undefined;
  readonly cause?: undefined;
}

interface GrantPayload extends SubscriptionPayload {
  readonly grant: Grant;
  readonly error?: undefined;
}

interface GrantErrorPayload<E extends Error = Error> extends SubscriptionPayload {
  readonly grant: Grant;
  readonly error: E;
}

interface EventPayload extends PayloadFields {
  readonly grant: Grant;
  readonly event: ContentDistributionMessage;
  readonly error?: undefined;
  readonly cause?: undefined;
}

interface EventErrorPayload extends PayloadFields {
  readonly grant: Grant;
  readonly event: ContentDistributionMessage;
  readonly error: Error;
  readonly cause?: undefined;
}

interface DeadLetterPayload extends PayloadFields {
  readonly grant: Grant;
  readonly event: ContentDistributionMessage;
  readonly error: Error;
  readonly cause: DeadLetterCause;
}

interface UnsubscribedPayload extends SubscriptionPayload {
  readonly grant?: Grant | undefined;
  readonly error?: undefined;
}

interface FailedPayload extends SubscriptionPayload {
  readonly grant?: Grant | undefined;
  readonly error: Error;
}

/**
 * The payload of each hook. A field without `?` is always present.
 *
 * @example
 * ```ts
 * runtime.hooks.on('dead-letter', ({ event, cause }: HookPayloads['dead-letter']) => console.error(event.id, cause));
 * ```
 */
export interface HookPayloads {
  /** A request is about to be sent to a hub. */
  readonly requested: GrantPayload;
  /** A hub verified the subscription for the first time, or again after its lease expired. */
  readonly verified: GrantPayload;
  /** A hub verified the subscription again while its lease was running. */
  readonly renewed: GrantPayload;
  /** A hub denied the subscription; the error's message is the hub's reason. */
  readonly denied: GrantErrorPayload;
  /** A lease expired. */
  readonly expired: GrantPayload;
  /** The subscription ended, or a replaced grant ended. There is no grant if none was left to end. */
  readonly unsubscribed: UnsubscribedPayload;
  /** Discovery, a request or a verification failed. There is no grant if discovery failed. */
  readonly failed: FailedPayload;
  /** The publisher names another hub, or the hub redirected to another URL. */
  readonly 'hub-moved': GrantPayload;
  /** The publisher names another topic. */
  readonly 'topic-moved': GrantPayload;
  /** Polling found entries that the hub had not delivered. */
  readonly 'hub-silent': GrantErrorPayload;
  /** The hub reported an internal error. */
  readonly 'hub-error': GrantErrorPayload<InternalHubError>;
  /** An event was received. Called before its handler. */
  readonly notification: EventPayload;
  /** Content was rejected because of its signature. */
  readonly rejected: GrantErrorPayload<SignatureError>;
  /** The handler succeeded, or ended the subscription. */
  readonly delivered: EventPayload;
  /** The handler failed. */
  readonly 'handler-error': EventErrorPayload;
  /** The event became a dead letter. */
  readonly 'dead-letter': DeadLetterPayload;
}

/** The name of a hook. */
export type HookName = keyof HookPayloads;

/** The payload of a hook. Without a name it is the payload of any hook, so some fields may be missing. */
export type HookPayload<Name extends HookName = HookName> = HookPayloads[Name];

/** A listener of a hook. An error it throws is logged and has no other effect. */
export type HookListener<Name extends HookName = HookName> = (payload: HookPayload<Name>) => unknown;

/** The hooks of a subscriber. */
export type SubscriberHooks = Hooks<HookPayloads>;

/** An empty set of listeners for each hook. The compiler checks that no hook is missing. */
function noListeners(): { readonly [Name in HookName]: Set<HookListener<Name>> } {
  return {
    requested: new Set(),
    verified: new Set(),
    renewed: new Set(),
    denied: new Set(),
    expired: new Set(),
    unsubscribed: new Set(),
    failed: new Set(),
    'hub-moved': new Set(),
    'topic-moved': new Set(),
    'hub-silent': new Set(),
    'hub-error': new Set(),
    notification: new Set(),
    rejected: new Set(),
    delivered: new Set(),
    'handler-error': new Set(),
    'dead-letter': new Set(),
  };
}

/** Creates the hooks of a runtime, without listeners. */
export function subscriberHooks(logger: Logger): SubscriberHooks {
  return new Hooks<HookPayloads>(noListeners(), logger);
}

const NO_LISTENERS = noListeners();

/** The names of all hooks. {@link HookPayloads} says when each is called. */
export const HOOK_NAMES: readonly HookName[] = Object.keys(NO_LISTENERS).filter((name): name is HookName =>
  Object.hasOwn(NO_LISTENERS, name),
);
