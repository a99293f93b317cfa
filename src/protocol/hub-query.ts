/** The parameters of a hub's GET to the callback. If a parameter is repeated, the last one counts (PROTOCOL V5). */
export interface HubQuery {
  readonly mode: string | undefined;
  readonly topic: string | undefined;
  readonly challenge: string | undefined;
  readonly leaseSeconds: string | undefined;
  readonly reason: string | undefined;
  readonly verifyToken: string | undefined;
}

/**
 * Parses the query of a hub's GET.
 *
 * @param query without its question mark
 * @returns undefined when the challenge is not UTF-8, because its bytes could not be echoed unchanged. In other
 *   parameters, invalid UTF-8 becomes U+FFFD: a denial counts, however its reason is encoded
 */
export function parseHubQuery(query: string): HubQuery | undefined {
  const last = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (name?.startsWith('hub.') !== true) continue;
    const rawValue = equals === -1 ? '' : pair.slice(equals + 1);
    const value = decode(rawValue);
    if (value === undefined && name === 'hub.challenge') return undefined;
    last.set(name, value ?? decodeLeniently(rawValue));
  }
  return {
    mode: last.get('hub.mode'),
    topic: last.get('hub.topic'),
    challenge: last.get('hub.challenge'),
    leaseSeconds: last.get('hub.lease_seconds'),
    reason: last.get('hub.reason'),
    verifyToken: last.get('hub.verify_token'),
  };
}

/**
 * Whether the hub names the expected topic: the same string, or the same URL once normalized (PROTOCOL V10).
 *
 * Quirk(Webubbub): does not percent-encode `hub.topic`. A topic with `&` arrives cut, and `%C3%A9` arrives as `é`. We
 * also compare the topic with the raw query.
 */
export function matchesTopic(expected: string, named: string, query: string): boolean {
  return isSameTopic(expected, named) || isSameTopic(expected, rawTopic(query));
}

/**
 * Like `matchesTopic`, for a denial.
 *
 * Quirk(STA-WebSub-Hub): percent-encodes the topic of a denial twice. We decode it once more (PROTOCOL V10).
 */
export function matchesDeniedTopic(expected: string, named: string, query: string): boolean {
  if (matchesTopic(expected, named, query)) return true;
  const decoded = decode(named.replaceAll('+', '%2B'));
  return decoded !== undefined && isSameTopic(expected, decoded);
}

/**
 * Whether two topics are equal: as strings, or as URLs with normalized percent-encoding (RFC 3986, section 6.2.2: the
 * case of hex digits, and characters that need no encoding).
 */
export function isSameTopic(a: string, b: string): boolean {
  return a === b || (URL.canParse(a) && URL.canParse(b) && normalizeUrl(a) === normalizeUrl(b));
}

/** Normalizes a URL, so that equal topics are equal strings. Text that is no URL stays unchanged. */
export function normalizeUrl(url: string): string {
  return URL.canParse(url) ? normalizeEscapes(new URL(url).href) : url;
}

/** Normalizes the percent-encoding of a URL (RFC 3986, section 6.2.2). */
export function normalizeEscapes(url: string): string {
  return url.replaceAll(/%[\da-f]{2}/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : encoded.toUpperCase();
  });
}

/** Returns the raw text between the last `hub.topic=` and the hub's next parameter. */
function rawTopic(query: string): string {
  const start = query.lastIndexOf('hub.topic=');
  if (start === -1) return '';
  const value = query.slice(start + 'hub.topic='.length);
  const end = value.indexOf('&hub.');
  return end === -1 ? value : value.slice(0, end);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function decodeLeniently(text: string): string {
  return new URLSearchParams(`_=${text}`).get('_') ?? '';
}
