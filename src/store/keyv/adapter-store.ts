import { Keyv } from 'keyv';
import type { KeyvStoreAdapter } from 'keyv';
import { rowListerOf } from './keyv-rows.js';
import type { ServerLocation } from '../store-location.js';
import type { TextStore } from './keyv-backend.js';

/** Milliseconds a server may take to answer what was sent before the store is closed. */
export const CLOSE_MS = 2_000;

/** What differs between adapters. */
export interface AdapterStoreOptions {
  readonly adapter: KeyvStoreAdapter;
  /** @default unlimited */
  readonly maxTextLength?: number;
  /** Whether the adapter's iterator leaves out of a key the namespace it was asked for. */
  readonly stripsNamespace?: boolean;
  /** @default one read */
  readonly connect?: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
}

/**
 * An adapter of our own as a store of texts. Keys carry their namespace themselves, so that a listing can ask the
 * server for one kind of record only.
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
      if (listing === undefined) throw new TypeError('its adapter cannot list what it keeps');
      for await (const [listedKey, raw] of listing(prefix.slice(0, -1))) {
        const key = stripsNamespace ? prefix + listedKey : listedKey;
        // SQL adapters look for the prefix with LIKE, for which "_" is any character.
        if (key.startsWith(prefix)) yield [key, raw];
      }
    },
    connect: connect ?? (() => keyv.get('connected').then(() => undefined)),
    disconnect,
  };
}
