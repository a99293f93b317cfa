import { TextDecoder } from 'node:util';
import { DECLARATION_BYTES, detectEncoding } from '../encoding/charset.js';
import { formatOfType, sniffFormat, type DocumentFormat } from './document-format.js';
import { createHtmlLinkReader } from './html-links.js';
import { createJsonFeedLinkReader } from './json-feed-links.js';
import { DocumentUrls } from './document-urls.js';
import type { ReadLinks, LinkReader } from './link-reader.js';
import { parseMediaType, type MediaType } from '../encoding/media-type.js';
import { createXmlLinkReader } from './xml-links.js';

/** The links of a document, and its detected format. */
export interface DocumentLinks extends ReadLinks {
  readonly format: DocumentFormat;
}

/** Reads the links of a document of any format that arrives as bytes. */
export interface DocumentLinkReader {
  /** Reads the next bytes. Returns true once later bytes cannot change the links. */
  write(bytes: Uint8Array): boolean;
  /** Returns the links found so far. Call once, after the last bytes. */
  end(): DocumentLinks;
}

/**
 * Bytes of the first part that is decoded. The second part doubles to `MAX_PART_BYTES`. Links are often in the first
 * part, so the rest of a socket chunk is not decoded. Many small parts would cost more.
 */
const FIRST_PART_BYTES = 4_096;

/** The most bytes decoded at once. */
const MAX_PART_BYTES = 8_192;

/** A document whose format is known, and the reader of its links. */
interface OpenedDocument {
  readonly format: DocumentFormat;
  readonly reader: LinkReader;
  /** Whether the start of the document was enough. */
  readonly isDone: boolean;
}

/**
 * Finds hub and self links in an HTML page, an Atom, RSS or RDF feed, or a JSON Feed (WebSub section 4). Any encoding
 * and a wrong `Content-Type` are handled.
 *
 * @param document.url the document's URL after redirects
 * @param document.contentType the `Content-Type` header, if present
 * @throws RangeError when the URL is longer than 8 KiB
 */
export function createDocumentLinkReader(document: {
  readonly url: string;
  readonly contentType?: string | null;
}): DocumentLinkReader {
  const media = parseMediaType(document.contentType);
  const urls = new DocumentUrls(document.url);
  const decode = createDecoder(media.charset);
  let beginning = '';
  let partBytes = FIRST_PART_BYTES;
  let opened: OpenedDocument | undefined;

  function open(format: DocumentFormat): OpenedDocument {
    const reader = createReader(format, urls, media);
    return { format, reader, isDone: reader.write(beginning) };
  }

  function writePart(bytes: Uint8Array): boolean {
    const text = decode(bytes);
    if (opened !== undefined) return opened.reader.write(text);
    beginning += text;
    const format = sniffFormat(beginning, media);
    opened = format === undefined ? undefined : open(format);
    return opened?.isDone ?? false;
  }

  return {
    write(bytes) {
      for (let at = 0; at < bytes.byteLength;) {
        const part = bytes.subarray(at, at + partBytes);
        if (writePart(part)) return true;
        at += part.byteLength;
        partBytes = Math.min(2 * partBytes, MAX_PART_BYTES);
      }
      return false;
    },
    end() {
      const text = decode(undefined);
      if (opened === undefined) beginning += text;
      else opened.reader.write(text);
      const { format, reader } = opened ?? open(sniffFormat(beginning, media) ?? formatOfType(media));
      return { ...reader.end(), format };
    },
  };
}

/** Finds no links. */
const NO_READER: LinkReader = { write: () => true, end: () => ({ hubs: [], selfs: [] }) };

function createReader(format: DocumentFormat, urls: DocumentUrls, media: MediaType): LinkReader {
  switch (format) {
    case 'html':
      return createHtmlLinkReader(urls, { xhtml: /[/+]xml$/.test(media.type) });
    case 'xml':
      return createXmlLinkReader(urls);
    case 'json-feed':
      return createJsonFeedLinkReader(urls);
    default:
      return NO_READER;
  }
}

/** Decodes chunk by chunk; undefined ends the text. Buffers the first bytes until they show the encoding. */
function createDecoder(headerCharset: string): (bytes: Uint8Array | undefined) => string {
  let buffered: Uint8Array = new Uint8Array();
  let decoder: TextDecoder | undefined;
  return (bytes) => {
    if (decoder !== undefined) return decoder.decode(bytes, { stream: bytes !== undefined });
    buffered = bytes === undefined ? buffered : Buffer.concat([buffered, bytes]);
    if (bytes !== undefined && buffered.byteLength < DECLARATION_BYTES) return '';
    decoder = new TextDecoder(detectEncoding(buffered, headerCharset));
    return decoder.decode(buffered, { stream: bytes !== undefined });
  };
}
