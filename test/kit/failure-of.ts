/**
 * The error that a promise rejects with.
 *
 * @throws an Error if the promise resolves, a TypeError if it rejects with something else than an Error
 */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new TypeError('the promise did not reject with an Error', { cause: error });
  }
  throw new Error('the promise did not reject');
}
