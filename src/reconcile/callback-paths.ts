import { randomBytes } from 'node:crypto';
import { ConfigurationError } from '../errors.js';
import type { DeclaredService } from './declared-service.js';
import { callbackKey, isCallbackToken, lastSegment } from '../subscription/registry/callback-key.js';

/** How a service's callback URLs are made. */
export interface CallbackPaths {
  /** The URL of a path, as the hub is to see it. */
  readonly callbackOf: (path: string) => string;
  /** Whether every grant would have the same callback. */
  readonly hasOneCallback: boolean;
  /** A path for one more grant. */
  readonly newPath: (isTaken: (callback: string) => boolean) => string;
}

const TOKEN_BYTES = 32;

/** Whether the service's callback is taken literally, so that it can serve one grant only. */
export function isLiteralCallback({
  callback,
  appendServicePath,
}: Pick<DeclaredService, 'callback' | 'appendServicePath'>): boolean {
  return callback !== undefined && !appendServicePath;
}

/**
 * The callbacks of a service: an unguessable token below the base (WebSub section 5: capability URLs), or what the
 * configuration fixes.
 *
 * Quirk(Switchboard): rewrites dots in the names of a callback's query to underscores. Our token is in the path.
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

/** Where a path would be today, if it was made under another service path. */
function currentPath(path: string, servicePath: string | undefined): string {
  if (path === servicePath) return path;
  const token = lastSegment(path);
  if (servicePath === undefined) return isCallbackToken(token) ? token : path;
  return isCallbackToken(token) ? `${servicePath}/${token}` : servicePath;
}

/**
 * Requests are told apart by the last segment of their path alone, whatever a proxy put before it: two services may not
 * fix the same one.
 *
 * @throws ConfigurationError naming both
 */
export function refuseSharedPaths(configs: readonly DeclaredService[]): void {
  const seen = new Map<string, string>();
  for (const config of configs) {
    if (!isLiteralCallback(config) && config.servicePath === undefined) continue;
    // The base does not matter: it comes before the last segment.
    const paths = callbackPaths(config, 'http://localhost');
    const key = callbackKey(paths.callbackOf(paths.newPath(() => false)));
    const other = seen.get(key);
    if (other !== undefined) {
      throw new ConfigurationError(
        `Services "${other}" and "${config.name}" both have callbacks that end in "${key}", and callbacks are told apart by ` +
          'their last segment: give one another servicePath or callback.',
      );
    }
    seen.set(key, config.name);
  }
}
