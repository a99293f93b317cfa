import { digest, digestOf } from '../digest.js';
import type { ParsedEntry } from '../feed.js';

/** The key of an entry in its feed, and its version. Times are epoch milliseconds. */
export interface EntryVersion {
  readonly key: string;
  /** The key combined with the subscription, so that no two subscriptions share it. */
  readonly scopedKey: string;
  readonly version: string;
  /** The last change, according to the document. */
  readonly updated?: number | undefined;
  /** The later of published and updated, according to the document. */
  readonly at?: number | undefined;
  readonly deleted: boolean;
}

/**
 * Returns key and version of each entry, in order. The key depends on the id. If different entries share an id, their
 * keys include the content.
 *
 * @param scope the subscription that `scopedKey` belongs to
 */
export function entryVersions(entries: readonly ParsedEntry[], scope: string): readonly EntryVersion[] {
  const versions = entries.map(({ raw, deleted }) => digestOf({ raw, deleted }));
  const versionOfId = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const [index, { id }] of entries.entries()) {
    const version = versions[index] ?? '';
    const known = versionOfId.get(id);
    if (known !== undefined && known !== version) ambiguous.add(id);
    versionOfId.set(id, version);
  }
  return entries.map(({ id, published, updated, deleted }, index) => {
    const version = versions[index] ?? '';
    const key = digest(ambiguous.has(id) ? JSON.stringify([id, version]) : id);
    const times = [published, updated].flatMap((date) => date?.getTime() ?? []);
    return {
      key,
      scopedKey: digest(`${scope}\n${key}`),
      version,
      updated: updated?.getTime(),
      at: times.length === 0 ? undefined : Math.max(...times),
      deleted,
    };
  });
}
