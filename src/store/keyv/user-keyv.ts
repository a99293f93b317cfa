import type { Keyv } from 'keyv';
import { ConfigurationError } from '../../errors.js';
import { type Logger, silentLogger } from '../../logger.js';
import { rowListerOf } from './keyv-rows.js';
import { redisClientOf, checkEvictionPolicy } from './redis-eviction.js';
import type { TextStore } from './keyv-backend.js';
import { MYSQL_MAX_TEXT_LENGTH } from './multipart-texts.js';

/**
 * Turns a user's Keyv into a store of texts. Closing the store does not disconnect the Keyv. The Keyv is set to throw
 * its errors, because an outage would otherwise look like an absent record.
 *
 * @throws ConfigurationError when the Keyv cannot store records: it has a `ttl`, or its adapter cannot list keys.
 */
export function userKeyvStore(keyv: Keyv, logger: Logger = silentLogger): TextStore {
  const adapter: unknown = keyv.store;
  if (keyv.ttl !== undefined && keyv.ttl !== 0) {
    throw new ConfigurationError(
      `store: the ttl of the Keyv is ${keyv.ttl} ms; it must be unset, because subscriptions would expire.`,
    );
  }
  const listing = rowListerOf(adapter);
  if (listing === undefined) {
    throw new ConfigurationError(
      'store: the Keyv cannot list its keys, because its storage adapter has no iterator(). Use an adapter that has ' +
        'one, such as @keyv/redis, @keyv/postgres, @keyv/mysql or @keyv/sqlite, or use a URI.',
    );
  }
  keyv.throwOnErrors = true;
  // KeyvRedis has its own option for throwing errors.
  if (typeof adapter === 'object' && adapter !== null && 'throwOnErrors' in adapter) adapter.throwOnErrors = true;

  const location = `a Keyv over ${Object(adapter).constructor.name}`;
  return {
    keyv,
    location,
    secrets: [],
    durable: !(adapter instanceof Map),
    // The adapter may be MySQL's.
    maxTextLength: MYSQL_MAX_TEXT_LENGTH,
    async *rows(prefix) {
      const keyPrefix = keyv.useKeyPrefix && keyv.namespace ? `${keyv.namespace}:` : '';
      for await (const [key, raw] of listing(keyv.namespace)) {
        if (key.startsWith(keyPrefix + prefix)) yield [key.slice(keyPrefix.length), raw];
      }
    },
    async connect() {
      await keyv.get('connected');
      const redis = redisClientOf(adapter);
      if (redis !== undefined) await checkEvictionPolicy(redis, location, logger);
    },
    disconnect: () => Promise.resolve(),
  };
}
