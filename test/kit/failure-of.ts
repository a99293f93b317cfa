/** The error a promise rejects with; an error of its own where it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error;
  throw new TypeError('rejected with what is no error');
}
