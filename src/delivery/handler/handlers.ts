import type { InternalHubError, SubscriptionDeniedError } from '../../subscription/hub-errors.js';
import type { ContentDistributionMessage } from '../message/message.js';
import type { Acknowledgement } from './acknowledgement.js';
import type {
  SubscriptionVerification,
  SubscriptionVerificationSuccess,
  UnsubscriptionVerification,
  UnsubscriptionVerificationSuccess,
} from './verification.js';

type MaybePromise<T> = T | Promise<T>;

// Handlers are properties, not methods: only then is a wrong parameter type an error in every case.

/** Receives the events. */
export interface EventHandler {
  /**
   * Called with each content distribution (WebSub section 7). Returning acknowledges it (202). Throwing
   * `SubscriptionDeletedError` ends the subscription (410). `UnrecoverableEventError` is answered 202, and the event becomes
   * a dead letter at once. Anything else thrown is answered 202 all the same, and the event is stored and tried again.
   */
  readonly onEventNotification: (
    event: ContentDistributionMessage,
  ) => Acknowledgement | void | Promise<Acknowledgement | void>;
}

/** Answers a hub's verifications, denials and errors. All of it is optional. */
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

/** All handlers of a service. The type of the runtime is a parameter because the runtime is a layer above this one. */
export interface ServiceHandlers<Runtime> extends EventHandler, IntentHandlers {
  /** Called once when the runtime starts, before anything is asked of a hub. Throwing makes `startService` reject. */
  readonly onStart?: (runtime: Runtime) => void | Promise<void>;
  /** Called once when the runtime stops. What it throws is logged, and the shutdown goes on. */
  readonly onShutdown?: (runtime: Runtime) => void | Promise<void>;
}

/** The name of a handler. */
export type HandlerName = keyof ServiceHandlers<unknown>;

/** Every handler: required, or optional. The compiler compares this table with the types above. */
export const HANDLERS = {
  onEventNotification: 'required',
  onSubscriptionVerification: 'optional',
  onUnsubscriptionVerification: 'optional',
  onSubscriptionValidationDenied: 'optional',
  onHubError: 'optional',
  onStart: 'optional',
  onShutdown: 'optional',
} as const satisfies {
  readonly [Name in HandlerName]: undefined extends ServiceHandlers<unknown>[Name] ? 'optional' : 'required';
};

/** The names of all handlers. */
export const HANDLER_NAMES = Object.keys(HANDLERS).filter((name): name is HandlerName => Object.hasOwn(HANDLERS, name));

type Handler<Name extends HandlerName, Runtime> = NonNullable<ServiceHandlers<Runtime>[Name]>;
type ArgumentOf<Name extends HandlerName, Runtime> = Parameters<Handler<Name, Runtime>>[0];
type ResultOf<Name extends HandlerName> = ReturnType<Handler<Name, unknown>>;
type Callable<Runtime> = { readonly [Name in HandlerName]?: (argument: ArgumentOf<Name, Runtime>) => ResultOf<Name> };

/**
 * Calls a handler and returns its result, or undefined when the service does not have this handler.
 *
 * @throws whatever the handler throws
 */
export function callHandler<Name extends HandlerName, Runtime>(
  handlers: ServiceHandlers<Runtime>,
  name: Name,
  argument: ArgumentOf<Name, Runtime>,
): ResultOf<Name> | undefined {
  const callable: Callable<Runtime> = handlers;
  // A required handler may be removed after the check at start. Its absence must not count as success.
  if (HANDLERS[name] === 'required' && typeof callable[name] !== 'function') {
    throw new TypeError(`${name} is not a function`);
  }
  return callable[name]?.(argument);
}
