import { DocumentUrls, MAX_URL_LENGTH } from './document-urls.js';
import { resolveHttp, topicLinks, LinkCollector, type TopicLinks } from './topic-links.js';

/** A position in a header value. */
interface Cursor {
  readonly text: string;
  at: number;
}

/** The target of a link, and whether its `<` followed a quote that is still open. */
interface Target {
  readonly href: string;
  readonly isInQuotes: boolean;
}

const BLANKS = /[\t ]*/y;
const SEPARATORS = /[\t ,]*/y;
const OPENING = /(["']?)[\t ]*</y;
const NAME = /[^\t ;,=]*/y;
/** Semicolons separate parameters. Some publishers forget the one before `rel`. */
const SEPARATOR = /;|(?=rel[\t ]*=)/iy;
const BARE_VALUE = /(?:(?![\t ]rel[\t ]*=)[^;,])*/iy;
const BARE_REL = /[^;,]*/y;
const QUOTED_VALUE = /"((?:[^"\\]|\\[^])*)(?:"|\\?$)/y;
const REST_OF_LINK = /(?:"(?:[^"\\]|\\[^])*(?:"|\\?$)|[^,"])*/y;

/**
 * Returns the hub and self links of HTTP `Link` headers (RFC 8288), resolved against `base`, the response's URL. A
 * value may be one header or several joined by commas. A link about another resource (`anchor`) does not count. An
 * unreadable link does not affect later ones. Two common errors are accepted: a missing semicolon before `rel`, and
 * brackets within quotes.
 */
export function linksFromHeaders(values: Iterable<string>, base: string): TopicLinks {
  const links = new LinkCollector();
  // `base` may be a topic that is longer than the bound. Then only absolute links resolve.
  const urls = new DocumentUrls(base.length > MAX_URL_LENGTH ? '' : base);
  const isAbout = anchorCheck(urls, base);
  for (const value of values) {
    for (const { href, rel, anchor } of parseValue(value)) {
      if (links.isFull) break;
      if (rel !== undefined) links.add(rel, () => (anchor === undefined || isAbout(anchor) ? { href } : undefined));
    }
  }
  return topicLinks(links.take(), urls);
}

/** Returns a check whether an anchor names the resource itself. The resource's name need not be a URL. */
function anchorCheck(urls: DocumentUrls, base: string): (anchor: string) => boolean {
  let resource: string | undefined;
  return (anchor) => {
    resource ??= resolveHttp(urls, '')?.href ?? '';
    if (resource === '') return anchor === '' || anchor === base;
    return resolveHttp(urls, anchor)?.href === resource;
  };
}

/** A link as written. */
interface Link {
  readonly href: string;
  readonly rel: string | undefined;
  readonly anchor: string | undefined;
}

function* parseValue(value: string): Generator<Link> {
  const cursor: Cursor = { text: decodeUtf8(value), at: 0 };
  const { text } = cursor;
  // No link comes after the last bracket; searching one at each comma would take long.
  const end = text.lastIndexOf('>');
  for (;;) {
    take(cursor, SEPARATORS);
    if (cursor.at > end) return;
    const target = takeTarget(cursor);
    if (target !== undefined) {
      const parameters = takeParameters(cursor, target.isInQuotes);
      yield { href: target.href, rel: parameters.get('rel'), anchor: parameters.get('anchor') };
      // A quote opened before the brackets closes after the link.
      if (target.isInQuotes && text[cursor.at] === '"') cursor.at += 1;
    }
    take(cursor, REST_OF_LINK);
  }
}

function takeTarget(cursor: Cursor): Target | undefined {
  const { text, at } = cursor;
  const quote = take(cursor, OPENING);
  if (cursor.at === at) return undefined;
  const end = text.indexOf('>', cursor.at);
  // No URL contains `<`, so the last one counts. Otherwise an unclosed bracket would swallow the next link.
  const start = text.lastIndexOf('<', end);
  cursor.at = end + 1;
  take(cursor, BLANKS);
  const isInQuotes = quote !== '' && text[cursor.at] !== quote;
  if (quote !== '' && !isInQuotes) cursor.at += 1;
  return { href: text.slice(start + 1, end), isInQuotes };
}

/** Reads parameters by lower-case name. If a name is repeated, the first value counts, even an empty one. */
function takeParameters(cursor: Cursor, isInQuotes: boolean): Map<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    take(cursor, BLANKS);
    SEPARATOR.lastIndex = cursor.at;
    const separator = SEPARATOR.exec(cursor.text);
    if (separator === null) return parameters;
    cursor.at += separator[0].length;
    take(cursor, BLANKS);
    const name = take(cursor, NAME).toLowerCase();
    take(cursor, BLANKS);
    const value = cursor.text[cursor.at] === '=' ? takeValue(cursor, name) : '';
    // In a quoted link, quotes are escaped or close the link. Neither belongs to the value.
    if (!parameters.has(name)) parameters.set(name, isInQuotes ? value.replaceAll(/[\\"']/g, '') : value);
  }
}

function takeValue(cursor: Cursor, name: string): string {
  cursor.at += 1;
  take(cursor, BLANKS);
  if (cursor.text[cursor.at] !== '"') return take(cursor, name === 'rel' ? BARE_REL : BARE_VALUE).trim();
  return take(cursor, QUOTED_VALUE).replaceAll(/\\([^])/g, '$1');
}

/** Consumes a match at the cursor. Returns its first group, or the whole match. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const [all = '', group] = pattern.exec(cursor.text) ?? [];
  cursor.at += all.length;
  return group ?? all;
}

/** Decodes raw UTF-8 in a header, which arrives as one character per byte. */
function decodeUtf8(value: string): string {
  if (!/[\u0080-\u00ff]/.test(value) || /[^\0-\u00ff]/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
