import { checkServiceConfig } from '../runtime/config/check-config.js';
import type { ServiceDefinition } from '../runtime/services/definition.js';
import type { SubscriberClass } from '../runtime/subscriber-runtime.js';
import type { SubscriberServiceConfig } from '../runtime/config/service-config.js';
import { injectable, tsyringeClass } from '../runtime/services/tsyringe.js';
import { checkConstructorParameters } from './constructor-parameters.js';

/**
 * Makes a class a service: its configuration checked, its constructor known to tsyringe.
 *
 * @throws ConfigurationError when the configuration is wrong, the class has no name, or nothing says what to construct
 *   it with.
 */
export function defineClass(target: SubscriberClass, config: SubscriberServiceConfig): ServiceDefinition {
  // A class may have a static `name` of any type.
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
