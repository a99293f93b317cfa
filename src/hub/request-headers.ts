import { ConfigurationError } from '../errors.js';
import type { HttpAuth, HttpClientConfig } from './http-config.js';

/**
 * The headers of a request: the configuration's, then `added`, then those of its credentials.
 *
 * @throws ConfigurationError for a name or value that no header can carry
 */
export function requestHeaders(config: HttpClientConfig, added: Readonly<Record<string, string>> = {}): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(config.headers ?? {})) set(headers, 'httpConfig.headers', name, value);
  for (const [name, value] of Object.entries(added)) set(headers, 'customHeaders', name, value);
  if (config.auth !== undefined) set(headers, 'httpConfig.auth', 'authorization', authorization(config.auth));
  return headers;
}

/** What a configuration's credentials look like on the wire, for keeping them out of messages. */
export function credentialsOf(config: HttpClientConfig): readonly string[] {
  const { auth } = config;
  if (auth === undefined) return [];
  return 'bearer' in auth ? [auth.bearer] : [auth.password, basicCredentials(auth.username, auth.password)];
}

function authorization(auth: HttpAuth): string {
  if ('bearer' in auth) return `Bearer ${auth.bearer}`;
  if (auth.username.includes(':')) {
    throw new ConfigurationError('httpConfig.auth.username has a colon, which Basic authentication cannot carry');
  }
  return `Basic ${basicCredentials(auth.username, auth.password)}`;
}

const basicCredentials = (username: string, password: string): string =>
  Buffer.from(`${username}:${password}`, 'utf8').toString('base64');

// A header can carry more by the letter of fetch than undici then sends.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function set(headers: Headers, field: string, name: string, value: string): void {
  try {
    if (!HEADER_VALUE.test(value)) throw new TypeError('not a header value');
    headers.set(name, value);
  } catch {
    // The cause is left out: it quotes the value, which may be a credential.
    throw new ConfigurationError(
      `${field}: ${JSON.stringify(name)} has a name or value (not shown) that an HTTP header cannot carry`,
    );
  }
}
