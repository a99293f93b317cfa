import { digest, digestOf } from '../digest.js';
import type { ParsedEntry } from '../feed.js';

/** The key of an entry in its feed, and its version. Times are epoch milliseconds. */
export interface EntryVersion {
  readonly key: string;
  /** The same, of one subscription alone. */
  readonly scopedKey: string;
  readonly version: string;
  /** When it was last changed, as the document says. */
  readonly updated?: number | undefined;
  /** When it was published or updated, whichever is later, as the document says. */
  readonly at?: number | undefined;
  readonly deleted: boolean;
}

/**
 * Tells entries and their versions apart, for each entry in order. The key is of the id; where a document has the same id
 * several times with different content, of id and content, since then the id is no name for either.
 *
 * @param scope the subscription that `scopedKey` is of
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
