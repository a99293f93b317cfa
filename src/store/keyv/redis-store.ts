import type * as Adapter from '@keyv/redis';
import type { Logger } from '../../logger.js';
import { loadOptionalPeer } from './optional-peer.js';
import { checkEvictionPolicy } from './redis-eviction.js';
import { CLOSE_MS, adapterStore } from './adapter-store.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';
import { withTimeout } from '../timeout.js';

/** Redis through Keyv's adapter. @throws StoreError without the adapter, or where the server may delete records. */
export async function redisStore(location: ServerLocation, timeoutMs: number, logger: Logger): Promise<TextStore> {
  const { default: KeyvRedis, createClient } = await loadOptionalPeer<typeof Adapter>('@keyv/redis');
  let connected = false;
  const client = createClient({
    url: location.uri,
    // While Redis is away an operation fails at once rather than waiting in a queue.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: timeoutMs,
      // A first connection that fails is the caller's to hear of; a lost one is made again.
      reconnectStrategy: (retries, cause) => (connected ? Math.min(2_000, 50 * 2 ** Math.min(retries, 10)) : cause),
    },
  });
  const adapter = new KeyvRedis(client, { keyPrefixSeparator: ':', throwOnErrors: true });

  return adapterStore(location, {
    adapter,
    stripsNamespace: true,
    async connect() {
      await client.connect();
      connected = true;
      await checkEvictionPolicy(client, location.label, logger);
    },
    async disconnect() {
      // What was sent is answered before a ping is. The client's own close() keeps its socket when no answer comes.
      if (connected) await withTimeout(client.ping(), CLOSE_MS).catch(() => undefined);
      if (client.isOpen) client.destroy();
    },
  });
}
