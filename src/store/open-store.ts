import { Keyv } from 'keyv';
import { ConfigurationError } from '../errors.js';
import { log } from '../log-events.js';
import { type Logger, silentLogger } from '../logger.js';
import { userKeyvStore } from './keyv/user-keyv.js';
import { openLmdb } from './lmdb/lmdb-backend.js';
import { mysqlStore } from './keyv/mysql-store.js';
import { postgresStore } from './keyv/postgres-store.js';
import type { RecordStore } from './record-store.js';
import { createRecordStore } from './create-record-store.js';
import { redisStore } from './keyv/redis-store.js';
import { sqliteStore } from './keyv/sqlite-store.js';
import { hideSecrets, errorMessage, toStoreError } from './store-error.js';
import { parseStoreLocation } from './store-location.js';
import { namespacePrefix } from './store-namespace.js';
import { type TextStore, keyvBackend } from './keyv/keyv-backend.js';
import { withTimeout } from './timeout.js';

/** Options of {@link openStore}. */
export interface OpenStoreOptions {
  /** The key prefix when the URI names no namespace. @default 'websub' */
  readonly namespace?: string | undefined;
  /** Milliseconds allowed to connect to a database server, and for each operation. @default 5_000 */
  readonly timeoutMs?: number | undefined;
  /** The directory that relative paths are resolved against. @default the working directory */
  readonly directory?: string | undefined;
  /** Logs lost connections and lost files. @default no logging */
  readonly logger?: Logger | undefined;
}

/**
 * Opens the store of the `store` option: a Keyv, which stays open on close, or a URI. The adapter of a URI is loaded
 * here.
 *
 * @throws ConfigurationError when the value names no store, or the store cannot keep records.
 * @throws StoreError when opening fails: the adapter is not installed, the directory is not writable, or the server
 *   refuses or does not answer in time. Nothing stays open then.
 */
export async function openStore(store: Keyv | string, options: OpenStoreOptions = {}): Promise<RecordStore> {
  const { namespace = 'websub', timeoutMs = 5_000, directory = process.cwd(), logger = silentLogger } = options;
  if (typeof store !== 'string') {
    if (!isKeyv(store)) throw new ConfigurationError(`store is of type ${typeof store}; it must be a Keyv or a URI.`);
    const userStore = await connect(userKeyvStore(store, logger), timeoutMs);
    return createRecordStore(keyvBackend(userStore, namespace, timeoutMs), namespace);
  }
  const location = parseStoreLocation(store, directory);
  const prefix = location.namespace === undefined ? namespace : namespacePrefix(location.namespace);
  if (location.type === 'memory') return createRecordStore(keyvBackend(memoryStore(), prefix, timeoutMs), prefix);
  if (location.type === 'lmdb')
    return createRecordStore(openLmdb(location.path, location.label, { timeoutMs, logger }), prefix);
  const adapterStore = await connect(await openAdapterStore(location, timeoutMs, logger), timeoutMs);
  adapterStore.keyv.on('error', (error: unknown) => {
    const reason = hideSecrets(errorMessage(error), adapterStore.secrets);
    log(logger, 'store.error', { store: adapterStore.location, detail: reason });
  });
  return createRecordStore(keyvBackend(adapterStore, prefix, timeoutMs), prefix);
}

type AdapterLocation = Exclude<ReturnType<typeof parseStoreLocation>, { type: 'memory' | 'lmdb' }>;

async function openAdapterStore(location: AdapterLocation, timeoutMs: number, logger: Logger): Promise<TextStore> {
  try {
    switch (location.type) {
      case 'redis':
        return await redisStore(location, timeoutMs, logger);
      case 'postgres':
        return await postgresStore(location, timeoutMs);
      case 'mysql':
        return await mysqlStore(location, timeoutMs);
      case 'sqlite':
        return await sqliteStore(location.path, location.label, timeoutMs);
      default:
        return location satisfies never;
    }
  } catch (cause) {
    throw toStoreError(`The store ${location.label} could not be opened`, cause, secretsOf(location));
  }
}

function secretsOf(location: AdapterLocation): readonly string[] {
  return 'secrets' in location ? location.secrets : [];
}

async function connect(store: TextStore, timeoutMs: number): Promise<TextStore> {
  try {
    await withTimeout(store.connect(), timeoutMs);
    return store;
  } catch (cause) {
    await withTimeout(store.disconnect(), timeoutMs).catch(() => undefined);
    throw toStoreError(`The store ${store.location} could not be opened`, cause, store.secrets);
  }
}

function memoryStore(): TextStore {
  return { ...userKeyvStore(new Keyv()), location: 'memory', maxTextLength: Infinity };
}

/** Checks for the members we use, not the class: the user's Keyv may come from another copy of the package. */
function isKeyv(value: unknown): value is Keyv {
  return (
    typeof value === 'object' &&
    value !== null &&
    'store' in value &&
    'deserializeData' in value &&
    'throwOnErrors' in value
  );
}
