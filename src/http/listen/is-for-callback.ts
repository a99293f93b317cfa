import { endsWithCallbackToken } from '../../subscription/registry/callback-key.js';
import type { CallbackMatch } from '../../subscription/registry/registry.js';

/**
 * Whether a request at a server that is also somebody else's is for a callback, wherever a proxy has put it. A page of theirs
 * may end as a fixed callback does: a GET has to be a hub's question, and a POST to come on the callback's whole path, where
 * it does not end in a token.
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

/** A path without trailing slashes, and without percent-encoding where it can be undone. */
function normalizedPath(path: string): string {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) === 47) end -= 1;
  const cut = path.slice(0, end);
  try {
    return decodeURIComponent(cut);
  } catch {
    return cut;
  }
}
