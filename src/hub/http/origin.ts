/** The origin of a URL. An unparsable URL is an origin of its own: the request itself reports the error. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/** The https form of an http URL: a port that is spelled out is kept, http's own becomes https's own. */
export function toHttps(url: string): string {
  const form = new URL(url);
  form.protocol = 'https:';
  return form.href;
}

/**
 * Whether credentials that were configured for one URL may go to another: to the same origin, or to the https form of it
 * (PROTOCOL S5).
 */
export function canSendCredentials(url: string, credentialsFor: string): boolean {
  const { origin } = new URL(url);
  return origin === new URL(credentialsFor).origin || origin === new URL(toHttps(credentialsFor)).origin;
}
