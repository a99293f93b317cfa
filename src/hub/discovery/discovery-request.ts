import { ConfigurationError } from '../../errors.js';
import { bearerTokenSource } from '../http/bearer-token.js';
import type { DocumentRequest } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import { checkedMaxRedirects } from '../request/redirect-limit.js';
import { hasCredentials, requestHeaders } from '../request/request-headers.js';

/** Media types of feeds. */
export const ACCEPT_FEEDS = [
  'application/atom+xml',
  'application/rss+xml',
  'application/rdf+xml',
  'application/feed+json',
  'application/xml;q=0.9',
  'text/xml;q=0.9',
  'application/json;q=0.8',
  '*/*;q=0.5',
];

/** Media types of pages and feeds. */
const ACCEPT_PAGES = ['text/html', 'application/xhtml+xml', ...ACCEPT_FEEDS];

/**
 * Builds the request of a configuration.
 *
 * @param defaultAccept media types to accept if the configuration has none
 * @throws ConfigurationError for a header that cannot be sent, or an invalid `maxRedirects`
 */
export function discoveryRequest(
  config: DiscoveryConfig,
  allowPrivateNetworks: boolean,
  defaultAccept: readonly string[] = ACCEPT_PAGES,
): DocumentRequest {
  const { httpConfig = {} } = config;
  return {
    headers: withNegotiation(config, requestHeaders(httpConfig), defaultAccept),
    headersForOthers: withNegotiation(config, new Headers(), defaultAccept),
    hasCredentials: hasCredentials(httpConfig),
    tokenSource: bearerTokenSource(httpConfig),
    timeoutMs: httpConfig.timeoutMs,
    maxRedirects: checkedMaxRedirects('discoveryConfig.httpConfig.maxRedirects', httpConfig.maxRedirects),
    dispatcher: httpConfig.dispatcher,
    allowPrivateNetworks,
  };
}

/** Adds the headers of content negotiation. `accept` and `acceptLanguage` replace configured headers of that name. */
function withNegotiation(
  { accept, acceptLanguage }: DiscoveryConfig,
  headers: Headers,
  defaultAccept: readonly string[],
): Headers {
  const set = (field: 'accept' | 'acceptLanguage', name: string, value: string | readonly string[]): void => {
    try {
      headers.set(name, typeof value === 'string' ? value : value.join(', '));
    } catch {
      throw new ConfigurationError(
        `discoveryConfig.${field} is ${JSON.stringify(value)}; it must be a value that HTTP allows in the header ${name}.`,
      );
    }
  };
  if (accept !== undefined) set('accept', 'accept', accept);
  else if (!headers.has('accept')) set('accept', 'accept', defaultAccept);
  if (acceptLanguage !== undefined) set('acceptLanguage', 'accept-language', acceptLanguage);
  return headers;
}
