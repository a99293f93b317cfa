import type { Dispatcher } from 'undici';

/** Credentials sent with a request. */
export type HttpAuth = { readonly bearer: string } | { readonly username: string; readonly password: string };

/** How requests to hubs and publishers are made. */
export interface HttpClientConfig {
  /** Milliseconds until a request without a complete answer is given up. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** Headers added to every request; not sent on to another origin over plain HTTP. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Credentials; not sent on to another origin over plain HTTP. */
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
