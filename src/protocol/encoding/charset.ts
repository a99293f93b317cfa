import { isJsonType, parseMediaType } from './media-type.js';

/** Bytes of a document that are searched for a declaration (HTML, section 13.2.3.2). */
export const DECLARATION_BYTES = 1024;

const XML_DECLARATION = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)/i;
const MARKUP = /^\s*<[a-z!?]/i;
const HTML_META = /<meta\s[^>]*?charset\s*=\s*["']?\s*([^"'\s/>;]+)/i;

/**
 * Detects the encoding of a text document, as `TextDecoder` names it. The first of these decides: byte order mark, zero
 * bytes of UTF-16, `charset` of the `Content-Type`, XML declaration or HTML `meta`, else UTF-8. Names that
 * `TextDecoder` does not know are skipped.
 *
 * @param head the first `DECLARATION_BYTES` bytes, or all of a shorter document
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

/** Returns the canonical name of an encoding. Undefined if unknown, or if UTF-16 although single bytes are readable. */
function encodingOf(label: string, isSingleByteText: boolean): string | undefined {
  try {
    const { encoding } = new TextDecoder(label);
    return isSingleByteText && encoding.startsWith('utf-16') ? undefined : encoding;
  } catch {
    return undefined;
  }
}

/**
 * Decodes a text, without its byte order mark, in the encoding that `detectEncoding` finds. For JSON, the `charset`
 * parameter is ignored: JSON is UTF-8 (RFC 8259, section 8.1), unless its first bytes show UTF-16.
 */
export function decodeText(bytes: Uint8Array, contentType: string | undefined): string {
  const { type, charset } = parseMediaType(contentType);
  const encoding = detectEncoding(bytes.subarray(0, DECLARATION_BYTES), isJsonType(type) ? 'utf-8' : charset);
  return new TextDecoder(encoding).decode(bytes);
}
