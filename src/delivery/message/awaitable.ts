/** A value or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** Prevents an unhandled rejection from ending the process. Callers that await the promise still get the rejection. */
export function suppressUnhandledRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Applies `map` to a value. A value that is not a promise is mapped synchronously, without a delay. */
export function mapAwaitable<T, U>(value: Awaitable<T>, map: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(map) : map(value);
}
