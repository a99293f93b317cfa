import type { Dispatcher } from 'undici';

/**
 * A bearer token, or a function that gives it. The function is called for each request that carries credentials; where it
 * throws or rejects, the request is not sent and counts as a failed attempt.
 */
export type BearerToken = string | (() => string | Promise<string>);

/** Credentials sent with a request. */
export type HttpAuth = { readonly bearer: BearerToken } | { readonly username: string; readonly password: string };

/** How requests to hubs and publishers are made. */
export interface HttpClientConfig {
  /** Milliseconds until a request without a complete answer is given up. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Headers added to every request to the origin of the hub or target that was given; never sent to another origin. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Credentials for the origin of the hub or target that was given; never sent to another origin. */
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
