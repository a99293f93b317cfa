import { StoreError, WebSubError } from '../errors.js';

/** An error's own words; where it has none (several addresses refused), those of its parts, or its code. */
export function errorMessage(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message !== '') return cause.message;
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(errorMessage).join('; ');
  return 'code' in cause ? String(cause.code) : cause.name;
}

/** The text with every secret replaced. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((hidden, secret) => hidden.replaceAll(secret, '***'), text);
}

/**
 * A StoreError that says what failed and why; an error of this package stays as it is. The cause is kept unless it repeats a secret.
 *
 * @param what the sentence's beginning, such as `The store lmdb:///data could not be opened`.
 */
export function toStoreError(what: string, cause: unknown, secrets: readonly string[] = []): WebSubError {
  if (cause instanceof WebSubError) return cause;
  const reason = errorMessage(cause);
  const hidden = hideSecrets(reason, secrets);
  return new StoreError(`${what}: ${hidden}`, hidden === reason ? { cause } : {});
}
