import { endsWithCallbackToken } from '../../subscription/registry/callback-key.js';
import type { CallbackMatch } from '../../subscription/registry/registry.js';

/**
 * Whether a request on a shared server is for a callback, also behind a proxy that adds a path prefix.
 *
 * The path of another page may end like a fixed callback. Therefore a GET must have `hub.mode`. The path of a POST must
 * end in a token or in the whole path of the callback.
 *
 * @param target path and query, as sent
 * @param match the callback that the target's last segment belongs to
 */
export function isForCallback(method: string, target: string, match: CallbackMatch): boolean {
  const [path, query] = split(target);
  if (method === 'GET' || method === 'HEAD') return new URLSearchParams(query).has('hub.mode');
  if (method !== 'POST') return false;
  return (
    endsWithCallbackToken(target) ||
    normalizedPath(path).endsWith(normalizedPath(new URL(match.grant.callback).pathname))
  );
}

function split(target: string): readonly [path: string, query: string] {
  const start = target.indexOf('?');
  return start === -1 ? [target, ''] : [target.slice(0, start), target.slice(start + 1)];
}

/** A path without trailing slashes, with percent-encoding decoded if it is valid. */
function normalizedPath(path: string): string {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) === 47) end -= 1;
  const trimmed = path.slice(0, end);
  try {
    return decodeURIComponent(trimmed);
  } catch {
    return trimmed;
  }
}
