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

/** Instances that the runtime injects into services. */
export interface InjectedByRuntime {
  readonly logger: Logger;
  readonly runtime: SubscriberRuntime;
}

/**
 * Constructs each service once. Returns the instances by service name.
 *
 * It uses a child container of `parent`, by default of tsyringe's root container. The child resolves `Logger` and
 * `SubscriberRuntime` to the given instances. If the parent has a registration of a service's class, that one is used.
 * The instances are never disposed, because they may be singletons of the parent.
 *
 * @throws ConfigurationError if a service cannot be constructed (see `cause`) or has no `onEventNotification`
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
  // Registers all before constructing the first: one service may be injected into another.
  const resolvers = definitions.map(
    (definition) => [definition.name, registerService(definition, container, parentContainer)] as const,
  );
  return new Map(resolvers.map(([name, resolve]) => [name, checkHandlers(name, construct(name, resolve))]));
}

/** Registers a service. Returns a function that resolves it. */
function registerService(
  { name, handlers, config: { inject } }: ServiceDefinition,
  container: DependencyContainer,
  parentContainer: DependencyContainer,
): () => unknown {
  if (typeof handlers !== 'function') return () => handlers;
  const service = tsyringeClass(handlers);
  if (parentContainer.isRegistered(service, true)) return () => container.resolve(service);
  // Not the class as token: two definitions may share a class.
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
