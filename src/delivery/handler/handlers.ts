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

// Handlers are properties, not methods, because TypeScript checks the parameter types of methods less strictly.

/**
 * Receives the events of a service.
 *
 * @example
 * ```ts
 * class Orders implements EventHandler {
 *   onEventNotification = async (event: ContentDistributionMessage) => {
 *     await save(event.id, event.json());
 *   };
 * }
 * ```
 */
export interface EventHandler {
  /**
   * Called with each event (WebSub section 7). Returning acknowledges it with 202. Throwing `SubscriptionDeletedError`
   * ends the subscription and answers 410. Throwing `UnrecoverableEventError` answers 202 and makes the event a dead
   * letter. Throwing anything else also answers 202; the event is stored and retried. After `ackAfterMs`, or with
   * `mode: 'queued'`, the hub has its 202 already.
   */
  readonly onEventNotification: (
    event: ContentDistributionMessage,
  ) => Acknowledgement | void | Promise<Acknowledgement | void>;
}

/**
 * Answers a hub's verifications, denials and errors. All handlers are optional.
 *
 * @example
 * ```ts
 * onSubscriptionVerification = ({ leaseSeconds = 0 }: SubscriptionVerification) => {
 *   if (leaseSeconds < 3_600) throw new Error('the lease is too short');
 * };
 * ```
 */
export interface IntentHandlers {
  /**
   * Called before a subscription is confirmed. Throwing refuses the verification with 404. The subscription is then not
   * requested again until `retry(id)`.
   */
  readonly onSubscriptionVerification?: (
    verification: SubscriptionVerification,
  ) => MaybePromise<SubscriptionVerificationSuccess | void>;
  /** Called before an unsubscription is confirmed. Throwing refuses it with 404, so the subscription continues. */
  readonly onUnsubscriptionVerification?: (
    verification: UnsubscriptionVerification,
  ) => MaybePromise<UnsubscriptionVerificationSuccess | void>;
  /** Called when a hub denies a subscription. The hub gets 200, even if the handler fails or exceeds `ackAfterMs`. */
  readonly onSubscriptionValidationDenied?: (denial: SubscriptionDeniedError) => MaybePromise<Acknowledgement | void>;
  /** Called when a hub reports an error. The hub gets 200, even if the handler fails or exceeds `ackAfterMs`. */
  readonly onHubError?: (error: InternalHubError) => MaybePromise<Acknowledgement | void>;
}

/** All handlers of a service. `Runtime` is a type parameter because the runtime is in a layer above. */
export interface ServiceHandlers<Runtime> extends EventHandler, IntentHandlers {
  /** Called once when the runtime starts, before any request to a hub. Throwing makes `startService` reject. */
  readonly onStart?: (runtime: Runtime) => void | Promise<void>;
  /** Called once when the runtime stops. An error it throws is logged, and the shutdown continues. */
  readonly onShutdown?: (runtime: Runtime) => void | Promise<void>;
}

/** The name of a handler. */
export type HandlerName = keyof ServiceHandlers<unknown>;

/** Whether each handler is required. The compiler checks this table against the types above. */
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
 * Calls a handler and returns its result, or undefined if the service does not have it.
 *
 * @throws the error that the handler throws
 */
export function callHandler<Name extends HandlerName, Runtime>(
  handlers: ServiceHandlers<Runtime>,
  name: Name,
  argument: ArgumentOf<Name, Runtime>,
): ResultOf<Name> | undefined {
  const callable: Callable<Runtime> = handlers;
  // The service may remove a required handler after the check at start. A missing handler must not count as success.
  if (HANDLERS[name] === 'required' && typeof callable[name] !== 'function') {
    throw new TypeError(`${name} is not a function`);
  }
  return callable[name]?.(argument);
}
