import { MAX_URL_LENGTH } from '../../protocol/links/document-urls.js';
import { withoutCredentials } from '../../protocol/http-url.js';
import { discoveryError } from './discovery-error.js';
import type { OutboundResponse } from '../http/http.js';

/**
 * The URL to request for a target, without a fragment.
 *
 * @throws ResourceDiscoveryFailedError with `invalid-url`, also if the URL is longer than 8 KiB
 */
export function documentUrl(target: string): URL {
  return requestUrl(target, undefined, `Cannot discover from ${JSON.stringify(withoutCredentials(target))}: it`);
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
  if (location === null) {
    throw discoveryError('http-error', `${from.href} answered ${status} without a Location to go on to`, { status });
  }
  if (redirects >= maxRedirects) {
    throw discoveryError(
      'too-many-redirects',
      `${from.href} answered ${status} once more after ${redirects} redirects, as many as are followed. ` +
        'Discover from the URL that they lead to, or raise discoveryConfig.httpConfig.maxRedirects',
      { status },
    );
  }
  // A header arrives with one character per byte.
  const text = Buffer.from(location, 'latin1').toString('utf8');
  return requestUrl(text, from.href, `${from.href} answered ${status} to ${withoutCredentials(text)}, which`, status);
}

function requestUrl(text: string, base: string | undefined, subject: string, status?: number): URL {
  const invalid = (problem: string): Error => discoveryError('invalid-url', `${subject} ${problem}`, { status });
  if (!URL.canParse(text, base)) throw invalid('is not an absolute URL, such as https://example.com/feed');
  const url = new URL(text, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('is not an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw invalid('carries a user name or password (not shown): give them as discoveryConfig.httpConfig.auth');
  }
  url.hash = '';
  if (url.href.length > MAX_URL_LENGTH) throw invalid(`is longer than ${MAX_URL_LENGTH} bytes, which are read at most`);
  return url;
}
