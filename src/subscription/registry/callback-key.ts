/**
 * The last segment of a path, which identifies a grant whatever a proxy put before it. Trailing slashes do not count, nor
 * does it matter which characters are percent-encoded.
 *
 * @param target a path, or a request target with its query
 */
export function lastSegment(target: string): string {
  const query = target.indexOf('?');
  let end = query === -1 ? target.length : query;
  while (end > 0 && target.charCodeAt(end - 1) === 47) end -= 1;
  const segment = target.slice(target.lastIndexOf('/', end - 1) + 1, end);
  return segment.includes('%') ? decodeSegment(segment) : segment;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** The key of a callback URL. */
export function callbackKey(callback: string): string {
  return lastSegment(new URL(callback).pathname);
}

/** As long as 32 random bytes are in base64url. */
const TOKEN = /^[\w-]{43}$/;

/** Whether a path, or its last segment, is a random token that was made for one grant. */
export function isCallbackToken(path: string): boolean {
  return TOKEN.test(path);
}

/**
 * Whether a path ends in such a token: no other grant has the same path, and nobody else's page is at it.
 *
 * @param target a path, or a request target with its query
 */
export function endsWithCallbackToken(target: string): boolean {
  return isCallbackToken(lastSegment(target));
}
