import { checkHandlers } from '../runtime/config/check-handlers.js';
import { checkServiceConfig } from '../runtime/config/check-config.js';
import { setDefinition, type ServiceDefinition } from '../runtime/services/definition.js';
import type { SubscriberServiceConfig } from '../runtime/config/service-config.js';
import type { SubscriberClass, SubscriberDefinition, SubscriberHandlers } from '../runtime/subscriber-runtime.js';
import { defineClass } from './define-class.js';

/**
 * Creates a service without a decorator, from a class or from an object with handlers.
 *
 * The name is `config.name`, else the name of the class, else the class name of the object, else `'subscriber'`.
 *
 * @example
 * ```ts
 * const feedReader = defineSubscriber(
 *   { target: 'https://example.com/feed' },
 *   { onEventNotification: (event) => console.log(event.id) },
 * );
 * const runtime = await startService(feedReader);
 * ```
 *
 * @throws ConfigurationError if the configuration is invalid, `onEventNotification` is missing, a handler is not a
 *   function, or nothing says how to construct the class
 */
export function defineSubscriber(
  config: SubscriberServiceConfig,
  handlers: SubscriberClass | SubscriberHandlers,
): SubscriberDefinition {
  const definition = typeof handlers === 'function' ? defineClass(handlers, config) : defineObject(handlers, config);
  const subscriber: SubscriberDefinition = Object.freeze({ kind: 'subscriber', name: definition.name });
  setDefinition(subscriber, definition);
  return subscriber;
}

function defineObject(handlers: SubscriberHandlers, config: SubscriberServiceConfig): ServiceDefinition {
  const checked = checkServiceConfig(classNameOf(handlers) ?? 'subscriber', config);
  return Object.freeze({
    name: checked.name,
    declared: Object.freeze({ ...config }),
    config: checked,
    handlers: checkHandlers(checked.name, handlers),
  });
}

/** The name of the class that the object is an instance of, if any. */
function classNameOf(handlers: SubscriberHandlers): string | undefined {
  const { constructor }: { readonly constructor?: unknown } = Object(handlers);
  return typeof constructor === 'function' && constructor !== Object ? constructor.name || undefined : undefined;
}
