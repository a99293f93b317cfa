import { createInflateRaw, crc32, type BrotliDecompress, type Inflate, type InflateRaw } from 'node:zlib';
import type { ByteReader } from './byte-reader.js';

/** A body cannot be decoded: it is corrupt or truncated, or its codings are not supported. */
export class UndecodableError extends Error {
  override readonly name = 'UndecodableError';
}

/** Why a body cannot be decoded. The texts complete `its Content-Encoding does not decode: …`. */
export const DECODING_PROBLEMS = {
  truncated: 'the data ends too early',
  wrongChecksum: 'the checksum is wrong',
  wrongHeader: 'the gzip header is invalid',
  unsupported: 'only gzip, deflate and br are supported, and at most two codings',
  tooLarge: (maxBytes: number) => `it is coded twice, and has over ${maxBytes} bytes after the first decoding`,
} as const;

/** The first bytes of every gzip member (RFC 1952); 8 is the only compression method. */
const GZIP_MAGIC = [0x1f, 0x8b, 0x08];

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;

const FLAGS = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 };

/** The longest file name or comment in a gzip header, in bytes. */
const MAX_NAME_BYTES = 65_536;

/** Whether bytes start like gzip. Fewer than three bytes are compared as far as they go. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.byteLength > 0 && GZIP_MAGIC.every((byte, at) => at >= bytes.byteLength || bytes[at] === byte);
}

/**
 * Decodes gzip. Bytes after the end stay in the input. Node's own decoder fails on them, and loses the output so far.
 *
 * @throws UndecodableError
 */
export async function* gunzip(input: ByteReader): AsyncGenerator<Uint8Array> {
  do {
    await skipHeader(input);
    let checksum = 0;
    let size = 0;
    for await (const chunk of inflate(createInflateRaw(), input)) {
      checksum = crc32(chunk, checksum);
      size += chunk.byteLength;
      yield chunk;
    }
    const trailer = await input.take(TRAILER_BYTES);
    if (trailer.byteLength < TRAILER_BYTES) throw new UndecodableError(DECODING_PROBLEMS.truncated);
    const view = new DataView(trailer.buffer, trailer.byteOffset);
    if (view.getUint32(0, true) !== checksum || view.getUint32(4, true) !== size % 2 ** 32) {
      throw new UndecodableError(DECODING_PROBLEMS.wrongChecksum);
    }
  } while (isWholeMagic(await input.peek(GZIP_MAGIC.length)));
}

const isWholeMagic = (bytes: Uint8Array): boolean => bytes.byteLength === GZIP_MAGIC.length && isGzip(bytes);

async function skipHeader(input: ByteReader): Promise<void> {
  const header = await input.take(HEADER_BYTES);
  const flags = header[3] ?? 0;
  if (header.byteLength < HEADER_BYTES) throw new UndecodableError(DECODING_PROBLEMS.truncated);
  if ((flags & FLAGS.reserved) !== 0) throw new UndecodableError(DECODING_PROBLEMS.wrongHeader);
  if ((flags & FLAGS.extra) !== 0) {
    const [low = 0, high = 0] = await input.take(2);
    await input.take(low + 256 * high);
  }
  if ((flags & FLAGS.name) !== 0) await skipText(input);
  if ((flags & FLAGS.comment) !== 0) await skipText(input);
  if ((flags & FLAGS.headerCrc) !== 0) await input.take(2);
}

async function skipText(input: ByteReader): Promise<void> {
  let skipped = 0;
  for (;;) {
    const chunk = await input.next();
    if (chunk === undefined) throw new UndecodableError(DECODING_PROBLEMS.truncated);
    const end = chunk.indexOf(0);
    if (end !== -1) return input.unread(chunk.subarray(end + 1));
    skipped += chunk.byteLength;
    if (skipped > MAX_NAME_BYTES) throw new UndecodableError(DECODING_PROBLEMS.wrongHeader);
  }
}

/**
 * Decodes on demand. Bytes after the end of the compressed stream stay in the input.
 *
 * @throws UndecodableError; also the errors of the input
 */
export async function* inflate(
  engine: InflateRaw | Inflate | BrotliDecompress,
  input: ByteReader,
): AsyncGenerator<Uint8Array> {
  let written = 0;
  let last: Uint8Array = new Uint8Array();
  let inputFailure: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  engine.once('close', () => wake());
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      // A destroyed decoder does not call back.
      wake = resolve;
      engine.write(bytes, () => resolve());
    });
  const feed = async (): Promise<void> => {
    // `bytesWritten` counts consumed bytes. Unconsumed ones come after the end of the compressed stream.
    while (!engine.destroyed && engine.bytesWritten === written) {
      const chunk = await input.next();
      if (chunk === undefined) {
        engine.end();
        return;
      }
      written += chunk.byteLength;
      last = chunk;
      await write(chunk);
    }
  };
  feed().catch((error: unknown) => {
    inputFailure = { error };
    engine.destroy();
  });
  try {
    for await (const output of engine) if (output instanceof Uint8Array) yield output;
  } catch (error) {
    if (inputFailure !== undefined) throw inputFailure.error;
    throw new UndecodableError(error instanceof Error ? error.message : String(error), { cause: error });
  } finally {
    engine.destroy();
  }
  input.unread(last.subarray(last.byteLength - (written - engine.bytesWritten)));
}
