import type { Deadline } from './deadline.js';
import type { BearerToken, HttpClientConfig } from './http-config.js';
import { secretRedactor } from '../redaction/hub-text.js';
import { networkErrorMessage } from './network-error.js';

// Stricter than the fetch standard: undici refuses to send other characters.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a header can carry the value. */
export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/** The function that returns the bearer token; undefined if the configuration has none. */
export function bearerTokenSource({ auth }: HttpClientConfig): Exclude<BearerToken, string> | undefined {
  if (auth === undefined || !('bearer' in auth) || typeof auth.bearer === 'string') return undefined;
  return auth.bearer;
}

/** Tokens remembered per function. Messages must not show them. */
const MAX_REMEMBERED_TOKENS = 4;

const tokensBySource = new WeakMap<Exclude<BearerToken, string>, readonly string[]>();

/** The latest tokens that a function returned, newest first. */
export function recentTokens(source: Exclude<BearerToken, string>): readonly string[] {
  return tokensBySource.get(source) ?? [];
}

/** The function in `auth.bearer` returned no usable token, so the request was not sent. */
class BearerTokenError extends Error {
  override readonly name = 'BearerTokenError';
}

/** Whether a request failed because its function returned no bearer token. */
export function isBearerTokenError(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof BearerTokenError;
}

/**
 * Calls the function that returns the bearer token of one request.
 *
 * @param field the option that holds the function, for the error
 * @throws BearerTokenError if the function fails or returns no usable token. The message shows no earlier token.
 */
export async function getBearerToken(
  source: Exclude<BearerToken, string>,
  field: string,
  { race }: Pick<Deadline, 'race'>,
): Promise<string> {
  let token: unknown;
  try {
    token = await race((async () => source())());
  } catch (cause) {
    const reason = networkErrorMessage(cause);
    const shown = secretRedactor(recentTokens(source))(reason);
    throw new BearerTokenError(`${field} failed: ${shown}`, shown === reason ? { cause } : {});
  }
  if (typeof token === 'string' && token !== '' && isHeaderValue(token)) {
    const others = recentTokens(source).filter((other) => other !== token);
    tokensBySource.set(source, [token, ...others].slice(0, MAX_REMEMBERED_TOKENS));
    return token;
  }
  throw new BearerTokenError(`${field} returned no token that HTTP allows in a header (value not shown)`);
}
