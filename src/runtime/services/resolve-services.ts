import { ConfigurationError } from '../../errors.js';
import { Logger } from '../../logger.js';
import { checkHandlers } from '../config/check-handlers.js';
import type { ServiceDefinition } from './definition.js';
import { SubscriberRuntime, type SubscriberHandlers } from '../subscriber-runtime.js';
import {
  container as rootContainer,
  instanceCachingFactory,
  Lifecycle,
  tsyringeClass,
  tsyringeToken,
  type DependencyContainer,
} from './tsyringe.js';

/** What the runtime itself gives to the services it constructs. */
export interface InjectedByRuntime {
  readonly logger: Logger;
  readonly runtime: SubscriberRuntime;
}

/**
 * Constructs each service once, by its name, from a child of `parent` (of tsyringe's root container without one) in
 * which `Logger` and `SubscriberRuntime` are the runtime's own. Where the parent has a registration for a service's
 * class, that is used. What the child constructed is not disposed of: it may be a singleton of the parent.
 *
 * @throws ConfigurationError when a service cannot be constructed or lacks `onEventNotification`; `cause` says why.
 */
export function resolveServices(
  definitions: readonly ServiceDefinition[],
  parent: DependencyContainer | undefined,
  { logger, runtime }: InjectedByRuntime,
): ReadonlyMap<string, SubscriberHandlers> {
  const parentContainer = parent ?? rootContainer;
  const container = parentContainer.createChildContainer();
  container.registerInstance(tsyringeToken(Logger), logger);
  container.registerInstance(tsyringeToken(SubscriberRuntime), runtime);
  // All are registered before the first is constructed: one service may be injected into another.
  const resolvers = definitions.map(
    (definition) => [definition.name, registerService(definition, container, parentContainer)] as const,
  );
  return new Map(resolvers.map(([name, resolve]) => [name, checkHandlers(name, construct(name, resolve))]));
}

/** Registers a service; what it returns resolves it. */
function registerService(
  { name, handlers, config: { inject } }: ServiceDefinition,
  container: DependencyContainer,
  parentContainer: DependencyContainer,
): () => unknown {
  if (typeof handlers !== 'function') return () => handlers;
  const service = tsyringeClass(handlers);
  if (parentContainer.isRegistered(service, true)) return () => container.resolve(service);
  // A token of its own, as two definitions may share a class.
  const token = Symbol(name);
  if (inject === undefined) {
    container.register(token, { useClass: service }, { lifecycle: Lifecycle.ContainerScoped });
  } else {
    const create = (from: DependencyContainer): unknown =>
      new service(...inject.map((argument) => from.resolve(tsyringeToken(argument))));
    container.register(token, { useFactory: instanceCachingFactory(create) });
  }
  container.register(service, { useToken: token });
  return () => container.resolve(token);
}

function construct(name: string, resolve: () => unknown): unknown {
  try {
    return resolve();
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ');
    throw new ConfigurationError(`Service "${name}" could not be constructed: ${reason}`, { cause: error });
  }
}
