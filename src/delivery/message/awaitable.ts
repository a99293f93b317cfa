/** A value that is known now, or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** A promise whose rejection ends no process where nobody looks at it: whoever does is told all the same. */
export function suppressUnhandledRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Goes on with a value: at once where it is there, so that nothing waits that need not. */
export function mapAwaitable<T, U>(value: Awaitable<T>, map: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(map) : map(value);
}
