import type { InjectionToken as TsyringeToken } from 'tsyringe';
import { onDemand } from '../../on-demand.js';

// tsyringe does not load without reflect-metadata. Therefore, import tsyringe from this file only.
onDemand('reflect-metadata');

/** The container, decorators and factories of tsyringe that services use. */
export const { container, delay, inject, injectable, instanceCachingFactory, Lifecycle, singleton } =
  onDemand('tsyringe');
export type { DependencyContainer } from 'tsyringe';

/** Any class, including abstract ones such as `Logger` and `SubscriberRuntime`. */
export type ClassToken<T = unknown> = abstract new (...args: never[]) => T;

/** The injection token of a constructor argument: a class, a string, a symbol, or tsyringe's `delay(() => Class)`. */
export type InjectionToken<T = unknown> = ClassToken<T> | TsyringeToken<T>;

/** Casts a token to tsyringe's type, which does not include abstract classes although tsyringe accepts them. */
export function tsyringeToken<T>(token: InjectionToken<T>): TsyringeToken<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return token as TsyringeToken<T>;
}

/** Casts a class to tsyringe's type of constructors. tsyringe finds out the argument types itself. */
export function tsyringeClass<T>(constructed: new (...args: never[]) => T): new (...args: unknown[]) => T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return constructed as new (...args: unknown[]) => T;
}
