import { randomBytes } from 'node:crypto';
import { ConfigurationError } from '../errors.js';
import type { DeclaredService } from './declared-service.js';
import type { RequestPolicy } from '../subscription/request-policy.js';
import { callbackKey, isCallbackToken, lastSegment } from '../subscription/registry/callback-key.js';

/** Creates a service's callback URLs. */
export type CallbackPaths = Pick<RequestPolicy, 'callbackOf' | 'hasOneCallback' | 'newPath'>;

const TOKEN_BYTES = 32;

/** Whether the callback URL is used unchanged. It then serves one grant only. */
export function isLiteralCallback({
  callback,
  appendServicePath,
}: Pick<DeclaredService, 'callback' | 'appendServicePath'>): boolean {
  return callback !== undefined && !appendServicePath;
}

/**
 * The callbacks of a service: an unguessable token below the base (WebSub section 5: capability URLs), or the
 * configured URL or path.
 *
 * Quirk(Switchboard): rewrites dots to underscores in parameter names of a callback's query. Our token is in the path.
 *
 * @param base the public URL with the base path
 */
export function callbackPaths(config: DeclaredService, base: string): CallbackPaths {
  const { callback, servicePath, targets } = config;
  if (callback !== undefined && isLiteralCallback(config))
    return { callbackOf: () => callback, hasOneCallback: true, newPath: () => '' };
  const prefix = callback === undefined ? base : callback.replace(/\/+$/, '');
  const callbackOf = (path: string): string => `${prefix}/${currentPath(path, servicePath)}`;
  return {
    callbackOf,
    hasOneCallback: false,
    newPath(isTaken) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      if (servicePath === undefined) return token;
      const isSingle = targets.length <= 1;
      return isSingle && !isTaken(callbackOf(servicePath)) ? servicePath : `${servicePath}/${token}`;
    },
  };
}

/** Moves a path that was created under another `servicePath` to the current one. */
function currentPath(path: string, servicePath: string | undefined): string {
  if (path === servicePath) return path;
  const token = lastSegment(path);
  if (servicePath === undefined) return isCallbackToken(token) ? token : path;
  return isCallbackToken(token) ? `${servicePath}/${token}` : servicePath;
}

/**
 * Checks that no two services use the same fixed callback. Only the last segment counts: a proxy may add any prefix.
 *
 * @throws ConfigurationError that names both services
 */
export function refuseSharedPaths(configs: readonly DeclaredService[]): void {
  const serviceByKey = new Map<string, string>();
  for (const config of configs) {
    if (!isLiteralCallback(config) && config.servicePath === undefined) continue;
    // The base does not matter: it comes before the last segment.
    const paths = callbackPaths(config, 'http://localhost');
    const key = callbackKey(paths.callbackOf(paths.newPath(() => false)));
    const other = serviceByKey.get(key);
    if (other !== undefined) {
      throw new ConfigurationError(
        `Services "${other}" and "${config.name}" both have callbacks that end in "${key}", but callbacks are told apart by ` +
          'their last segment. Give one service another servicePath or callback.',
      );
    }
    serviceByKey.set(key, config.name);
  }
}
