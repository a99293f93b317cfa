/** The promise's outcome, or a rejection after so many milliseconds; the timer never outlives it. */
export function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  // Not a race, which costs several times as much: each event that is stored is waited for by this.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${milliseconds} ms`));
    }, milliseconds);
    promise.then(
      (value) => {
        clearTimeout(timer);
        return resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** The items of an iterable, none of which may take longer than so many milliseconds. */
export async function* eachWithTimeout<T>(items: AsyncIterable<T>, milliseconds: number): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await withTimeout(iterator.next(), milliseconds);
      ended = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    // A generator that hangs cannot be told to return: it would hang again.
    ended = true;
    throw error;
  } finally {
    if (!ended) await iterator.return?.();
  }
}
