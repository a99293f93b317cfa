import { createBrotliDecompress, createInflate, createInflateRaw } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { DECODING_PROBLEMS, gunzip, inflate, isGzip, UndecodableError } from './inflate.js';

/** A decoded body, or why it could not be decoded; `stopped`: `onDecoded` stopped the decoding. */
export type DecodeResult =
  | { readonly bytes: Uint8Array }
  | { readonly problem: 'undecodable' | 'too-large' | 'stopped' };

/** The most codings undone. Each layer can expand a thousandfold, and no honest sender needs more than two. */
const MAX_CODINGS = 2;

/** Bytes checked to tell plain text from coded content. */
const HEAD_BYTES = 64;

/** A body that starts with this many bytes of text is plain. Fewer bytes of text may also be a short coded body. */
const MIN_CERTAIN_TEXT_BYTES = 16;

/** Returns the codings of a `Content-Encoding` in the order applied; none for `identity`. */
export function contentCodings(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

/**
 * Decodes a body while it arrives. Senders lie about codings, so the first bytes decide (PROTOCOL D14): text that was
 * never coded passes unchanged. Bytes after the end of coded content are dropped.
 *
 * @param maxIntermediateBytes the most bytes that a body coded twice may have after the first decoding
 * @throws UndecodableError when the body is neither coded as declared nor plain, or over `maxIntermediateBytes`; also
 *   the errors of the source
 */
export function decodeChunks(
  source: AsyncIterable<Uint8Array>,
  codings: readonly string[],
  maxIntermediateBytes: number,
): AsyncIterable<Uint8Array> {
  let chunks = source;
  for (const [at, coding] of codingsToUndo(codings).entries()) {
    chunks = decodeOne(at === 0 ? chunks : limitBytes(chunks, maxIntermediateBytes), coding);
  }
  return chunks;
}

/**
 * Receives the number of bytes the decoding holds so far. Returns whether to continue. A pending promise pauses the
 * decoding.
 */
export type OnDecoded = (bytes: number) => boolean | Promise<boolean>;

/** Decodes a whole body; every layer must stay within `maxBytes`. Plain bytes are returned without a copy. */
export async function decodeContent(
  body: Uint8Array,
  codings: readonly string[],
  maxBytes: number,
  onDecoded: OnDecoded = () => true,
): Promise<DecodeResult> {
  // A ping without content, whatever its headers declare.
  if (body.byteLength === 0) return { bytes: body };
  let bytes = body;
  let earlierBytes = 0;
  for (const coding of codingsToUndo(codings)) {
    const decoded = await collect(decodeOne(singleChunk(bytes), coding), async (size) => {
      if (size > maxBytes) return 'too-large';
      // Brotli keeps a second copy of its output, as the window it refers back to.
      return (await onDecoded(earlierBytes + (coding === 'br' ? 2 * size : size))) ? undefined : 'stopped';
    });
    if ('problem' in decoded) return decoded;
    ({ bytes } = decoded);
    earlierBytes = bytes.byteLength;
  }
  return { bytes };
}

/** Returns the codings to undo, last applied first. Too many count as one unknown coding. */
function codingsToUndo(codings: readonly string[]): readonly string[] {
  return codings.length > MAX_CODINGS ? [codings.join(', ')] : codings.toReversed();
}

async function* decodeOne(source: AsyncIterable<Uint8Array>, coding: string): AsyncGenerator<Uint8Array> {
  const input = new ByteReader(source);
  const head = await input.peek(HEAD_BYTES);
  if (head.byteLength === 0) return;
  let hasOutput = false;
  try {
    for await (const chunk of decoderOf(coding, head)(input)) {
      hasOutput = true;
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof UndecodableError)) throw error;
    // No output yet: a short text may look like the start of coded content.
    if (hasOutput || head.byteLength >= MIN_CERTAIN_TEXT_BYTES || !isText(head)) throw error;
    yield head;
  }
}

type Decoder = (input: ByteReader) => AsyncIterable<Uint8Array>;

function decoderOf(coding: string, head: Uint8Array): Decoder {
  // Quirk(Flask-WebSub): copies the topic's `Content-Encoding: gzip` onto a plain body. We take text as plain, whatever
  // the header says (PROTOCOL D14).
  if (head.byteLength >= MIN_CERTAIN_TEXT_BYTES && isText(head)) return plain;
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
    case 'deflate':
      if (isGzip(head)) return gunzip;
      if (isZlib(head)) return (input) => inflate(createInflate(), input);
      // `deflate` means zlib's format, but some senders omit its two-byte header.
      return coding === 'deflate' ? (input) => inflate(createInflateRaw(), input) : plain;
    case 'br':
      return (input) => inflate(createBrotliDecompress(), input);
    default:
      return () => {
        throw new UndecodableError(DECODING_PROBLEMS.unsupported);
      };
  }
}

async function* plain(input: ByteReader): AsyncGenerator<Uint8Array> {
  for (let chunk = await input.next(); chunk !== undefined; chunk = await input.next()) yield chunk;
}

async function* singleChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* limitBytes(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new UndecodableError(DECODING_PROBLEMS.tooLarge(maxBytes));
    yield chunk;
  }
}

/** Collects decoded chunks. Stops as soon as `problemOf` reports a problem with their size. */
async function collect(
  decoding: AsyncIterable<Uint8Array>,
  problemOf: (size: number) => Promise<'too-large' | 'stopped' | undefined>,
): Promise<DecodeResult> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of decoding) {
      size += chunk.byteLength;
      const problem = await problemOf(size);
      // Returning from the loop ends the decoding.
      if (problem !== undefined) return { problem };
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof UndecodableError) return { problem: 'undecodable' };
    throw error;
  }
  const [first] = chunks;
  return { bytes: chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, size) };
}

function isZlib([cmf = 0, flg = 0]: Uint8Array): boolean {
  return (cmf & 0x0f) === 8 && ((cmf << 8) | flg) % 31 === 0;
}

/** Matches a control character that does not occur in text. */
const NO_TEXT = /[^\t\n\f\r\u0020-\u{10ffff}]/u;

/** Whether bytes are the start of a UTF-8 text. */
function isText(bytes: Uint8Array): boolean {
  try {
    return !NO_TEXT.test(new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }));
  } catch {
    return false;
  }
}
