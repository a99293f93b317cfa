import { StoreError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';

/** The part of a Redis client that reports memory settings. */
export interface RedisInfo {
  info(section: string): Promise<unknown>;
}

/**
 * Checks whether the server deletes keys when its memory is full. Reads `INFO`, because managed servers do not allow
 * `CONFIG`.
 *
 * @param location how the store is named in messages
 * @throws StoreError when it may delete any key: subscriptions and events would be lost without an error
 */
export async function checkEvictionPolicy(client: RedisInfo, location: string, logger: Logger): Promise<void> {
  const { limit, policy } = await memoryOf(client);
  if (limit === undefined || policy === undefined) {
    log(logger, 'store.eviction-unknown', { store: location });
    return;
  }
  if (limit === 0 || policy === 'noeviction') return;
  if (policy.startsWith('allkeys-')) {
    throw new StoreError(
      `The store ${location} has maxmemory-policy ${policy} and maxmemory ${limit} bytes. When its memory is full, it ` +
        'deletes subscriptions and stored events. Set maxmemory-policy to noeviction, or use another Redis.',
    );
  }
  log(logger, 'store.eviction', { store: location, policy, maxmemory: limit });
}

/** Memory limit and eviction policy from `INFO memory`; undefined when not allowed or not readable. */
async function memoryOf(
  client: RedisInfo,
): Promise<{ readonly limit?: number | undefined; readonly policy?: string | undefined }> {
  // If the connection is lost, the next operation reports it.
  const text = String(await client.info('memory').catch(() => ''));
  const limit = /^maxmemory:(\d+)\r?$/m.exec(text)?.[1];
  return {
    limit: limit === undefined ? undefined : Number(limit),
    policy: /^maxmemory_policy:([\w-]+)\r?$/m.exec(text)?.[1],
  };
}

/** The client of Keyv's Redis adapter; undefined for any other adapter. */
export function redisClientOf(adapter: unknown): RedisInfo | undefined {
  if (typeof adapter !== 'object' || adapter === null || !('client' in adapter)) return undefined;
  const { client } = adapter;
  return isRedisClient(client) ? client : undefined;
}

function isRedisClient(client: unknown): client is RedisInfo {
  return typeof client === 'object' && client !== null && 'info' in client && typeof client.info === 'function';
}
