import { DocumentUrls, MAX_URL_LENGTH } from './document-urls.js';
import { resolveHttp, topicLinks, LinkCollector, type TopicLinks } from './topic-links.js';

/** A place in a header value that is being read. */
interface Cursor {
  readonly text: string;
  at: number;
}

/** Where a link leads, and whether its brackets were opened within quotes that are still open. */
interface Target {
  readonly href: string;
  readonly isInQuotes: boolean;
}

const BLANKS = /[\t ]*/y;
const SEPARATORS = /[\t ,]*/y;
const OPENING = /(["']?)[\t ]*</y;
const NAME = /[^\t ;,=]*/y;
/** Parameters are separated by semicolons. Some publishers forget the one before `rel`. */
const SEPARATOR = /;|(?=rel[\t ]*=)/iy;
const BARE_VALUE = /(?:(?![\t ]rel[\t ]*=)[^;,])*/iy;
const BARE_REL = /[^;,]*/y;
const QUOTED_VALUE = /"((?:[^"\\]|\\[^])*)(?:"|\\?$)/y;
const REST_OF_LINK = /(?:"(?:[^"\\]|\\[^])*(?:"|\\?$)|[^,"])*/y;

/**
 * The hub and self links of HTTP `Link` headers (RFC 8288), resolved against `base`, the URL the response came from.
 * Takes one value for each header, or several joined by commas. A link about another resource (`anchor`) does not count,
 * and one that cannot be read does not lose those after it. Read all the same: a link whose semicolon before `rel` is
 * missing, and one whose brackets lie within quotes.
 */
export function linksFromHeaders(values: Iterable<string>, base: string): TopicLinks {
  const links = new LinkCollector();
  // A topic that was given may be longer than what is read: only absolute links resolve then.
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

/** Tells whether an anchor is the resource itself, whose name need not be a URL. */
function anchorCheck(urls: DocumentUrls, base: string): (anchor: string) => boolean {
  let resource: string | undefined;
  return (anchor) => {
    resource ??= resolveHttp(urls, '')?.href ?? '';
    if (resource === '') return anchor === '' || anchor === base;
    return resolveHttp(urls, anchor)?.href === resource;
  };
}

/** A link as it is written. */
interface Link {
  readonly href: string;
  readonly rel: string | undefined;
  readonly anchor: string | undefined;
}

function* parseValue(value: string): Generator<Link> {
  const cursor: Cursor = { text: decodeUtf8(value), at: 0 };
  const { text } = cursor;
  // Behind the last bracket there is no link; looking for one at each comma would take long.
  const end = text.lastIndexOf('>');
  for (;;) {
    take(cursor, SEPARATORS);
    if (cursor.at > end) return;
    const target = takeTarget(cursor);
    if (target !== undefined) {
      const parameters = takeParameters(cursor, target.isInQuotes);
      yield { href: target.href, rel: parameters.get('rel'), anchor: parameters.get('anchor') };
      // What opened before the brackets ends with the link.
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
  // A bracket that was never closed would swallow the next link: no URL has a `<` in it.
  const start = text.lastIndexOf('<', end);
  cursor.at = end + 1;
  take(cursor, BLANKS);
  const isInQuotes = quote !== '' && text[cursor.at] !== quote;
  if (quote !== '' && !isInQuotes) cursor.at += 1;
  return { href: text.slice(start + 1, end), isInQuotes };
}

/** Parameters by lower-case name; of several with one name the first counts, even when it is empty. */
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
    // Quotes within quotes are escaped, or those that close the link.
    if (!parameters.has(name)) parameters.set(name, isInQuotes ? value.replaceAll(/[\\"']/g, '') : value);
  }
}

function takeValue(cursor: Cursor, name: string): string {
  cursor.at += 1;
  take(cursor, BLANKS);
  if (cursor.text[cursor.at] !== '"') return take(cursor, name === 'rel' ? BARE_REL : BARE_VALUE).trim();
  return take(cursor, QUOTED_VALUE).replaceAll(/\\([^])/g, '$1');
}

/** What the pattern matches here, or its first group; the cursor is then behind it. */
function take(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const [all = '', group] = pattern.exec(cursor.text) ?? [];
  cursor.at += all.length;
  return group ?? all;
}

/** Headers arrive as one character a byte: a URL written as raw UTF-8 is put together again. */
function decodeUtf8(value: string): string {
  if (!/[\u0080-\u00ff]/.test(value) || /[^\0-\u00ff]/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
