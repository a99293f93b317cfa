import { ConfigurationError } from '../errors.js';
import { isRecord, kindOf } from './field-checks.js';
import { nearestName } from './nearest-name.js';
import type { SubscriberHandlers } from './handlers.js';

const OPTIONAL_HANDLERS = [
  'onSubscriptionVerification',
  'onUnsubscriptionVerification',
  'onSubscriptionValidationDenied',
  'onHubError',
  'onStart',
  'onShutdown',
] as const satisfies readonly (keyof SubscriberHandlers)[];

const HANDLERS = ['onEventNotification', ...OPTIONAL_HANDLERS] as const;

/**
 * The check that the compiler makes of a service's handlers, for who has no compiler.
 *
 * @throws ConfigurationError without an `onEventNotification`, or where a handler is misspelt or not a function.
 */
export function checkHandlers(service: string, value: unknown): SubscriberHandlers {
  if (!isRecord(value)) throw new ConfigurationError(`Service "${service}": its handlers are not an object.`);
  for (const name of OPTIONAL_HANDLERS) {
    const handler = value[name];
    if (handler !== undefined && typeof handler !== 'function') {
      throw new ConfigurationError(`Service "${service}": ${name} is ${kindOf(handler)}; it must be a method.`);
    }
  }
  for (const name of methodsOf(value)) {
    const meant = nearestName(name, HANDLERS, () => 2);
    if (meant === undefined || meant in value) continue;
    throw new ConfigurationError(`Service "${service}": ${name} is no handler; did you mean ${meant}?`);
  }
  if (!receivesNews(value)) {
    throw new ConfigurationError(`Service "${service}" has no method onEventNotification; add one to receive news.`);
  }
  return value;
}

/** The names of methods that look like handlers, its own and those of its classes. */
function methodsOf(value: object): readonly string[] {
  const names: string[] = [];
  for (
    let holder: unknown = value;
    isRecord(holder) && holder !== Object.prototype;
    holder = Object.getPrototypeOf(holder)
  ) {
    names.push(...Object.getOwnPropertyNames(holder).filter((name) => /^on[A-Z]/.test(name)));
  }
  return names;
}

function receivesNews(value: object): value is SubscriberHandlers {
  return 'onEventNotification' in value && typeof value.onEventNotification === 'function';
}
