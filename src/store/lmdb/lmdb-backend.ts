import { Keyv } from 'keyv';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { FileProblem } from './file-watch.js';
import { KeyvLmdb, type KeyvLmdbOptions } from './lmdb-adapter.js';
import { prepareLmdbDirectory } from './lmdb-directory.js';
import type { RecordBackend } from '../create-record-store.js';
import { toStoreError } from '../store-error.js';

/** Options of an LMDB store. */
export interface LmdbOptions {
  /** Milliseconds a commit may take. */
  readonly timeoutMs: number;
  /** Logs when `data.mdb` is gone, replaced or truncated, and when it is back. */
  readonly logger: Logger;
}

/**
 * Opens an LMDB directory as a backend for records. Creates the directory if needed. Stores objects and bytes
 * unchanged.
 *
 * @param directory absolute path.
 * @param location how the store is named in messages.
 * @throws StoreError when the directory cannot be created, read or written.
 */
export function openLmdb(directory: string, location: string, { timeoutMs, logger }: LmdbOptions): RecordBackend {
  const onProblem = (problem: FileProblem | undefined): void => {
    if (problem === undefined) log(logger, 'store.usable', { store: location });
    else log(logger, 'store.unusable', { store: location, refused: problem.refused, detail: problem.message });
  };
  const adapter = openAdapter(directory, location, { timeoutMs, onProblem });
  // Disables Keyv's key prefixes, and its serialization, which would turn bytes into text.
  const keyv = new Keyv({
    store: adapter,
    namespace: undefined,
    useKeyPrefix: false,
    serialize: undefined,
    deserialize: undefined,
    throwOnErrors: true,
  });

  return {
    location,
    secrets: [],
    durable: true,
    read: async (key) => withoutBuffers(await keyv.get<unknown>(key)),
    async write(key, value) {
      await keyv.set(key, value);
    },
    writeAll: (rows) =>
      adapter.setAll(rows.map(([key, value]) => [key, value === undefined ? undefined : { value }] as const)),
    async remove(key, urgency) {
      // Keyv has no urgency option.
      if (urgency === 'soon') await adapter.deleteSoon(key);
      else await keyv.delete(key);
    },
    *rows(prefix) {
      // Bypasses Keyv, which is slow per row: a start reads all records.
      for (const key of adapter.keys(prefix)) yield [key, () => withoutBuffers(valueOf(adapter.payload(key)))] as const;
    },
    exchange: (key, decide) =>
      adapter.exchange(key, (row) => {
        const result = decide(withoutBuffers(valueOf(row)));
        return typeof result === 'string' ? result : { set: { value: result.set } };
      }),
    problem: () => adapter.problem,
    disconnect: () => keyv.disconnect(),
  };
}

function openAdapter(directory: string, location: string, options: KeyvLmdbOptions): KeyvLmdb {
  try {
    prepareLmdbDirectory(directory);
    return new KeyvLmdb(directory, options);
  } catch (cause) {
    throw toStoreError(`The store ${location} could not be opened`, cause);
  }
}

/** Returns the value of a row that Keyv wrote. */
function valueOf(row: unknown): unknown {
  return typeof row === 'object' && row !== null && 'value' in row ? row.value : undefined;
}

/** Replaces the `Buffer`s that MessagePack makes by plain `Uint8Array`s. Changes the freshly decoded value in place. */
function withoutBuffers(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value !== 'object' || value === null) return value;
  for (const key of Object.keys(value)) {
    const item: unknown = Reflect.get(value, key);
    if (typeof item !== 'object' || item === null) continue;
    const plain = withoutBuffers(item);
    if (plain !== item) Reflect.set(value, key, plain);
  }
  return value;
}
