import { ConfigurationError } from '../../errors.js';
import { isHeaderValue, recentTokens } from '../http/bearer-token.js';
import type { HttpAuth, HttpClientConfig } from '../http/http-config.js';

/**
 * The headers of a request: those of the configuration, then `customHeaders`, then the configured credentials. A later
 * header replaces an earlier one.
 *
 * `withBearerToken` adds the token of a function, which is new for each request.
 *
 * @throws ConfigurationError for a name or value that no header can carry
 */
export function requestHeaders(
  config: HttpClientConfig,
  customHeaders: Readonly<Record<string, string>> = {},
): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(config.headers ?? {}))
    setHeader(headers, 'httpConfig.headers', name, value);
  for (const [name, value] of Object.entries(customHeaders)) setHeader(headers, 'customHeaders', name, value);
  const credentials = config.auth === undefined ? undefined : authorization(config.auth);
  if (credentials !== undefined) setHeader(headers, 'httpConfig.auth', 'authorization', credentials);
  return headers;
}

/** A copy of the headers with the bearer token of this request. */
export function withBearerToken(headers: Headers, token: string): Headers {
  const authorized = new Headers(headers);
  authorized.set('authorization', `Bearer ${token}`);
  return authorized;
}

/** The secret parts of the configured credentials as they are sent, for redaction. */
export function credentialsOf(config: HttpClientConfig): readonly string[] {
  const { auth } = config;
  if (auth === undefined) return [];
  if ('bearer' in auth) return typeof auth.bearer === 'string' ? [auth.bearer] : recentTokens(auth.bearer);
  return [auth.password, basicCredentials(auth.username, auth.password)];
}

/** Minimum length of a secret custom parameter or header, in characters. A shorter one is a word such as `async`. */
const MIN_CUSTOM_SECRET_LENGTH = 8;

/** Values to redact from messages: credentials, custom headers and custom parameters. */
export function configuredSecrets({
  httpConfig,
  customParams = {},
  customHeaders = {},
}: {
  readonly httpConfig: HttpClientConfig;
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  readonly customHeaders?: Readonly<Record<string, string>> | undefined;
}): readonly string[] {
  const custom = [customParams, customHeaders, httpConfig.headers ?? {}]
    .flatMap((values) => Object.values(values))
    .filter(({ length }) => length >= MIN_CUSTOM_SECRET_LENGTH);
  return [...credentialsOf(httpConfig), ...custom];
}

/** Whether the configuration has headers or credentials, which are for one origin only. */
export function hasCredentials(
  { auth, headers }: HttpClientConfig,
  customHeaders: Readonly<Record<string, string>> = {},
): boolean {
  return auth !== undefined || Object.keys({ ...headers, ...customHeaders }).length > 0;
}

function authorization(auth: HttpAuth): string | undefined {
  if ('bearer' in auth) return typeof auth.bearer === 'string' ? `Bearer ${auth.bearer}` : undefined;
  if (auth.username.includes(':')) {
    throw new ConfigurationError(
      'httpConfig.auth.username has a colon, which Basic authentication does not allow. Remove it.',
    );
  }
  return `Basic ${basicCredentials(auth.username, auth.password)}`;
}

const basicCredentials = (username: string, password: string): string =>
  Buffer.from(`${username}:${password}`, 'utf8').toString('base64');

function setHeader(headers: Headers, field: string, name: string, value: string): void {
  try {
    if (!isHeaderValue(value)) throw new TypeError('not a header value');
    headers.set(name, value);
  } catch {
    // No cause: it quotes the value, which may be a credential.
    throw new ConfigurationError(
      `${field}: ${JSON.stringify(name)} has a name or value (not shown) that HTTP does not allow in a header.`,
    );
  }
}
