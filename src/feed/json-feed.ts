import { authorOf, firstFilled, parsedEntry, present } from './entry.js';
import { readDate } from './entry-date.js';
import { resolveUrl } from './entry-url.js';
import type { FeedAuthor, ParsedEntry, ParsedFeed } from './feed.js';
import { collapsed } from './plain-text.js';

type Json = Readonly<Record<string, unknown>>;

/** Whether a value read from JSON is a JSON Feed: its `version` says so, or it has items and says where it lies. */
export function isJsonFeed(value: unknown): value is Json {
  if (!isObject(value)) return false;
  if (typeof value['version'] === 'string') return /\bjsonfeed\.org\/version\//.test(value['version']);
  return (
    Array.isArray(value['items']) && (stringOf(value['feed_url']) ?? stringOf(value['home_page_url'])) !== undefined
  );
}

/** Reads a JSON Feed, 1.0 or 1.1. What is of another type than it should be is passed over. */
export function jsonFeed(feed: Json, baseUrl: string): ParsedFeed {
  const authors = authorsOf(feed, baseUrl);
  return {
    format: 'json-feed',
    ...present({
      title: collapsed(stringOf(feed['title'])),
      id: stringOf(feed['feed_url']),
      url: resolveUrl(stringOf(feed['home_page_url']), baseUrl),
    }),
    authors,
    entries: listOf(feed['items'])
      .filter(isObject)
      .map((item) => jsonItem(item, baseUrl, authors)),
    raw: feed,
  };
}

/** @param feedAuthors who wrote it where it names nobody */
function jsonItem(item: Json, baseUrl: string, feedAuthors: readonly FeedAuthor[]): ParsedEntry {
  const [url, externalUrl] = [item['url'], item['external_url']].map((link) => resolveUrl(stringOf(link), baseUrl));
  return parsedEntry({
    id: idOf(item['id']),
    url: url ?? externalUrl,
    title: collapsed(stringOf(item['title'])),
    published: readDate(stringOf(item['date_published'])),
    updated: readDate(stringOf(item['date_modified'])),
    authors: firstFilled(authorsOf(item, baseUrl), feedAuthors),
    summary: stringOf(item['summary']),
    content: stringOf(item['content_html']) ?? stringOf(item['content_text']),
    raw: item,
  });
}

/** `authors` of 1.1, else `author` of 1.0. */
function authorsOf(holder: Json, baseUrl: string): readonly FeedAuthor[] {
  const [authors, author] = [listOf(holder['authors']), [holder['author']]].map((list) =>
    list.filter(isObject).flatMap(({ name, url }) => authorOf(stringOf(name), stringOf(url), undefined, baseUrl)),
  );
  return firstFilled(authors, author);
}

/** A number is to be taken for the string it is written as (JSON Feed 1.1, Items). */
function idOf(id: unknown): string | undefined {
  return typeof id === 'number' ? String(id) : stringOf(id);
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
