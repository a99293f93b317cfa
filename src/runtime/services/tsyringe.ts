import type { InjectionToken as TsyringeToken } from 'tsyringe';
import { onDemand } from '../../on-demand.js';

// tsyringe refuses to load before it: whoever needs tsyringe, a user of this package too, may take it from here.
onDemand('reflect-metadata');

export const { container, delay, inject, injectable, instanceCachingFactory, Lifecycle, singleton } =
  onDemand('tsyringe');
export type { DependencyContainer } from 'tsyringe';

/** Any class, abstract ones such as `Logger` and `SubscriberRuntime` too. */
export type ClassToken<T = unknown> = abstract new (...args: never[]) => T;

/** What a constructor argument is resolved by: a class, a string, a symbol, or tsyringe's `delay(() => Class)`. */
export type InjectionToken<T = unknown> = ClassToken<T> | TsyringeToken<T>;

/** The token as tsyringe types it: it takes abstract classes, but does not say so. */
export function tsyringeToken<T>(token: InjectionToken<T>): TsyringeToken<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return token as TsyringeToken<T>;
}

/** The class as tsyringe types those it constructs: with arguments of any type, which it finds out itself. */
export function tsyringeClass<T>(constructed: new (...args: never[]) => T): new (...args: unknown[]) => T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return constructed as new (...args: unknown[]) => T;
}
