import { ConfigurationError } from '../../errors.js';
import { isRecord, kindOf } from './checks/field-checks.js';
import { OPTIONAL_HANDLERS } from '../services/handler-names.js';
import type { SubscriberHandlers } from '../services/handlers.js';
import { nearHandlers } from './near-handlers.js';

/**
 * The check that the compiler makes of a service's handlers, for who has no compiler.
 *
 * @throws ConfigurationError without an `onEventNotification`, or where a handler is not a function.
 */
export function checkHandlers(service: string, value: unknown): SubscriberHandlers {
  if (!isRecord(value)) throw new ConfigurationError(`Service "${service}": its handlers are not an object.`);
  for (const name of OPTIONAL_HANDLERS) {
    const handler = value[name];
    if (handler !== undefined && typeof handler !== 'function') {
      throw new ConfigurationError(`Service "${service}": ${name} is ${kindOf(handler)}; it must be a method.`);
    }
  }
  if (!receivesNews(value)) {
    const near = nearHandlers(value).find(({ handler }) => handler === 'onEventNotification');
    const remedy = near === undefined ? 'add one to receive news' : `rename ${near.method}, which is nearly its name`;
    throw new ConfigurationError(`Service "${service}" has no method onEventNotification; ${remedy}.`);
  }
  return value;
}

function receivesNews(value: object): value is SubscriberHandlers {
  return 'onEventNotification' in value && typeof value.onEventNotification === 'function';
}
