/**
 * The last segment of a path, without the query. The segment identifies a grant, whatever prefix a proxy adds. Trailing
 * slashes are ignored. Percent-encoding is decoded; invalid encoding stays unchanged.
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

/** 32 random bytes in base64url. */
const TOKEN = /^[\w-]{43}$/;

/** Whether a path or segment is a random token, which belongs to one grant only. */
export function isCallbackToken(path: string): boolean {
  return TOKEN.test(path);
}

/**
 * Whether a path ends in a random token. Such a path belongs to one grant only, and cannot be another page of the
 * application.
 *
 * @param target a path, or a request target with its query
 */
export function endsWithCallbackToken(target: string): boolean {
  return isCallbackToken(lastSegment(target));
}
