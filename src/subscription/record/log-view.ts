/** `console.log` and `util.inspect` of Node.js call an object's method of this name, and show what it returns. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/** An object with these fields that `console.log` shows under a class name. It respects the depth limit of the caller. */
export function viewNamed(name: string, fields: object): object {
  // oxlint-disable-next-line typescript/no-extraneous-class -- Node.js shows the name of a class
  class View {}
  Object.defineProperty(View, 'name', { value: name });
  return Object.assign(new View(), fields);
}

/**
 * Gives an object a view for `console.log`. The object stays plain: the method is not enumerable, so copies, comparisons and
 * JSON do not see it. One descriptor serves all objects of a kind, as snapshots are made for every event.
 */
export function withView<T extends object>(object: T, view: LogView<T>): T {
  return Object.defineProperty(object, INSPECT, view);
}

/** How a kind of objects is shown. */
export interface LogView<T extends object> {
  readonly value: (this: T) => object;
}
