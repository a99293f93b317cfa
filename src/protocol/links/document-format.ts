import type { MediaType } from '../encoding/media-type.js';

/** The kind of document links are sought in; `unknown` is none of them. */
export type DocumentFormat = 'html' | 'xml' | 'json-feed' | 'unknown';

/** Longer than this a document does not take to show its first element. */
const SNIFFED_LENGTH = 16_384;

const XML_ROOTS = new Set(['rss', 'feed', 'rdf', 'entry']);
const HTML_ROOTS = new Set(['html', 'head', 'body']);

/**
 * Tells a document's format by how it begins, which is more reliable than its `Content-Type`; that decides where the
 * beginning leaves it open. Undefined: more of the text is needed.
 *
 * Quirk(websub.rocks): sends feeds as `text/html`. We trust the first element, not the type (PROTOCOL D4).
 */
export function sniffFormat(text: string, media: MediaType): DocumentFormat | undefined {
  const start = skipProlog(text);
  const rest = text.slice(start, start + SNIFFED_LENGTH).trimStart();
  const element = /^<(?:!doctype\s+)?(?:[\w.-]+:)?([\w.-]+)(?=[\s/>[])/i.exec(rest)?.[1]?.toLowerCase();
  if (element !== undefined) return formatOfRoot(element, media, text.trimStart().startsWith('<?xml'));
  if (/^\{\s*["}]/.test(rest)) return 'json-feed';
  const isUndecided = /^(?:$|<[!?/\w]|<$|\{\s*$)/.test(rest);
  return isUndecided && text.length < SNIFFED_LENGTH ? undefined : formatOfType(media);
}

/** The format that a `Content-Type` promises. */
export function formatOfType(media: MediaType): DocumentFormat {
  if (media.type === 'text/html' || media.type === 'application/xhtml+xml' || media.type === '') return 'html';
  if (isXml(media)) return 'xml';
  if (/[/+]json$/.test(media.type)) return 'json-feed';
  return 'unknown';
}

/** Where the first thing begins that is no white space, comment or processing instruction. */
function skipProlog(text: string): number {
  let at = 0;
  for (;;) {
    at += text.slice(at, at + SNIFFED_LENGTH).search(/\S|$/);
    const close = text.startsWith('<!--', at) ? '-->' : text.startsWith('<?', at) ? '>' : undefined;
    const end = close === undefined ? -1 : text.indexOf(close, at);
    if (close === undefined || end === -1) return at;
    at = end + close.length;
  }
}

function formatOfRoot(element: string, media: MediaType, isDeclaredXml: boolean): DocumentFormat {
  if (HTML_ROOTS.has(element)) return 'html';
  if (XML_ROOTS.has(element) || isDeclaredXml) return 'xml';
  return isXml(media) ? 'xml' : 'html';
}

function isXml({ type }: MediaType): boolean {
  return type !== 'application/xhtml+xml' && /[/+]xml$/.test(type);
}
