import { resolveHttpUrl, topicLinks, type TopicLinks, type WrittenLink } from './topic-links.js';

/** A place in a header value that is being read. */
interface Cursor {
  readonly text: string;
  at: number;
}

const BLANK = /[\t ]*/y;
const SEPARATORS = /[\t ,]*/y;
const NAME = /[^\t ;,=]*/y;
const BARE_VALUE = /[^;,]*/y;
const QUOTED_VALUE = /"((?:[^"\\]|\\[^])*)(?:"|\\?$)/y;
const REST_OF_LINK = /(?:"(?:[^"\\]|\\[^])*(?:"|\\?$)|[^,"])*/y;

/**
 * The hub and self links of HTTP `Link` headers (RFC 8288), resolved against `base`, the URL the response came from.
 * Takes one value for each header, or several joined by commas. A link about another resource (`anchor`) does not count,
 * and one that cannot be read does not lose those after it.
 */
export function linksFromHeaders(values: Iterable<string>, base: string): TopicLinks {
  const links: WrittenLink[] = [];
  for (const value of values) links.push(...parseValue(value, base));
  return topicLinks(links);
}

function parseValue(value: string, base: string): WrittenLink[] {
  const links: WrittenLink[] = [];
  const cursor: Cursor = { text: decodeUtf8(value), at: 0 };
  for (;;) {
    take(cursor, SEPARATORS);
    if (cursor.at >= cursor.text.length) return links;
    const href = takeTarget(cursor);
    if (href !== undefined) {
      const parameters = takeParameters(cursor);
      const rel = parameters.get('rel');
      const anchor = parameters.get('anchor');
      if (rel !== undefined && (anchor === undefined || isAbout(anchor, base))) links.push({ rel, href, base });
    }
    take(cursor, REST_OF_LINK);
  }
}

/** Whether an anchor is the resource itself, whose name need not be a URL. */
function isAbout(anchor: string, base: string): boolean {
  const resource = resolveHttpUrl('', base);
  return resource === undefined ? anchor === '' || anchor === base : resolveHttpUrl(anchor, base) === resource;
}

function takeTarget(cursor: Cursor): string | undefined {
  if (cursor.text[cursor.at] !== '<') return undefined;
  const end = cursor.text.indexOf('>', cursor.at);
  if (end === -1) return undefined;
  // A bracket that was never closed would swallow the next link: no URL has a `<` in it.
  const start = cursor.text.lastIndexOf('<', end);
  cursor.at = end + 1;
  return cursor.text.slice(start + 1, end);
}

/** Parameters by lower-case name; of several with one name the first counts, even when it is empty. */
function takeParameters(cursor: Cursor): Map<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    take(cursor, BLANK);
    if (cursor.text[cursor.at] !== ';') return parameters;
    cursor.at += 1;
    take(cursor, BLANK);
    const name = take(cursor, NAME).toLowerCase();
    take(cursor, BLANK);
    const value = cursor.text[cursor.at] === '=' ? takeValue(cursor) : '';
    if (!parameters.has(name)) parameters.set(name, value);
  }
}

function takeValue(cursor: Cursor): string {
  cursor.at += 1;
  take(cursor, BLANK);
  if (cursor.text[cursor.at] !== '"') return take(cursor, BARE_VALUE).trim();
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
