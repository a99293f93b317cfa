import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';

const gunzipBytes = promisify(gunzip);
const inflateBytes = promisify(inflate);
const inflateRawBytes = promisify(inflateRaw);
const brotliBytes = promisify(brotliDecompress);

/** A body taken out of its `Content-Encoding`, or why it could not be. */
export type Decoded = { readonly bytes: Uint8Array } | { readonly problem: 'undecodable' | 'too-large' };

/** The codings of a `Content-Encoding`, in the order they were applied; none for `identity`. */
export function contentCodings(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

/** Undoes gzip, deflate and br, the last one applied first, each within the cap. */
export async function decodeContent(body: Uint8Array, codings: readonly string[], maxBytes: number): Promise<Decoded> {
  // A ping without content, whatever its headers say.
  if (body.byteLength === 0) return { bytes: body };
  let bytes = body;
  // Each layer can blow up by a factor of a thousand: nobody honest sends more than two.
  if (codings.length > 2) return { problem: 'undecodable' };
  for (const coding of codings.toReversed()) {
    try {
      bytes = await decodeOne(bytes, coding, maxBytes);
    } catch (error) {
      return { problem: isTooLarge(error) ? 'too-large' : 'undecodable' };
    }
  }
  return { bytes };
}

async function decodeOne(bytes: Uint8Array, coding: string, maxOutputLength: number): Promise<Uint8Array> {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipBytes(bytes, { maxOutputLength });
    case 'deflate':
      // Meant is zlib's format; some senders leave its two-byte header out.
      return isZlib(bytes) ? inflateBytes(bytes, { maxOutputLength }) : inflateRawBytes(bytes, { maxOutputLength });
    case 'br':
      return brotliBytes(bytes, { maxOutputLength });
    default:
      throw new Error(`unknown content coding ${coding}`);
  }
}

function isZlib([cmf = 0, flg = 0]: Uint8Array): boolean {
  return (cmf & 0x0f) === 8 && ((cmf << 8) | flg) % 31 === 0;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
