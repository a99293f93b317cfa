import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { KeyvStoreAdapter } from 'keyv';
import { loadOptionalPeer } from './optional-peer.js';
import { adapterStore } from './adapter-store.js';
import type { TextStore } from './keyv-backend.js';

interface SqliteModule {
  readonly KeyvSqlite: new (options: object) => KeyvStoreAdapter & { disconnect(): Promise<void> };
}

/** A SQLite file through Keyv's adapter, in the table `websub`. @throws StoreError when the adapter is not installed */
export async function sqliteStore(path: string, label: string, timeoutMs: number): Promise<TextStore> {
  const { KeyvSqlite } = await loadOptionalPeer<SqliteModule>('@keyv/sqlite');
  mkdirSync(dirname(path), { recursive: true });
  const adapter = new KeyvSqlite({ uri: `sqlite://${path}`, table: 'websub', busyTimeout: timeoutMs });
  return adapterStore({ label, secrets: [] }, { adapter, disconnect: () => adapter.disconnect() });
}
