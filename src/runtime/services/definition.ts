import { ConfigurationError } from '../../errors.js';
import { checkServiceConfig } from '../config/check-config.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { describeType } from '../config/checks/field-checks.js';
import { ownMetadata, setMetadata } from './reflect.js';
import type { CheckedServiceConfig, SubscriberServiceConfig } from '../config/service-config.js';
import type { ServiceReference, SubscriberClass, SubscriberHandlers } from '../subscriber-runtime.js';

/** What is known of a service before it is started. */
export interface ServiceDefinition {
  readonly name: string;
  /** The configuration as its author wrote it, for overrides to be merged into. */
  readonly declared: SubscriberServiceConfig;
  readonly config: CheckedServiceConfig;
  /** A class to construct, or the handlers themselves. */
  readonly handlers: SubscriberClass | SubscriberHandlers;
}

/** Also found by another copy of this package in the same process, such as a command line's own. */
const METADATA_KEY = Symbol.for('websub-subscriber:service');
const definitions = new WeakMap<object, ServiceDefinition>();

/** Remembers what a class, or a definition's token, stands for. */
export function setDefinition(key: object, definition: ServiceDefinition): void {
  definitions.set(key, definition);
  setMetadata(METADATA_KEY, definition, key);
}

/** What was remembered of the class or token itself: a subclass does not inherit its base class's configuration. */
export function ownDefinition(key: object): ServiceDefinition | undefined {
  const known = definitions.get(key);
  if (known !== undefined) return known;
  const foreign = ownMetadata(METADATA_KEY, key);
  if (!isForeignDefinition(foreign)) return undefined;
  const definition = { ...foreign, config: checkServiceConfig(foreign.name, foreign.declared) };
  definitions.set(key, definition);
  return definition;
}

/** Another version of this package may have checked it by other rules: only what the author wrote is taken over. */
function isForeignDefinition(value: unknown): value is Omit<ServiceDefinition, 'config'> {
  return isRecord(value) && typeof value['name'] === 'string' && isRecord(value['declared']) && 'handlers' in value;
}

/**
 * The definition behind a decorated class or a result of `defineSubscriber`.
 *
 * @throws ConfigurationError for anything else.
 */
export function definitionOf(service: ServiceReference): ServiceDefinition {
  // Whoever has no compiler may hand over anything.
  const value: unknown = service;
  if (typeof value === 'function') return ownDefinition(value) ?? throwNotAService(value);
  const definition = typeof value === 'object' && value !== null ? ownDefinition(value) : undefined;
  if (definition !== undefined) return definition;
  const hint = isRecord(value) ? '; wrap handlers in defineSubscriber(config, handlers)' : '';
  throw new ConfigurationError(
    `A service is a class decorated with @SubscriberService() or what defineSubscriber() made, not ${describeType(value)}${hint}.`,
  );
}

function throwNotAService(service: { readonly name: string }): never {
  const base: unknown = Object.getPrototypeOf(service);
  const inherited = typeof base === 'function' && ownDefinition(base) !== undefined;
  throw new ConfigurationError(
    inherited
      ? `Class "${service.name}" is not a service, though "${base.name}", which it extends, is: ` +
          'a configuration is not inherited; decorate it with @SubscriberService() of its own.'
      : `Class "${service.name}" is not a service: decorate it with @SubscriberService(), above any decorator that ` +
          'replaces the class, or pass defineSubscriber(config, TheClass).',
  );
}

/**
 * The definitions behind one service or several.
 *
 * @throws ConfigurationError without a service, or when two have one name.
 */
export function definitionsOf(services: ServiceReference | readonly ServiceReference[]): readonly ServiceDefinition[] {
  const byName = new Map<string, ServiceDefinition>();
  for (const service of isList(services) ? services : [services]) {
    const definition = definitionOf(service);
    if (byName.has(definition.name)) {
      throw new ConfigurationError(
        `Two services are named "${definition.name}", and what is stored is kept by name; give one another \`name\`.`,
      );
    }
    byName.set(definition.name, definition);
  }
  if (byName.size === 0) throw new ConfigurationError('There is no service to start: pass a decorated class.');
  return [...byName.values()];
}

function isList(services: ServiceReference | readonly ServiceReference[]): services is readonly ServiceReference[] {
  return Array.isArray(services);
}
