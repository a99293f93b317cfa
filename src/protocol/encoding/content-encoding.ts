import { createBrotliDecompress, createInflate, createInflateRaw } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { gunzip, inflate, isGzip, UndecodableError } from './inflate.js';

/** A body taken out of its `Content-Encoding`, or why it could not be; `given-up`: whoever watched it wanted no more. */
export type DecodeResult =
  | { readonly bytes: Uint8Array }
  | { readonly problem: 'undecodable' | 'too-large' | 'given-up' };

/** Each layer can blow up by a factor of a thousand: nobody honest sends more than two. */
const MAX_CODINGS = 2;

/** Bytes looked at to tell plain text from what is coded. */
const HEAD_BYTES = 64;

/** So many bytes of text are no accident. Fewer may be the whole of a short coded body. */
const MIN_CERTAIN_TEXT_BYTES = 16;

/** The codings of a `Content-Encoding`, in the order they were applied; none for `identity`. */
export function contentCodings(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

/**
 * Undoes the codings of a body while it comes. Senders lie about them, so the first bytes decide (PROTOCOL D14): text that
 * was never coded passes as it is, and bytes behind the end of what is coded are dropped.
 *
 * @param maxIntermediateBytes bytes of the layers that are coded once more
 * @throws UndecodableError where the body is neither coded as it says nor plain; what the source throws
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

/** Told how many bytes the decoding holds by now; answers whether it is to go on, and makes it wait by taking its time. */
export type OnDecoded = (bytes: number) => boolean | Promise<boolean>;

/** Undoes the codings of a whole body, each within the cap; the same bytes where they are plain. */
export async function decodeContent(
  body: Uint8Array,
  codings: readonly string[],
  maxBytes: number,
  onDecoded: OnDecoded = () => true,
): Promise<DecodeResult> {
  // A ping without content, whatever its headers say.
  if (body.byteLength === 0) return { bytes: body };
  let bytes = body;
  let earlierBytes = 0;
  for (const coding of codingsToUndo(codings)) {
    const decoded = await collect(decodeOne(singleChunk(bytes), coding), async (size) => {
      if (size > maxBytes) return 'too-large';
      // Brotli keeps what it has decoded once more, as the window that it refers back to.
      return (await onDecoded(earlierBytes + (coding === 'br' ? 2 * size : size))) ? undefined : 'given-up';
    });
    if ('problem' in decoded) return decoded;
    ({ bytes } = decoded);
    earlierBytes = bytes.byteLength;
  }
  return { bytes };
}

/** The codings to undo, the last one applied first; too many count as one that nobody knows. */
function codingsToUndo(codings: readonly string[]): readonly string[] {
  return codings.length > MAX_CODINGS ? [codings.join(', ')] : codings.toReversed();
}

async function* decodeOne(source: AsyncIterable<Uint8Array>, coding: string): AsyncGenerator<Uint8Array> {
  const input = new ByteReader(source);
  const head = await input.peek(HEAD_BYTES);
  if (head.byteLength === 0) return;
  let hasBegun = false;
  try {
    for await (const chunk of decoderOf(coding, head)(input)) {
      hasBegun = true;
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof UndecodableError)) throw error;
    // Nothing came of it: a short text may look like the beginning of what is coded.
    if (hasBegun || head.byteLength >= MIN_CERTAIN_TEXT_BYTES || !isText(head)) throw error;
    yield head;
  }
}

type Decoder = (input: ByteReader) => AsyncIterable<Uint8Array>;

function decoderOf(coding: string, head: Uint8Array): Decoder {
  // Quirk(Flask-WebSub): copies the topic's `Content-Encoding: gzip` onto a body that is plain. We take text as plain, whatever
  // the header says (PROTOCOL D14).
  if (head.byteLength >= MIN_CERTAIN_TEXT_BYTES && isText(head)) return plain;
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
    case 'deflate':
      if (isGzip(head)) return gunzip;
      if (isZlib(head)) return (input) => inflate(createInflate(), input);
      // Meant by deflate is zlib's format; some senders leave its two-byte header out.
      return coding === 'deflate' ? (input) => inflate(createInflateRaw(), input) : plain;
    case 'br':
      return (input) => inflate(createBrotliDecompress(), input);
    default:
      return () => {
        throw new UndecodableError('only gzip, deflate and br can be decoded, and two of them at most');
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
    if (size > maxBytes) throw new UndecodableError(`it is coded twice, and over ${maxBytes} bytes in between`);
    yield chunk;
  }
}

/** Decodes in pieces, so that it ends as soon as `problemOf` finds their size to be a problem. */
async function collect(
  decoding: AsyncIterable<Uint8Array>,
  problemOf: (size: number) => Promise<'too-large' | 'given-up' | undefined>,
): Promise<DecodeResult> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of decoding) {
      size += chunk.byteLength;
      const problem = await problemOf(size);
      // Leaving the loop ends the decoding.
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

/** Anything but UTF-8 text without control characters. */
const NO_TEXT = /[^\t\n\f\r\u0020-\u{10ffff}]/u;

/** Whether bytes are the beginning of a text. */
function isText(bytes: Uint8Array): boolean {
  try {
    return !NO_TEXT.test(new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }));
  } catch {
    return false;
  }
}
