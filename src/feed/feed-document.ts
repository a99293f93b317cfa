import { decodeText } from '../protocol/encoding/charset.js';
import { entryVersions, type EntryVersion } from './entry/entry-version.js';
import type { ParsedEntry, ParsedFeed } from './feed.js';
import { readEntries, readFeed } from './read-feed.js';

/** A received document. */
export interface FeedDocument {
  readonly bytes: Uint8Array;
  readonly contentType: string | undefined;
  /** The base URL of relative links. */
  readonly baseUrl: string;
  /** The subscription of the document. Scopes the keys of its entries. */
  readonly subscriptionId: string;
}

/** Entries and their keys and versions, in the same order. */
export interface VersionedEntries {
  readonly entries: readonly ParsedEntry[];
  readonly versions: readonly EntryVersion[];
}

/** The readers of a document, by name. Results are plain data, which can be sent to another thread. */
export const READERS = {
  feed: (document: FeedDocument): ParsedFeed => readFeed(textOf(document), document.baseUrl),
  entries(document: FeedDocument): VersionedEntries {
    const entries = readEntries(textOf(document), document.baseUrl);
    return { entries, versions: entryVersions(entries, document.subscriptionId) };
  },
  versions: (document: FeedDocument): readonly EntryVersion[] => READERS.entries(document).versions,
};

/** The name of one of {@link READERS}. */
export type ReaderName = keyof typeof READERS;

function textOf({ bytes, contentType }: FeedDocument): string {
  return decodeText(bytes, contentType);
}
