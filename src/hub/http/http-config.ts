import type { Dispatcher } from 'undici';

/**
 * A bearer token, or a function that returns one.
 *
 * The function runs before each request that carries credentials. If it throws or rejects, the request is not sent and
 * counts as a failed attempt.
 */
export type BearerToken = string | (() => string | Promise<string>);

/** Credentials of a request: a bearer token, or a user name and password for Basic authentication. */
export type HttpAuth = { readonly bearer: BearerToken } | { readonly username: string; readonly password: string };

/**
 * Options for requests to hubs and publishers.
 *
 * @example
 * const httpConfig: HttpClientConfig = { timeoutMs: 5_000, auth: { bearer: () => currentToken() } };
 */
export interface HttpClientConfig {
  /** Milliseconds until a request without a complete answer fails. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Headers for requests to the target, or to the configured or advertised hub. Other origins never get them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Credentials for requests to the target, or to the configured or advertised hub. Other origins never get them. */
  readonly auth?: HttpAuth | undefined;
  /** Maximum number of redirects to follow. @default 5 */
  readonly maxRedirects?: number | undefined;
  /** Your own undici dispatcher, such as a proxy. You then have to block private addresses yourself. */
  readonly dispatcher?: Dispatcher | undefined;
}

/**
 * Options for the requests of discovery (WebSub section 4).
 *
 * @example
 * const config: DiscoveryConfig = { accept: 'application/atom+xml', acceptLanguage: ['de', 'en;q=0.5'] };
 */
export interface DiscoveryConfig {
  /** The `Accept` header. @default the media types of pages and feeds, then any other type */
  readonly accept?: string | readonly string[] | undefined;
  /** The `Accept-Language` header. @default not sent */
  readonly acceptLanguage?: string | readonly string[] | undefined;
  /** Options for the requests to the target and its alternate feed. */
  readonly httpConfig?: HttpClientConfig | undefined;
}
