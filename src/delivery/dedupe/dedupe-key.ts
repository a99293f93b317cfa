import type { EntryVersion } from '../../feed/entry/entry-version.js';

/** Identifies content for deduplication: one version of a feed entry, or a whole body. */
export interface DedupeKey {
  /** The entry's key, scoped to its subscription. For a body, its digest. */
  readonly key: string;
  /** The version of an entry. Empty for a body, which has no versions. */
  readonly version: string;
  /** When the entry says it was updated, in epoch milliseconds. For a deletion, when the entry was deleted. */
  readonly updated?: number | undefined;
  /** Whether the entry was deleted. */
  readonly deleted?: boolean | undefined;
}

/** The dedupe key of a feed entry. */
export function entryDedupeKey({ scopedKey, version, updated, deleted }: EntryVersion): DedupeKey {
  return { key: scopedKey, version, updated, deleted: deleted ? true : undefined };
}

/** Whether a key identifies a whole body. */
export function isBodyKey({ version }: DedupeKey): boolean {
  return version === '';
}

/** Whether a value from a store is a dedupe key. */
export function isDedupeKey(value: unknown): value is DedupeKey {
  const { key, version, updated, deleted }: { readonly [Field in keyof DedupeKey]?: unknown } = Object(value);
  return (
    typeof key === 'string' &&
    typeof version === 'string' &&
    (updated === undefined || Number.isFinite(updated)) &&
    (deleted === undefined || typeof deleted === 'boolean')
  );
}
