/** The error for a store that did not answer in time. */
export function timeoutError(milliseconds: number): Error {
  return new Error(`no answer within ${milliseconds} ms`);
}

/** Settles like the promise, or rejects after `milliseconds`. The timer is cleared when the promise settles. */
export function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  // Not `Promise.race`, which is several times slower: every stored event waits here.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(timeoutError(milliseconds));
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

/** Yields the items of an iterable. Throws when one takes longer than `milliseconds`. */
export async function* eachWithTimeout<T>(items: AsyncIterable<T>, milliseconds: number): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  let hasEnded = false;
  try {
    for (;;) {
      const next = await withTimeout(iterator.next(), milliseconds);
      hasEnded = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    // Do not call `return` on a hanging generator: it would hang again.
    hasEnded = true;
    throw error;
  } finally {
    if (!hasEnded) await iterator.return?.();
  }
}
