import { ConfigurationError } from '../errors.js';
import { setDefinition, ownDefinition } from '../runtime/services/definition.js';
import type { SubscriberClass } from '../runtime/subscriber-runtime.js';
import type { SubscriberServiceConfig } from '../runtime/config/service-config.js';
import { defineClass } from './define-class.js';

/**
 * Turns a class into a service for `startService`.
 *
 * It works as a standard decorator and with TypeScript's `experimentalDecorators`. A class does not compile without
 * `onEventNotification`, or with a wrong type of handler. A subclass needs a decorator of its own.
 *
 * @example
 * ```ts
 * @SubscriberService({ target: 'https://example.com/feed' })
 * class FeedReader {
 *   async onEventNotification(event: ContentDistributionMessage) {
 *     console.log(event.text());
 *   }
 * }
 * ```
 *
 * @throws ConfigurationError at the declaration of the class: if the configuration is invalid, nothing says how to
 *   construct the class, or it is decorated twice
 */
export function SubscriberService(
  config: SubscriberServiceConfig = {},
): <C extends SubscriberClass>(target: C, context?: ClassDecoratorContext<C>) => void {
  if (typeof config === 'function') {
    throw new ConfigurationError('@SubscriberService was used without parentheses. Write @SubscriberService().');
  }
  return (target, context) => {
    if (typeof target !== 'function' || (context !== undefined && context.kind !== 'class')) {
      throw new ConfigurationError('@SubscriberService() can decorate only a class.');
    }
    if (ownDefinition(target) !== undefined) {
      throw new ConfigurationError(
        `Class "${target.name}" is decorated with @SubscriberService() twice. Use \`targets\` for several subscriptions.`,
      );
    }
    setDefinition(target, defineClass(target, config));
  };
}
