import { setImmediate as macrotask } from 'node:timers/promises';

/** After so many bytes others have their turn. */
const AT_ONCE = 1024 * 1024;

/** Pieces as one, in memory of its own. Copied part by part: to fill 10 MiB of fresh memory at once takes 30 ms. */
export async function joined(pieces: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(pieces.reduce((size, { byteLength }) => size + byteLength, 0));
  let copied = 0;
  let part = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.byteLength; from += AT_ONCE) {
      const next = piece.subarray(from, from + AT_ONCE);
      if (part + next.byteLength > AT_ONCE) {
        await macrotask();
        part = 0;
      }
      whole.set(next, copied + from);
      part += next.byteLength;
    }
    copied += piece.byteLength;
  }
  return whole;
}
