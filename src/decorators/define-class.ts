import { checkServiceConfig } from '../runtime/config/check-config.js';
import type { ServiceDefinition } from '../runtime/services/definition.js';
import type { SubscriberClass } from '../runtime/subscriber-runtime.js';
import type { SubscriberServiceConfig } from '../runtime/config/service-config.js';
import { injectable, tsyringeClass } from '../runtime/services/tsyringe.js';
import { checkConstructorParameters } from './constructor-parameters.js';

/**
 * Checks the configuration of a service class, and registers its constructor with tsyringe.
 *
 * @throws ConfigurationError if the configuration is invalid, the service has no name, or nothing says how to construct
 *   the class
 */
export function defineClass(target: SubscriberClass, config: SubscriberServiceConfig): ServiceDefinition {
  // A static member `name` may have any type.
  const className: unknown = target.name;
  const checked = checkServiceConfig(typeof className === 'string' ? className : '', config);
  checkConstructorParameters(checked.name, target, checked.inject);
  injectable()(tsyringeClass(target));
  return Object.freeze({
    name: checked.name,
    declared: Object.freeze({ ...config }),
    config: checked,
    handlers: target,
  });
}
