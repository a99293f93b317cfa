import { ConfigurationError } from '../errors.js';
import type { SubscriberClass } from '../runtime/subscriber-runtime.js';
import { inheritedMetadata, ownMetadata } from '../runtime/services/reflect.js';

/** The metadata that compilers emit for types that are not classes at run time, and for plain values. */
const NOT_INJECTABLE = new Set<unknown>([
  Object,
  String,
  Number,
  Boolean,
  Array,
  Function,
  Promise,
  Symbol,
  BigInt,
  undefined,
]);

/**
 * Checks that a service's constructor can be called. Each parameter needs a token in `inject`, emitted type metadata
 * that names a class, or one of tsyringe's parameter decorators.
 *
 * @throws ConfigurationError that names the parameter without any of these, and the ways to add one
 */
export function checkConstructorParameters(
  service: string,
  target: SubscriberClass,
  inject: readonly unknown[] | undefined,
): void {
  const expected = parameterCount(target);
  if (inject !== undefined) {
    if (inject.length >= expected) return;
    throw new ConfigurationError(
      `Service "${service}": inject names ${inject.length} of the constructor's ${expected} arguments; it must name all, in order.`,
    );
  }
  const types = parameterTypes(target);
  for (let index = 0; index < Math.max(expected, types.length); index += 1) {
    if (!NOT_INJECTABLE.has(types[index])) continue;
    throw new ConfigurationError(
      `Service "${service}": constructor argument ${index + 1} cannot be injected, because ${reason(types, index)}. ` +
        'Name all arguments in order, such as `inject: [Logger, Archive]`. Or compile with experimentalDecorators and ' +
        'emitDecoratorMetadata, and type the argument as a class that is imported as a value.',
    );
  }
}

function reason(types: readonly unknown[], index: number): string {
  const type = types[index];
  if (typeof type === 'function') return `its type is ${type.name} at run time, which cannot be constructed`;
  return types.length === 0 ? 'the compiler emitted no metadata' : 'its type is undefined at run time';
}

/** Reads the injected types as tsyringe does: a parameter decorator wins over emitted metadata. */
function parameterTypes(target: SubscriberClass): readonly unknown[] {
  const emitted = inheritedMetadata('design:paramtypes', target);
  const decorated = ownMetadata('injectionTokens', target);
  const types: unknown[] = Array.isArray(emitted) ? [...emitted] : [];
  if (typeof decorated === 'object' && decorated !== null) {
    for (const [index, token] of Object.entries(decorated)) types[Number(index)] = token;
  }
  return types;
}

/** The number of required parameters. A class without its own constructor has those of its base class. */
function parameterCount(target: { readonly length: number }): number {
  const base: unknown = Object.getPrototypeOf(target);
  const hasOwn = target.length > 0 || Function.prototype.toString.call(target).includes('constructor');
  return hasOwn || typeof base !== 'function' || base === Function.prototype ? target.length : parameterCount(base);
}
