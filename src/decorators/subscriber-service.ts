import { ConfigurationError } from '../errors.js';
import { setDefinition, ownDefinition } from '../runtime/services/definition.js';
import type { SubscriberClass } from '../runtime/subscriber-runtime.js';
import type { SubscriberServiceConfig } from '../runtime/config/service-config.js';
import { defineClass } from './define-class.js';

/**
 * Makes a class a service that `startService` takes. Works under TypeScript's `experimentalDecorators` and under standard
 * decorators; a class without `onEventNotification`, or with a handler mistyped, does not compile. A subclass is no
 * service before it is decorated itself.
 *
 * @example
 * ```ts
 * @SubscriberService({ target: 'https://example.com/feed' })
 * class News {
 *   async onEventNotification(event: ContentDistributionMessage) {}
 * }
 * ```
 *
 * @throws ConfigurationError, when the class is declared: for a wrong configuration, a constructor whose arguments are
 *   not known, or a class decorated twice.
 */
export function SubscriberService(
  config: SubscriberServiceConfig = {},
): <C extends SubscriberClass>(target: C, context?: ClassDecoratorContext<C>) => void {
  if (typeof config === 'function') {
    throw new ConfigurationError('@SubscriberService is called to decorate a class: write @SubscriberService().');
  }
  return (target, context) => {
    if (typeof target !== 'function' || (context !== undefined && context.kind !== 'class')) {
      throw new ConfigurationError('@SubscriberService() decorates classes only.');
    }
    if (ownDefinition(target) !== undefined) {
      throw new ConfigurationError(
        `Class "${target.name}" is decorated with @SubscriberService() twice; use \`targets\` for several subscriptions.`,
      );
    }
    setDefinition(target, defineClass(target, config));
  };
}
