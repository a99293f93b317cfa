import { MAX_URL_LENGTH } from '../../protocol/links/document-urls.js';
import { withoutCredentials } from '../../protocol/http-url.js';
import { invalidUrlError, missingLocationError, tooManyRedirectsError } from './discovery-error.js';
import type { OutboundResponse } from '../http/http.js';

/**
 * The URL to request for a target, without a fragment.
 *
 * @throws ResourceDiscoveryFailedError with `invalid-url`, also if the URL is longer than 8 KiB
 */
export function documentUrl(target: string): URL {
  return requestUrl(target, undefined, `Cannot discover from ${JSON.stringify(withoutCredentials(target))}`);
}

/**
 * The target of a redirect.
 *
 * @param redirects number of redirects followed so far
 * @throws ResourceDiscoveryFailedError if the redirect has no valid target, or there were too many
 */
export function redirectedUrl(response: OutboundResponse, from: URL, redirects: number, maxRedirects: number): URL {
  const { status } = response;
  const location = response.headers.get('location');
  if (location === null) throw missingLocationError(from.href, status);
  if (redirects >= maxRedirects) throw tooManyRedirectsError(from.href, status, redirects);
  // A header arrives with one character per byte.
  const text = Buffer.from(location, 'latin1').toString('utf8');
  const subject = `Cannot follow the redirect (${status}) of ${from.href} to ${withoutCredentials(text)}`;
  return requestUrl(text, from.href, subject, status);
}

function requestUrl(text: string, base: string | undefined, subject: string, status?: number): URL {
  const invalid = (rule: string): Error => invalidUrlError(subject, rule, status);
  if (!URL.canParse(text, base)) throw invalid('be absolute, such as https://example.com/feed');
  const url = new URL(text, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('be an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw invalid('have no user name or password (not shown). Set discoveryConfig.httpConfig.auth instead');
  }
  url.hash = '';
  if (url.href.length > MAX_URL_LENGTH) throw invalid(`be no longer than ${MAX_URL_LENGTH} bytes`);
  return url;
}
