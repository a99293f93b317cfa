import type { MediaType } from '../encoding/media-type.js';

/** The format of a document that may contain links; `unknown` for any other. */
export type DocumentFormat = 'html' | 'xml' | 'json-feed' | 'unknown';

/** Characters within which a document must show its first element. */
const SNIFFED_LENGTH = 16_384;

const XML_ROOTS = new Set(['rss', 'feed', 'rdf', 'entry']);
const HTML_ROOTS = new Set(['html', 'head', 'body']);

/**
 * Detects a document's format from its start, which is more reliable than its `Content-Type`. The type decides only
 * when the start is ambiguous. Returns undefined when more text is needed.
 *
 * Quirk(websub.rocks): sends feeds as `text/html`. We trust the first element, not the type (PROTOCOL D4).
 */
export function sniffFormat(text: string, media: MediaType): DocumentFormat | undefined {
  const start = skipProlog(text);
  const afterProlog = text.slice(start, start + SNIFFED_LENGTH).trimStart();
  const element = /^<(?:!doctype\s+)?(?:[\w.-]+:)?([\w.-]+)(?=[\s/>[])/i.exec(afterProlog)?.[1]?.toLowerCase();
  if (element !== undefined) return formatOfRoot(element, media, text.trimStart().startsWith('<?xml'));
  if (/^\{\s*["}]/.test(afterProlog)) return 'json-feed';
  const isUndecided = /^(?:$|<[!?/\w]|<$|\{\s*$)/.test(afterProlog);
  return isUndecided && text.length < SNIFFED_LENGTH ? undefined : formatOfType(media);
}

/** Returns the format that a `Content-Type` declares. A missing one counts as HTML. */
export function formatOfType(media: MediaType): DocumentFormat {
  if (media.type === 'text/html' || media.type === 'application/xhtml+xml' || media.type === '') return 'html';
  if (isXml(media)) return 'xml';
  if (/[/+]json$/.test(media.type)) return 'json-feed';
  return 'unknown';
}

/** Returns the index after leading white space, comments and processing instructions. */
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
