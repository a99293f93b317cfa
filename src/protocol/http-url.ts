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
  const invalid = (problem: string): ConfigurationError =>
    new ConfigurationError(`${field} ${JSON.stringify(withoutCredentials(value))} ${problem}`);
  if (!URL.canParse(value)) throw invalid('is not an absolute URL: give one such as https://example.com/path');
  const url = new URL(value);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('is not an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw invalid('carries a user name or password (not shown): leave it out');
  }
  if (url.hash !== '' || value.endsWith('#')) throw invalid('has a fragment: leave out # and what follows');
  return url;
}
