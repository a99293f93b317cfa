import type { Keyv } from 'keyv';
import { decodeJson, encodeJson } from '../json-codec.js';
import type { RecordBackend } from '../create-record-store.js';
import { multipartTexts } from './multipart-texts.js';
import { eachWithTimeout, withTimeout } from '../timeout.js';

/** A Keyv, and details of its store that Keyv does not expose. */
export interface TextStore {
  readonly keyv: Keyv;
  readonly location: string;
  readonly secrets: readonly string[];
  readonly durable: boolean;
  /** The longest text a row can hold, in characters. */
  readonly maxTextLength: number;
  /** Every row with this key prefix: the key as passed to Keyv, the value as Keyv wrote it. */
  rows(prefix: string): AsyncIterable<readonly [key: string, raw: unknown]>;
  /** Connects and checks that the store answers. */
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/**
 * Stores records in any Keyv, as text with bytes in base64. A text too long for a row is split into parts.
 *
 * @param timeoutMs milliseconds allowed for one operation.
 */
export function keyvBackend(store: TextStore, namespace: string, timeoutMs: number): RecordBackend {
  const { keyv } = store;
  const withLimit = <T>(promise: Promise<T>): Promise<T> => withTimeout(promise, timeoutMs);
  const texts = multipartTexts(
    {
      get: async (key) => {
        const value = await withLimit(keyv.get<unknown>(key));
        return value === undefined ? undefined : recordTextOf(value);
      },
      set: async (key, text) => {
        if (!(await withLimit(keyv.set(key, text)))) throw new Error('the store refused the write');
      },
      delete: async (key) => {
        await withLimit(keyv.delete(key));
      },
    },
    namespace,
    store.maxTextLength,
  );

  return {
    location: store.location,
    secrets: store.secrets,
    durable: store.durable,
    async read(key) {
      const text = await texts.get(key);
      return text === undefined ? undefined : decodeJson(text);
    },
    write: (key, value) => texts.set(key, encodeJson(value)),
    remove: (key) => texts.delete(key),
    async *rows(prefix) {
      for await (const [key, raw] of eachWithTimeout(store.rows(prefix), timeoutMs)) {
        const read = async (): Promise<unknown> => {
          if (raw === undefined || raw === null) return undefined;
          const row: unknown = typeof raw === 'string' ? await keyv.deserializeData(raw) : raw;
          const text = await texts.join(key, recordTextOf(Object(row).value));
          return text === undefined ? undefined : decodeJson(text);
        };
        yield [key, read] as const;
      }
    },
    disconnect: () => store.disconnect(),
  };
}

function recordTextOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError('the stored value is not the text of a record');
}
