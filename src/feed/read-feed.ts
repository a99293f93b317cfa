import { documentBase, type LinkBase } from './entry/entry-url.js';
import { notAFeedError } from './feed-error.js';
import type { ParsedEntry, ParsedFeed } from './feed.js';
import { isJsonFeed, jsonFeed } from './json/json-feed.js';
import { MAX_ELEMENTS } from '../protocol/links/link-reader.js';
import { parseJson } from './json/parse-json.js';
import { readProlog } from './xml/prolog.js';
import { readXmlFeed } from './xml/xml-feed.js';

const HTML_ROOTS = new Set(['html', 'head', 'body']);

/**
 * Reads a feed: Atom (RFC 4287), RSS 0.9x and 2.0, RSS 1.0 and 0.90 in RDF, or JSON Feed. An Atom entry document counts
 * as a feed of one entry. Deleted entries (RFC 6721) are read. The text itself decides the format, not its declared
 * type. Missing or unreadable fields are absent.
 *
 * @param baseUrl the base of relative links: the topic, or the URL that the text was fetched from
 * @throws SyntaxError when the text is no feed or is not well-formed
 * @throws RangeError when it is over a bound of PROTOCOL D12
 */
export function readFeed(text: string, baseUrl: string): ParsedFeed {
  const document = readDocument(text, documentBase(baseUrl));
  if (typeof document === 'string') throw notAFeedError(document);
  return document;
}

/**
 * Reads the entries of a feed, as `readFeed` does. Returns none when the text is empty or clearly something else: JSON
 * that is no JSON Feed, an HTML page, or text without markup.
 *
 * @throws SyntaxError when it is JSON or XML that is not well-formed, or XML that is no feed
 * @throws RangeError when it is over a bound of PROTOCOL D12
 */
export function readEntries(text: string, baseUrl: string): readonly ParsedEntry[] {
  const document = readDocument(text, documentBase(baseUrl));
  return typeof document === 'string' ? [] : document.entries;
}

/** Returns the feed, or a description of the text when it is something else. */
function readDocument(text: string, base: LinkBase): ParsedFeed | string {
  const start = /\S/.exec(text)?.[0];
  if (start === undefined) return 'empty';
  if (start === '{' || start === '[') {
    const value = parseJson(text, MAX_ELEMENTS);
    return isJsonFeed(value) ? jsonFeed(value, base) : 'JSON but not a JSON Feed';
  }
  if (start !== '<') return 'text without markup';
  const { root, rootAt, doctype } = readProlog(text);
  if (doctype === 'html' || HTML_ROOTS.has(root.toLowerCase())) return 'an HTML page';
  return readXmlFeed(text.slice(rootAt), root, base);
}
