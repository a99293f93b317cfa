import { ConfigurationError } from '../../errors.js';
import { bearerTokenSource } from '../http/bearer-token.js';
import type { DocumentRequest } from './document.js';
import type { DiscoveryConfig } from '../http/http-config.js';
import { checkedMaxRedirects } from '../request/redirect-limit.js';
import { hasCredentials, requestHeaders } from '../request/request-headers.js';

/** What a feed may be. */
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

/** What a page or a feed that names a hub may be. */
const ACCEPT_PAGES = ['text/html', 'application/xhtml+xml', ...ACCEPT_FEEDS];

/**
 * The request that a configuration asks for.
 *
 * @param defaultAccept media types, where the configuration does not say
 * @throws ConfigurationError for what cannot be sent
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

/** Adds what content negotiation asks for; `accept` and `acceptLanguage` win over headers of the same name. */
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
        `discoveryConfig.${field} ${JSON.stringify(value)} cannot be sent as the header ${name}`,
      );
    }
  };
  if (accept !== undefined) set('accept', 'accept', accept);
  else if (!headers.has('accept')) set('accept', 'accept', defaultAccept);
  if (acceptLanguage !== undefined) set('acceptLanguage', 'accept-language', acceptLanguage);
  return headers;
}
