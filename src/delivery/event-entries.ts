import { entryVersions } from '../feed/entry-version.js';
import type { FeedEntry } from '../feed/feed.js';
import { readEntries } from '../feed/read-feed.js';
import { entryPiece, type Piece } from './piece.js';

/** How an entry compares with what was seen of it before. */
export type EntryChange = FeedEntry['change'];

/** What reading the entries of an event depends on besides its text. */
export interface EntriesContext {
  readonly subscriptionId: string;
  /** What relative links are relative to. */
  readonly topic: string;
  /** Of entries fetched from the topic, those that are news, by their key in the feed. */
  readonly only?: readonly string[] | undefined;
  /** How an entry compares with what was seen of it before. It is claimed for the event of that id, where one is given. */
  readonly changeOf: (piece: Piece, claimant: string | undefined) => Exclude<EntryChange, 'deleted'>;
  /** The event, while its handler has it in hand. */
  readonly claimant?: string | undefined;
}

/** The entries of an event, and what tells them from others. */
export interface EventEntries {
  readonly entries: readonly FeedEntry[];
  readonly pieces: readonly Piece[];
}

/**
 * Reads the entries of a text.
 *
 * @throws SyntaxError where it is broken, or XML that is no feed
 */
export function eventEntries(text: string, context: EntriesContext): EventEntries {
  const { subscriptionId, topic, only, changeOf, claimant } = context;
  const parsed = readEntries(text, topic);
  const versions = entryVersions(parsed);
  const wanted = only === undefined ? undefined : new Set(only);
  const entries: FeedEntry[] = [];
  const pieces: Piece[] = [];
  for (const [index, version] of versions.entries()) {
    const entry = parsed[index];
    if (entry === undefined || wanted?.has(version.key) === false) continue;
    const piece = entryPiece(subscriptionId, entry, version);
    entries.push({ ...entry, change: entry.deleted ? 'deleted' : changeOf(piece, claimant) });
    pieces.push(piece);
  }
  return { entries, pieces };
}
