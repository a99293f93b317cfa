import { Keyv } from 'keyv';
import type { KeyvStoreAdapter } from 'keyv';
import { rowListerOf } from './keyv-rows.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';

/** Milliseconds to wait for a server's answers to sent operations before the store is closed. */
export const CLOSE_MS = 2_000;

/** The differences between adapters. */
export interface AdapterStoreOptions {
  readonly adapter: KeyvStoreAdapter;
  /** The longest text a row can hold, in characters. @default unlimited */
  readonly maxTextLength?: number;
  /** Whether the adapter's iterator removes the requested namespace from keys. */
  readonly stripsNamespace?: boolean;
  /** Connects and checks that the store answers. @default one read */
  readonly connect?: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
}

/**
 * Turns an adapter that we created into a store of texts. Keys include the namespace, so that a listing requests only
 * one kind of record from the server.
 */
export function adapterStore(
  { label, secrets }: Pick<ServerLocation, 'label' | 'secrets'>,
  { adapter, maxTextLength = Infinity, stripsNamespace = false, connect, disconnect }: AdapterStoreOptions,
): TextStore {
  const keyv = new Keyv({ store: adapter, namespace: undefined, useKeyPrefix: false, throwOnErrors: true });
  const listing = rowListerOf(adapter);

  return {
    keyv,
    location: label,
    secrets,
    durable: true,
    maxTextLength,
    async *rows(prefix) {
      if (listing === undefined) throw new TypeError('its adapter cannot list keys');
      for await (const [listedKey, raw] of listing(prefix.slice(0, -1))) {
        const key = stripsNamespace ? prefix + listedKey : listedKey;
        // SQL adapters match the prefix with LIKE, where "_" matches any character.
        if (key.startsWith(prefix)) yield [key, raw];
      }
    },
    connect: connect ?? (() => keyv.get('connected').then(() => undefined)),
    disconnect,
  };
}
