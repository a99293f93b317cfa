/** `console.log` and `util.inspect` of Node.js call an object's method of this name, and print its result. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/**
 * An object with these fields that `console.log` prints with a class name. Nested objects respect the depth limit of
 * the caller.
 */
export function viewNamed(name: string, fields: object): object {
  // oxlint-disable-next-line typescript/no-extraneous-class -- Node.js shows the name of a class
  class View {}
  Object.defineProperty(View, 'name', { value: name });
  return Object.assign(new View(), fields);
}

/**
 * Gives an object a view for `console.log`. The object stays plain: the method is not enumerable, so copies,
 * comparisons and JSON do not see it. All objects of a kind share one descriptor, because every event creates
 * snapshots.
 */
export function withView<T extends object>(object: T, view: LogView<T>): T {
  return Object.defineProperty(object, INSPECT, view);
}

/** How `console.log` prints a kind of object. */
export interface LogView<T extends object> {
  readonly value: (this: T) => object;
}
