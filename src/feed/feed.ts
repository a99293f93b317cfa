/** The feed formats that can be read. An Atom entry document counts as Atom. */
export type FeedFormat = 'atom' | 'rss' | 'rdf' | 'json-feed';

/** The author of an entry or a feed. */
export interface FeedAuthor {
  readonly name?: string;
  /** Absolute URL, as normalized by `new URL().href`. */
  readonly url?: string;
  readonly email?: string;
}

/** The YouTube video of an entry. */
export interface YoutubeVideo {
  readonly videoId: string;
  readonly channelId?: string;
}

/**
 * A feed entry, as its document states it.
 *
 * @example
 * ```ts
 * const { entries } = await event.feed();
 * for (const entry of entries) console.log(entry.title, entry.url);
 * ```
 */
export interface ParsedEntry {
  /** The entry's id as written. Without one: its URL, or else a digest of the entry. */
  readonly id: string;
  /** The entry's web page: absolute URL, as normalized by `new URL().href`. */
  readonly url?: string;
  /** Text: markup removed, white space collapsed. */
  readonly title?: string;
  readonly published?: Date;
  /** The last change; for a deleted entry, the time of deletion. */
  readonly updated?: Date;
  /** The entry's own authors; without any, those of its source or feed, as the format defines. */
  readonly authors: readonly FeedAuthor[];
  /** As in the document; may contain HTML. */
  readonly summary?: string;
  /** As in the document; may contain HTML. */
  readonly content?: string;
  /** Whether the document marks the entry as deleted: `at:deleted-entry` (RFC 6721). */
  readonly deleted: boolean;
  readonly youtube?: YoutubeVideo;
  /**
   * The parsed original, for data without a field here. In Atom, RSS and RDF it is feedsmith's result, in JSON Feed the
   * item, and for a deleted entry the fields of its element.
   */
  readonly raw: unknown;
}

/**
 * A feed entry, and how it compares with the entries that the handler has processed.
 *
 * @example
 * ```ts
 * for (const { change, title } of await event.entries()) console.log(change, title);
 * ```
 */
export interface FeedEntry extends ParsedEntry {
  readonly change: 'new' | 'updated' | 'unchanged' | 'deleted';
}

/** A feed, as its document states it. */
export interface ParsedFeed {
  readonly format: FeedFormat;
  /** Text: markup removed, white space collapsed. */
  readonly title?: string;
  /** The feed's id as written: `atom:id`, `rdf:about`, or the `feed_url` of a JSON Feed. */
  readonly id?: string;
  /** The home page: absolute URL, as normalized by `new URL().href`. */
  readonly url?: string;
  readonly updated?: Date;
  readonly authors: readonly FeedAuthor[];
  /** Entries in document order. */
  readonly entries: readonly ParsedEntry[];
  /** The parsed original, for data without a field here. */
  readonly raw: unknown;
}
