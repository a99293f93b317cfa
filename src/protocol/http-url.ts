import { ConfigurationError } from '../errors.js';

/** Removes user name and password from a URL. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([^/?#]*\/\/)[^/?#]*@/, '$1');
}

/**
 * Parses a URL that requests are sent to.
 *
 * @param field the option's name, for the error
 * @throws ConfigurationError when it is not an absolute http or https URL, or has credentials or a fragment
 */
export function parseHttpUrl(field: string, value: string): URL {
  if (!URL.canParse(value)) throw wrongUrl(field, value, 'an absolute URL, such as https://example.com/path');
  const url = new URL(value);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw wrongUrl(field, value, 'an http or https URL');
  if (url.username !== '' || url.password !== '') throw credentialsInUrl(field, value);
  if (url.hash !== '' || value.endsWith('#')) {
    throw wrongUrl(field, value, 'a URL without a fragment. Remove the # and everything after it');
  }
  return url;
}

/** The error for a URL with a user name or password, which it does not show. */
export function credentialsInUrl(field: string, value: string): ConfigurationError {
  return new ConfigurationError(
    `${field} is ${shown(value)} with a user name or password (not shown). Remove them from the URL.`,
  );
}

/** The error for a URL that may be shown. Leaves out a user name and password. */
export function wrongUrl(field: string, value: string, expected: string): ConfigurationError {
  return new ConfigurationError(`${field} is ${shown(value)}; it must be ${expected}.`);
}

function shown(url: string): string {
  return JSON.stringify(withoutCredentials(url));
}
