import type { EntryVersion } from '../../feed/entry/entry-version.js';

/** What tells one piece of news from another: an entry of a feed as it stands, or a whole body. */
export interface DedupeKey {
  /** Which entry of which subscription; of a body, its digest. */
  readonly key: string;
  /** One version of an entry from another; empty for a body, which has no other. */
  readonly version: string;
  /** When the entry was updated, in epoch milliseconds, where it says so. */
  readonly updated?: number | undefined;
  /** Whether it says that the entry is gone; `updated` is then when that was. */
  readonly deleted?: boolean | undefined;
}

/** The piece that an entry of a subscription's topic is. */
export function entryDedupeKey({ scopedKey, version, updated, deleted }: EntryVersion): DedupeKey {
  return { key: scopedKey, version, updated, deleted: deleted ? true : undefined };
}

/** Whether a piece stands for a whole body. */
export function isBodyKey({ version }: DedupeKey): boolean {
  return version === '';
}

/** Whether a value from a store is a piece. */
export function isDedupeKey(value: unknown): value is DedupeKey {
  const { key, version, updated, deleted }: { readonly [Field in keyof DedupeKey]?: unknown } = Object(value);
  return (
    typeof key === 'string' &&
    typeof version === 'string' &&
    (updated === undefined || Number.isFinite(updated)) &&
    (deleted === undefined || typeof deleted === 'boolean')
  );
}
