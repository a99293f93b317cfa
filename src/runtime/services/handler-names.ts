import type { SubscriberHandlers } from './handlers.js';

/** The handlers that a service may leave out. */
export const OPTIONAL_HANDLERS = [
  'onSubscriptionVerification',
  'onUnsubscriptionVerification',
  'onSubscriptionValidationDenied',
  'onHubError',
  'onStart',
  'onShutdown',
] as const satisfies readonly (keyof SubscriberHandlers)[];

/** All handlers of a service. */
export const HANDLERS = ['onEventNotification', ...OPTIONAL_HANDLERS] as const;

/** The name of a handler. */
export type HandlerName = (typeof HANDLERS)[number];
