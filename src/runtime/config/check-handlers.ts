import { HANDLER_NAMES, HANDLERS } from '../../delivery/handler/handlers.js';
import { ConfigurationError } from '../../errors.js';
import type { SubscriberHandlers } from '../subscriber-runtime.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { describeType } from './checks/field-checks.js';
import { misspelledHandlers } from './misspelled-handlers.js';

/**
 * Checks the handlers of a service at run time, for users without the compiler.
 *
 * @throws ConfigurationError if a required handler is missing, or a handler is not a function
 */
export function checkHandlers(service: string, value: unknown): SubscriberHandlers {
  if (!isRecord(value)) throw notAnObject(service, value);
  for (const name of HANDLER_NAMES) {
    const handler = value[name];
    if (HANDLERS[name] === 'optional' && handler !== undefined && typeof handler !== 'function') {
      throw new ConfigurationError(`Service "${service}": ${name} is ${describeType(handler)}; it must be a method.`);
    }
  }
  checkRequired(service, value);
  return value;
}

function checkRequired(service: string, value: object): asserts value is SubscriberHandlers {
  for (const name of HANDLER_NAMES) {
    if (HANDLERS[name] === 'optional' || typeof Reflect.get(value, name) === 'function') continue;
    const misspelled = misspelledHandlers(value).find(({ handler }) => handler === name);
    const remedy = misspelled === undefined ? 'Add it to receive events' : `Rename ${misspelled.method} to ${name}`;
    throw new ConfigurationError(`Service "${service}" has no method ${name}. ${remedy}.`);
  }
}

function notAnObject(service: string, value: unknown): ConfigurationError {
  return new ConfigurationError(
    `Service "${service}": the handlers are ${describeType(value)}; they must be an object.`,
  );
}
