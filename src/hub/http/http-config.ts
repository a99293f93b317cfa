import type { Dispatcher } from 'undici';

/**
 * A bearer token, or a function that returns one. The function runs before each request that carries credentials. If it
 * throws or rejects, the request is not sent and counts as a failed attempt.
 */
export type BearerToken = string | (() => string | Promise<string>);

/** Credentials sent with a request. */
export type HttpAuth = { readonly bearer: BearerToken } | { readonly username: string; readonly password: string };

/** How requests to hubs and publishers are made. */
export interface HttpClientConfig {
  /** Milliseconds until a request without a complete answer is given up. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Headers for requests to the hub (given or advertised) or to the target. Requests to other origins do not carry them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Credentials for requests to the hub (given or advertised) or to the target. Requests to other origins do not carry them. */
  readonly auth?: HttpAuth | undefined;
  /** Redirects followed at most. @default 5 */
  readonly maxRedirects?: number | undefined;
  /** An undici dispatcher of your own (a proxy, say). The address guard is then yours too. */
  readonly dispatcher?: Dispatcher | undefined;
}

/** How discovery asks for the target (WebSub section 4). */
export interface DiscoveryConfig {
  /** `Accept`. */
  readonly accept?: string | readonly string[] | undefined;
  /** `Accept-Language`. */
  readonly acceptLanguage?: string | readonly string[] | undefined;
  readonly httpConfig?: HttpClientConfig | undefined;
}
