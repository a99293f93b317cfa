/** The formats that entries are read from; an Atom entry document counts as Atom. */
export type FeedFormat = 'atom' | 'rss' | 'rdf' | 'json-feed';

/** Whoever wrote an entry or a feed. */
export interface FeedAuthor {
  readonly name?: string;
  /** Resolved, as `new URL().href` gives it. */
  readonly url?: string;
  readonly email?: string;
}

/** The YouTube video that an entry is about. */
export interface YoutubeVideo {
  readonly videoId: string;
  readonly channelId?: string;
}

/** An entry as the document has it. */
export interface ParsedEntry {
  /** As written. Where the document has none: the URL, else a digest of the entry itself. */
  readonly id: string;
  /** Where the entry is to be read: resolved, as `new URL().href` gives it. */
  readonly url?: string;
  /** Text: markup removed, white space collapsed. */
  readonly title?: string;
  readonly published?: Date;
  /** When it was last changed; of a deleted entry, when it was deleted. */
  readonly updated?: Date;
  /** The entry's own; where it names none, those the format gives it from its source or feed. */
  readonly authors: readonly FeedAuthor[];
  /** As in the document; may hold HTML. */
  readonly summary?: string;
  /** As in the document; may hold HTML. */
  readonly content?: string;
  /** Whether the document says that the entry is gone: `at:deleted-entry` (RFC 6721). */
  readonly deleted: boolean;
  readonly youtube?: YoutubeVideo;
  /**
   * For what has no field here: in Atom, RSS and RDF what feedsmith makes of the entry, in JSON Feed the item itself, for a
   * deleted entry what its element says.
   */
  readonly raw: unknown;
}

/** An entry, and how it compares with what was seen of it before. */
export interface FeedEntry extends ParsedEntry {
  readonly change: 'new' | 'updated' | 'unchanged' | 'deleted';
}

/** A feed as the document has it. */
export interface ParsedFeed {
  readonly format: FeedFormat;
  /** Text: markup removed, white space collapsed. */
  readonly title?: string;
  /** As written: `atom:id`, `rdf:about`, or the `feed_url` of a JSON Feed. */
  readonly id?: string;
  /** The home page: resolved, as `new URL().href` gives it. */
  readonly url?: string;
  readonly updated?: Date;
  readonly authors: readonly FeedAuthor[];
  /** In the order of the document. */
  readonly entries: readonly ParsedEntry[];
  /** For what has no field here, as with an entry. */
  readonly raw: unknown;
}
