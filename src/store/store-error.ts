import { StoreError, WebSubError } from '../errors.js';

/**
 * Returns an error's message. An error without one (several addresses refused) gives the messages of its parts, or its
 * code.
 */
export function errorMessage(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message !== '') return cause.message;
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(errorMessage).join('; ');
  return 'code' in cause ? String(cause.code) : cause.name;
}

/** Replaces every secret in a text. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((hidden, secret) => hidden.replaceAll(secret, '***'), text);
}

/**
 * Wraps an error in a StoreError that says what failed and why. An error of this package stays unchanged. The cause is
 * kept unless it contains a secret.
 *
 * @param summary the start of the sentence, such as `The store lmdb:///data could not be opened`.
 */
export function toStoreError(summary: string, cause: unknown, secrets: readonly string[] = []): WebSubError {
  if (cause instanceof WebSubError) return cause;
  const reason = errorMessage(cause);
  const hidden = hideSecrets(reason, secrets);
  return new StoreError(`${summary}: ${hidden}`, hidden === reason ? { cause } : {});
}
