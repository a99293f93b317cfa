import { isJsonType, parseMediaType } from './media-type.js';

/** How much of a document is looked at for a declaration (HTML, section 13.2.3.2). */
export const DECLARATION_BYTES = 1024;

const XML_DECLARATION = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)/i;
const MARKUP = /^\s*<[a-z!?]/i;
const HTML_META = /<meta\s[^>]*?charset\s*=\s*["']?\s*([^"'\s/>;]+)/i;

/**
 * The encoding of a text document, as `TextDecoder` names it: by byte order mark, by the zero bytes of UTF-16, by the
 * `charset` of its `Content-Type`, by XML declaration or HTML `meta`, else UTF-8. A name that `TextDecoder` does not know
 * is passed over.
 *
 * @param head the first bytes, `DECLARATION_BYTES` of them where there are so many
 * @param headerCharset the `charset` parameter, or empty
 */
export function detectEncoding(head: Uint8Array, headerCharset: string): string {
  const [first, second] = head;
  if (first === 0xef && second === 0xbb && head[2] === 0xbf) return 'utf-8';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first === 0 && second !== 0) return 'utf-16be';
  if (first !== 0 && second === 0) return 'utf-16le';
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, DECLARATION_BYTES)).toString(
    'latin1',
  );
  const declared = XML_DECLARATION.exec(text)?.[1] ?? HTML_META.exec(text)?.[1] ?? '';
  const isSingleByteText = MARKUP.test(text);
  return encodingOf(headerCharset, isSingleByteText) ?? encodingOf(declared, true) ?? 'utf-8';
}

/** The canonical name, unless it is unknown, or UTF-16 for a text that was just read byte by byte. */
function encodingOf(label: string, isBytewise: boolean): string | undefined {
  try {
    const { encoding } = new TextDecoder(label);
    return isBytewise && encoding.startsWith('utf-16') ? undefined : encoding;
  } catch {
    return undefined;
  }
}

/**
 * A text from its bytes, without a byte order mark: decoded as `detectEncoding` says, but JSON, which is UTF-8 whatever its
 * type's parameter says (RFC 8259 section 8.1), by its bytes alone.
 */
export function decodeText(bytes: Uint8Array, contentType: string | undefined): string {
  const { type, charset } = parseMediaType(contentType);
  const encoding = detectEncoding(bytes.subarray(0, DECLARATION_BYTES), isJsonType(type) ? 'utf-8' : charset);
  return new TextDecoder(encoding).decode(bytes);
}
