import type * as Adapter from '@keyv/redis';
import type { Logger } from '../../logger.js';
import { loadOptionalPeer } from './optional-peer.js';
import { checkEvictionPolicy } from './redis-eviction.js';
import { CLOSE_MS, adapterStore } from './adapter-store.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';
import { withTimeout } from '../timeout.js';

/**
 * Redis through Keyv's adapter.
 *
 * @throws StoreError when the adapter is not installed. `connect` throws one when the server may delete records.
 */
export async function redisStore(location: ServerLocation, timeoutMs: number, logger: Logger): Promise<TextStore> {
  const { default: KeyvRedis, createClient } = await loadOptionalPeer<typeof Adapter>('@keyv/redis');
  let isConnected = false;
  const client = createClient({
    url: location.uri,
    // While Redis is unreachable, operations fail at once instead of queueing.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: timeoutMs,
      // A failed first connection is reported to the caller. A lost connection is reopened.
      reconnectStrategy: (retries, cause) => (isConnected ? Math.min(2_000, 50 * 2 ** Math.min(retries, 10)) : cause),
    },
  });
  const adapter = new KeyvRedis(client, { keyPrefixSeparator: ':', throwOnErrors: true });

  return adapterStore(location, {
    adapter,
    stripsNamespace: true,
    async connect() {
      await client.connect();
      isConnected = true;
      await checkEvictionPolicy(client, location.label, logger);
    },
    async disconnect() {
      // Redis answers in order, so an answered ping means every sent operation was answered. The client's `close()`
      // keeps its socket open when no answer comes.
      if (isConnected) await withTimeout(client.ping(), CLOSE_MS).catch(() => undefined);
      if (client.isOpen) client.destroy();
    },
  });
}
