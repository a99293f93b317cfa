import { isRecord } from '../../protocol/encoding/is-record.js';
import { authorOf, firstNonEmpty, toParsedEntry, withoutUndefined } from '../entry/entry.js';
import { readDate } from '../entry/entry-date.js';
import { resolveUrl, type LinkBase } from '../entry/entry-url.js';
import type { FeedAuthor, ParsedEntry, ParsedFeed } from '../feed.js';
import { checkEntryCount } from '../feed-limits.js';
import { inheritedAuthors } from '../entry/inherited-authors.js';
import { collapseWhitespace } from '../plain-text.js';

type Json = Readonly<Record<string, unknown>>;

/** Whether parsed JSON is a JSON Feed: by its `version`, or else by its items and a feed or home page URL. */
export function isJsonFeed(value: unknown): value is Json {
  if (!isRecord(value)) return false;
  if (typeof value['version'] === 'string') return /\bjsonfeed\.org\/version\//.test(value['version']);
  return (
    Array.isArray(value['items']) && (stringOf(value['feed_url']) ?? stringOf(value['home_page_url'])) !== undefined
  );
}

/**
 * Reads a JSON Feed, 1.0 or 1.1. Values of the wrong type are ignored.
 *
 * @throws RangeError when it has too many items
 */
export function jsonFeed(feed: Json, base: LinkBase): ParsedFeed {
  const items = listOf(feed['items']).filter(isRecord);
  checkEntryCount(items.length);
  const authors = authorsOf(feed, base);
  const inherited = inheritedAuthors(authors);
  return {
    format: 'json-feed',
    ...withoutUndefined({
      title: collapseWhitespace(stringOf(feed['title'])),
      id: stringOf(feed['feed_url']),
      url: resolveUrl(stringOf(feed['home_page_url']), base),
    }),
    authors,
    entries: items.map((item) => jsonItem(item, base, inherited)),
    raw: feed,
  };
}

/** @param inherited returns the feed's authors, for an item that names none */
function jsonItem(item: Json, base: LinkBase, inherited: () => readonly FeedAuthor[]): ParsedEntry {
  const authors = authorsOf(item, base);
  const [url, externalUrl] = [item['url'], item['external_url']].map((link) => resolveUrl(stringOf(link), base));
  return toParsedEntry({
    id: idOf(item['id']),
    url: url ?? externalUrl,
    title: collapseWhitespace(stringOf(item['title'])),
    published: readDate(stringOf(item['date_published'])),
    updated: readDate(stringOf(item['date_modified'])),
    authors: authors.length > 0 ? authors : inherited(),
    summary: stringOf(item['summary']),
    content: stringOf(item['content_html']) ?? stringOf(item['content_text']),
    raw: item,
  });
}

/** Reads `authors` (1.1), or else `author` (1.0). */
function authorsOf(holder: Json, base: LinkBase): readonly FeedAuthor[] {
  const [authors, author] = [listOf(holder['authors']), [holder['author']]].map((list) =>
    list.filter(isRecord).flatMap(({ name, url }) => authorOf(stringOf(name), stringOf(url), undefined, base)),
  );
  return firstNonEmpty(authors, author);
}

/** Reads an id. A number is converted to a string, so `1.0` becomes `1` (JSON Feed 1.1, Items). */
function idOf(id: unknown): string | undefined {
  return typeof id === 'number' ? String(id) : stringOf(id);
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
