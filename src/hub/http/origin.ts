/** The origin of a URL. An unparsable URL is its own origin: the request itself reports the error. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/** The https form of an http URL. It keeps an explicit port; port 80 becomes 443. */
export function toHttps(url: string): string {
  const httpsUrl = new URL(url);
  httpsUrl.protocol = 'https:';
  return httpsUrl.href;
}

/**
 * Whether credentials configured for `credentialsFor` may go to `url`: its origin is the same, or the https form of it
 * (PROTOCOL S5).
 */
export function canSendCredentials(url: string, credentialsFor: string): boolean {
  const { origin } = new URL(url);
  return origin === new URL(credentialsFor).origin || origin === new URL(toHttps(credentialsFor)).origin;
}
