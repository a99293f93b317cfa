import { ConfigurationError } from '../../errors.js';
import { checkServiceConfig } from '../config/check-config.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { describeType } from '../config/checks/field-checks.js';
import { ownMetadata, setMetadata } from './reflect.js';
import type { CheckedServiceConfig, SubscriberServiceConfig } from '../config/service-config.js';
import type { ServiceReference, SubscriberClass, SubscriberHandlers } from '../subscriber-runtime.js';

/** A service before its start. */
export interface ServiceDefinition {
  readonly name: string;
  /** The configuration as written. Another copy of this package in the process checks it with its own rules. */
  readonly declared: SubscriberServiceConfig;
  readonly config: CheckedServiceConfig;
  /** A class to construct, or the handlers themselves. */
  readonly handlers: SubscriberClass | SubscriberHandlers;
}

/** A global symbol, so that another copy of this package in the process finds the definition too. */
const METADATA_KEY = Symbol.for('websub-subscriber:service');
const definitions = new WeakMap<object, ServiceDefinition>();

/** Stores the definition of a service class, or of a result of `defineSubscriber`. */
export function setDefinition(key: object, definition: ServiceDefinition): void {
  definitions.set(key, definition);
  setMetadata(METADATA_KEY, definition, key);
}

/** Returns the definition of the key itself. A subclass does not inherit the definition of its base class. */
export function ownDefinition(key: object): ServiceDefinition | undefined {
  const localDefinition = definitions.get(key);
  if (localDefinition !== undefined) return localDefinition;
  const foreign = ownMetadata(METADATA_KEY, key);
  if (!isForeignDefinition(foreign)) return undefined;
  const definition = { ...foreign, config: checkServiceConfig(foreign.name, foreign.declared) };
  definitions.set(key, definition);
  return definition;
}

/** Excludes `config`: another version of this package may have checked it with other rules. */
function isForeignDefinition(value: unknown): value is Omit<ServiceDefinition, 'config'> {
  return isRecord(value) && typeof value['name'] === 'string' && isRecord(value['declared']) && 'handlers' in value;
}

/**
 * Returns the definition of a decorated class or of a result of `defineSubscriber`.
 *
 * @throws ConfigurationError for any other value
 */
export function definitionOf(service: ServiceReference): ServiceDefinition {
  // Without the compiler, a caller may pass any value.
  const value: unknown = service;
  if (typeof value === 'function') return ownDefinition(value) ?? throwNotAService(value);
  const definition = typeof value === 'object' && value !== null ? ownDefinition(value) : undefined;
  if (definition !== undefined) return definition;
  const remedy = isRecord(value) ? ' Wrap handlers in defineSubscriber(config, handlers).' : '';
  throw new ConfigurationError(
    `The service is ${describeType(value)}; it must be a class decorated with @SubscriberService(), or a result of ` +
      `defineSubscriber().${remedy}`,
  );
}

function throwNotAService(service: { readonly name: string }): never {
  const base: unknown = Object.getPrototypeOf(service);
  const inherited = typeof base === 'function' && ownDefinition(base) !== undefined;
  throw new ConfigurationError(
    inherited
      ? `Class "${service.name}" is not a service: it extends the service "${base.name}", but does not inherit its ` +
          'configuration. Decorate it with its own @SubscriberService().'
      : `Class "${service.name}" is not a service. Decorate it with @SubscriberService(), above any decorator that ` +
          'replaces the class, or pass defineSubscriber(config, TheClass).',
  );
}

/**
 * Returns the definitions of one service or several.
 *
 * @throws ConfigurationError if there is no service, or two have the same name
 */
export function definitionsOf(services: ServiceReference | readonly ServiceReference[]): readonly ServiceDefinition[] {
  const byName = new Map<string, ServiceDefinition>();
  for (const service of isList(services) ? services : [services]) {
    const definition = definitionOf(service);
    if (byName.has(definition.name)) {
      throw new ConfigurationError(
        `Two services are named "${definition.name}", but stored state is found by name. Give one another \`name\`.`,
      );
    }
    byName.set(definition.name, definition);
  }
  if (byName.size === 0)
    throw new ConfigurationError(
      'There is no service to start. Pass a decorated class, or a result of defineSubscriber().',
    );
  return [...byName.values()];
}

function isList(services: ServiceReference | readonly ServiceReference[]): services is readonly ServiceReference[] {
  return Array.isArray(services);
}
