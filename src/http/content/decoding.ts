import { KeyedMutex } from '../../engine/keyed-mutex.js';
import { decodeContent, type DecodeResult } from '../../protocol/encoding/content-encoding.js';
import type { BodyLimits } from '../callback-request.js';

/** Milliseconds a decoding may take: the handler and the store need time before the hub gives up, too. */
const MAX_DECODE_MS = 3_000;

/** Bytes that every body may come to at once. Larger ones of a grant go one after another. */
const SMALL_BYTES = 64 * 1024;

const grantMutex = new KeyedMutex();

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
): Promise<DecodeResult> {
  const end = performance.now() + MAX_DECODE_MS;
  let isEvicted = false;
  let stopWaiting = (): void => {};
  const reservation = inFlight.reserve(grantId, () => {
    isEvicted = true;
    stopWaiting();
  });
  let releaseLock: (() => void) | undefined;
  /** Resolves when the turn has come, or the body was cut off. */
  const acquireLock = (): Promise<void> =>
    new Promise((resolve) => {
      stopWaiting = resolve;
      const begin = (): Promise<void> =>
        new Promise((ended) => {
          if (isEvicted) ended();
          else releaseLock = ended;
          resolve();
        });
      void grantMutex.runExclusive(grantId, begin);
    });
  reservation.update(raw.byteLength);
  try {
    return await decodeContent(raw, codings, maxBodyBytes, async (bytes) => {
      if (bytes > SMALL_BYTES && releaseLock === undefined) await acquireLock();
      reservation.update(raw.byteLength + bytes);
      return !isEvicted && performance.now() < end;
    });
  } finally {
    releaseLock?.();
    reservation.release();
  }
}
