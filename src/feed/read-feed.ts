import { documentBase, type LinkBase } from './entry/entry-url.js';
import type { ParsedEntry, ParsedFeed } from './feed.js';
import { isJsonFeed, jsonFeed } from './json/json-feed.js';
import { MAX_ELEMENTS } from './feed-limits.js';
import { parseJson } from './json/parse-json.js';
import { readProlog } from './xml/prolog.js';
import { readXmlFeed } from './xml/xml-feed.js';

const HTML_ROOTS = new Set(['html', 'head', 'body']);

/**
 * Reads a feed: Atom (RFC 4287; an entry document counts as a feed of that entry, RFC 6721's deleted entries are read),
 * RSS 0.9x and 2.0, RSS 1.0 and 0.90 in RDF, or JSON Feed. Told apart by what the text is, whatever its type was said to
 * be. What is missing or unreadable in a feed or entry is absent.
 *
 * @param baseUrl what relative links are relative to: the topic
 * @throws SyntaxError where the text is no feed or is not well-formed
 * @throws RangeError where it is over a bound of PROTOCOL D12
 */
export function readFeed(text: string, baseUrl: string): ParsedFeed {
  const document = readDocument(text, documentBase(baseUrl));
  if (typeof document === 'string') throw new SyntaxError(`No feed, but ${document}`);
  return document;
}

/**
 * The entries of a feed, as `readFeed` reads it; none where the text is empty or plainly something else: JSON that is no
 * JSON Feed, an HTML page, text without markup.
 *
 * @throws SyntaxError where it is JSON or XML that is not well-formed, or XML that is no feed
 * @throws RangeError where it is over a bound of PROTOCOL D12
 */
export function readEntries(text: string, baseUrl: string): readonly ParsedEntry[] {
  const document = readDocument(text, documentBase(baseUrl));
  return typeof document === 'string' ? [] : document.entries;
}

/** The feed, or what the text is instead, in words. */
function readDocument(text: string, base: LinkBase): ParsedFeed | string {
  const start = /\S/.exec(text)?.[0];
  if (start === undefined) return 'an empty text';
  if (start === '{' || start === '[') {
    const value = parseJson(text, MAX_ELEMENTS);
    return isJsonFeed(value) ? jsonFeed(value, base) : 'JSON that is no JSON Feed';
  }
  if (start !== '<') return 'text without markup';
  const { root, rootAt, doctype } = readProlog(text);
  if (doctype === 'html' || HTML_ROOTS.has(root.toLowerCase())) return 'an HTML page';
  return readXmlFeed(text.slice(rootAt), root, base);
}
