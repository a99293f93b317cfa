import type * as Peer from '@keyv/postgres';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import type { KeyvPostgres as Adapter } from '@keyv/postgres';
import { loadOptionalPeer } from './optional-peer.js';
import { CLOSE_MS, adapterStore } from './adapter-store.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';
import { withTimeout } from '../timeout.js';

/** PostgreSQL through Keyv's adapter, in the table `websub`. @throws StoreError when the adapter is not installed */
export async function postgresStore(location: ServerLocation, timeoutMs: number): Promise<TextStore> {
  const { KeyvPostgres } = await loadOptionalPeer<typeof Peer>('@keyv/postgres');
  // `pool.end()` waits without limit for queries in flight. We track the sockets: `disconnect` can then destroy them.
  const sockets = new Set<Socket>();
  const stream = (): Socket => {
    const socket = new Socket();
    sockets.add(socket);
    return socket.once('close', () => sockets.delete(socket));
  };
  const pool = new (driver().Pool)({ connectionString: location.uri, connectionTimeoutMillis: timeoutMs, stream });

  /**
   * The adapter with its own pool. The original shares one pool with every instance in the process: any instance ends
   * it for all, and a broken idle connection crashes the process.
   */
  class KeyvPostgresWithOwnPool extends KeyvPostgres {
    override async connect(): Promise<Adapter['query']> {
      pool.on('error', (error: unknown) => this.emit('error', error));
      return async (sql, values) => (await pool.query(sql, values)).rows;
    }
  }

  return adapterStore(location, {
    adapter: new KeyvPostgresWithOwnPool({ table: 'websub', iterationLimit: 500 }),
    async disconnect() {
      await withTimeout(pool.end(), CLOSE_MS).catch(() => undefined);
      for (const socket of sockets) socket.destroy();
    },
  });
}

interface Pool {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  query(sql: string, values?: unknown): Promise<{ rows: unknown[] }>;
  end(): Promise<void>;
}

interface Driver {
  readonly Pool: new (config: object) => Pool;
}

/** The driver that the adapter uses. It may not be resolvable from this package. */
function driver(): Driver {
  const adapter = createRequire(import.meta.url).resolve('@keyv/postgres');
  const pg: Driver = createRequire(adapter)('pg');
  return pg;
}
