import { Keyv } from 'keyv';
import { ConfigurationError } from '../errors.js';
import { type Logger, silentLogger } from '../logger.js';
import { givenKeyv } from './keyv/user-keyv.js';
import { openLmdb } from './lmdb/lmdb-backend.js';
import { mysqlStore } from './keyv/mysql-store.js';
import { postgresStore } from './keyv/postgres-store.js';
import type { RecordStore } from './record-store.js';
import { recordsIn } from './create-record-store.js';
import { redisStore } from './keyv/redis-store.js';
import { sqliteStore } from './keyv/sqlite-store.js';
import { hideSecrets, reasonOf, storeFailure } from './store-error.js';
import { parseStoreLocation } from './store-location.js';
import { namespacePrefix } from './store-namespace.js';
import { type TextStore, textRecords } from './keyv/keyv-backend.js';
import { within } from './timeout.js';

/** How a store is opened. */
export interface OpenStoreOptions {
  /** The beginning of every key if the URI names no namespace. @default 'websub' */
  readonly namespace?: string | undefined;
  /** Milliseconds a database server may take to be connected, and to answer one operation. @default 5_000 */
  readonly timeoutMs?: number | undefined;
  /** What relative paths are resolved against. @default the working directory */
  readonly directory?: string | undefined;
  /** Hears of lost connections and lost files. @default nothing */
  readonly logger?: Logger | undefined;
}

/**
 * Opens the store of the `store` option: a Keyv, which is left open at the end, or a URI, whose adapter is loaded now.
 *
 * @throws ConfigurationError for what names no store or cannot keep records.
 * @throws StoreError when it cannot be opened: the adapter is not installed, the directory not writable, the server
 *   refuses or does not answer in time. Nothing is left open then.
 */
export async function openStore(store: Keyv | string, options: OpenStoreOptions = {}): Promise<RecordStore> {
  const { namespace = 'websub', timeoutMs = 5_000, directory = process.cwd(), logger = silentLogger } = options;
  if (typeof store !== 'string') {
    if (!isKeyv(store)) throw new ConfigurationError(`store: ${typeof store} is neither a Keyv nor a URI.`);
    const given = await connected(givenKeyv(store, logger), timeoutMs);
    return recordsIn(textRecords(given, namespace, timeoutMs), namespace);
  }
  const location = parseStoreLocation(store, directory);
  const prefix = location.namespace === undefined ? namespace : namespacePrefix(location.namespace);
  if (location.type === 'memory') return recordsIn(textRecords(memoryStore(), prefix, timeoutMs), prefix);
  if (location.type === 'lmdb')
    return recordsIn(openLmdb(location.path, location.label, { timeoutMs, logger }), prefix);
  const served = await connected(await textStore(location, timeoutMs, logger), timeoutMs);
  served.keyv.on('error', (error: unknown) => {
    const reason = hideSecrets(reasonOf(error), served.secrets);
    logger.warn({ store: served.location, reason }, 'the store reported an error');
  });
  return recordsIn(textRecords(served, prefix, timeoutMs), prefix);
}

type ServedLocation = Exclude<ReturnType<typeof parseStoreLocation>, { type: 'memory' | 'lmdb' }>;

async function textStore(location: ServedLocation, timeoutMs: number, logger: Logger): Promise<TextStore> {
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
    throw storeFailure(`The store ${location.label} could not be opened`, cause, secretsOf(location));
  }
}

function secretsOf(location: ServedLocation): readonly string[] {
  return 'secrets' in location ? location.secrets : [];
}

async function connected(store: TextStore, timeoutMs: number): Promise<TextStore> {
  try {
    await within(store.connect(), timeoutMs);
    return store;
  } catch (cause) {
    await within(store.disconnect(), timeoutMs).catch(() => undefined);
    throw storeFailure(`The store ${store.location} could not be opened`, cause, store.secrets);
  }
}

function memoryStore(): TextStore {
  return { ...givenKeyv(new Keyv()), location: 'memory', maxTextLength: Infinity };
}

/** Told by what is used of it: the user's Keyv may come from another copy of the package. */
function isKeyv(value: unknown): value is Keyv {
  return (
    typeof value === 'object' &&
    value !== null &&
    'store' in value &&
    'deserializeData' in value &&
    'throwOnErrors' in value
  );
}
