import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** A body taken out of its `Content-Encoding`, or why it could not be; `given-up`: whoever watched it wanted no more. */
export type Decoded = { readonly bytes: Uint8Array } | { readonly problem: 'undecodable' | 'too-large' | 'given-up' };

/** The codings of a `Content-Encoding`, in the order they were applied; none for `identity`. */
export function contentCodings(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

/** Told how many bytes the decoding holds by now; answers whether it is to go on, and makes it wait by taking its time. */
export type OnDecoded = (bytes: number) => boolean | Promise<boolean>;

/** Undoes gzip, deflate and br, the last one applied first, each within the cap. */
export async function decodeContent(
  body: Uint8Array,
  codings: readonly string[],
  maxBytes: number,
  onDecoded: OnDecoded = () => true,
): Promise<Decoded> {
  // A ping without content, whatever its headers say.
  if (body.byteLength === 0) return { bytes: body };
  // Each layer can blow up by a factor of a thousand: nobody honest sends more than two.
  if (codings.length > 2) return { problem: 'undecodable' };
  let bytes = body;
  let before = 0;
  for (const coding of codings.toReversed()) {
    const engine = engineOf(coding, bytes);
    if (engine === undefined) return { problem: 'undecodable' };
    const decoded = await run(engine, bytes, async (size) => {
      if (size > maxBytes) return 'too-large';
      // Brotli keeps what it has decoded once more, as the window that it refers back to.
      return (await onDecoded(before + (coding === 'br' ? 2 * size : size))) ? undefined : 'given-up';
    });
    if ('problem' in decoded) return decoded;
    ({ bytes } = decoded);
    before = bytes.byteLength;
  }
  return { bytes };
}

function engineOf(coding: string, bytes: Uint8Array): Transform | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      // Meant is zlib's format; some senders leave its two-byte header out.
      return isZlib(bytes) ? createInflate() : createInflateRaw();
    case 'br':
      return createBrotliDecompress();
    default:
      return undefined;
  }
}

/** Decodes in pieces, so that it ends as soon as `problemOf` finds their size to be a problem. */
async function run(
  engine: Transform,
  bytes: Uint8Array,
  problemOf: (size: number) => Promise<'too-large' | 'given-up' | undefined>,
): Promise<Decoded> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  engine.end(bytes);
  try {
    for await (const piece of engine) {
      if (!(piece instanceof Uint8Array)) continue;
      size += piece.byteLength;
      const problem = await problemOf(size);
      // Leaving the loop destroys the engine.
      if (problem !== undefined) return { problem };
      pieces.push(piece);
    }
  } catch {
    return { problem: 'undecodable' };
  }
  return { bytes: Buffer.concat(pieces, size) };
}

function isZlib([cmf = 0, flg = 0]: Uint8Array): boolean {
  return (cmf & 0x0f) === 8 && ((cmf << 8) | flg) % 31 === 0;
}
