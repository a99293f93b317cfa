import { digest, digestOf } from './digest.js';
import type { ParsedEntry } from './feed.js';

/** What tells an entry from others of its feed, and one version of it from another. */
export interface EntryVersion {
  readonly key: string;
  readonly version: string;
  /** When it was last changed, as the document says: epoch milliseconds. */
  readonly updated?: number;
}

/**
 * Tells entries and their versions apart, for each entry in order. The key is of the id; where a document has the same id
 * several times with different content, of id and content, since then the id is no name for either.
 */
export function entryVersions(entries: readonly ParsedEntry[]): readonly EntryVersion[] {
  const versions = entries.map(({ raw, deleted }) => digestOf({ raw, deleted }));
  const versionOfId = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const [index, { id }] of entries.entries()) {
    const version = versions[index] ?? '';
    const known = versionOfId.get(id);
    if (known !== undefined && known !== version) ambiguous.add(id);
    versionOfId.set(id, version);
  }
  return entries.map(({ id, updated }, index) => {
    const version = versions[index] ?? '';
    const key = digest(ambiguous.has(id) ? JSON.stringify([id, version]) : id);
    return updated === undefined ? { key, version } : { key, version, updated: updated.getTime() };
  });
}
