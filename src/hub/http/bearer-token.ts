import type { Deadline } from './deadline.js';
import type { BearerToken, HttpClientConfig } from './http-config.js';
import { secretRedactor } from '../redaction/hub-text.js';
import { networkErrorMessage } from './network-error.js';

// A header can carry more by the letter of fetch than undici then sends.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a header can carry the value. */
export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/** The function that gives the bearer token, where the configuration has one. */
export function bearerTokenSource({ auth }: HttpClientConfig): Exclude<BearerToken, string> | undefined {
  if (auth === undefined || !('bearer' in auth) || typeof auth.bearer === 'string') return undefined;
  return auth.bearer;
}

/** Tokens of one function that are remembered, so that no message shows them. */
const MAX_REMEMBERED_TOKENS = 4;

const tokensBySource = new WeakMap<Exclude<BearerToken, string>, readonly string[]>();

/** The tokens that a function gave last. */
export function recentTokens(source: Exclude<BearerToken, string>): readonly string[] {
  return tokensBySource.get(source) ?? [];
}

/** The function of `auth.bearer` gave no token, so the request was not sent. */
export class BearerTokenError extends Error {
  override readonly name = 'BearerTokenError';
}

/** Whether a request failed because its function gave no bearer token. */
export function isBearerTokenError(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof BearerTokenError;
}

/**
 * Calls the function that gives the bearer token of one request.
 *
 * @param field the option that the function was given as, for the error
 * @throws BearerTokenError that says what went wrong; no token that the function gave before is in it
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
  throw new BearerTokenError(`${field} gave no token that a header can carry (not shown)`);
}
