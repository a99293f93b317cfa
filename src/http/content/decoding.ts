import { Turns } from '../../engine/keyed-mutex.js';
import { decodeContent, type Decoded } from '../../protocol/encoding/content-encoding.js';
import type { BodyLimits } from '../callback-request.js';

/** Milliseconds a decoding may take: the handler and the store need time before the hub gives up, too. */
const LONGEST_MS = 3_000;

/** Bytes that every body may come to at once. Larger ones of a grant go one after another. */
const SMALL_BYTES = 64 * 1024;

const turns = new Turns();

/**
 * Undoes the codings of a body that was read. The bytes it holds count as in flight, and it may be cut off for others.
 *
 * @param grantId whom the bytes are counted for
 */
export async function decodeBody(
  raw: Uint8Array,
  codings: readonly string[],
  { maxBodyBytes, inFlight }: BodyLimits,
  grantId: string,
): Promise<Decoded> {
  const end = performance.now() + LONGEST_MS;
  let isCutOff = false;
  let isWaiting = (): void => {};
  const hold = inFlight.hold(grantId, () => {
    isCutOff = true;
    isWaiting();
  });
  let endTurn: (() => void) | undefined;
  /** Resolves when the turn has come, or the body was cut off. */
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      isWaiting = resolve;
      const begin = (): Promise<void> =>
        new Promise((ended) => {
          if (isCutOff) ended();
          else endTurn = ended;
          resolve();
        });
      void turns.take(grantId, begin);
    });
  hold.progress(raw.byteLength);
  try {
    return await decodeContent(raw, codings, maxBodyBytes, async (bytes) => {
      if (bytes > SMALL_BYTES && endTurn === undefined) await turn();
      hold.progress(raw.byteLength + bytes);
      return !isCutOff && performance.now() < end;
    });
  } finally {
    endTurn?.();
    hold.release();
  }
}
