import { KeyedMutex } from '../../engine/keyed-mutex.js';
import { decodeContent, type DecodeResult } from '../../protocol/encoding/content-encoding.js';
import type { BodyLimits } from '../callback-request.js';

/** Maximum milliseconds of decoding: the handler and the store also need time before the hub stops waiting. */
const MAX_DECODE_MS = 3_000;

/** Decoded bytes up to which the bodies of a grant are decoded at the same time. Larger ones are decoded one by one. */
const SMALL_BYTES = 64 * 1024;

const grantMutex = new KeyedMutex();

/**
 * Decodes a body that has content codings, such as gzip. The body counts as in flight, and may be evicted.
 *
 * @param grantId the grant that the bytes are counted for
 */
export async function decodeBody(
  raw: Uint8Array,
  codings: readonly string[],
  { maxBodyBytes, inFlight }: BodyLimits,
  grantId: string,
): Promise<DecodeResult> {
  const deadline = performance.now() + MAX_DECODE_MS;
  let isEvicted = false;
  let stopWaiting = (): void => {};
  const reservation = inFlight.reserve(grantId, () => {
    isEvicted = true;
    stopWaiting();
  });
  let releaseLock: (() => void) | undefined;
  /** Resolves once this body has the lock or was evicted. */
  const acquireLock = (): Promise<void> =>
    new Promise((resolve) => {
      stopWaiting = resolve;
      const holdLock = (): Promise<void> =>
        new Promise((release) => {
          if (isEvicted) release();
          else releaseLock = release;
          resolve();
        });
      void grantMutex.runExclusive(grantId, holdLock);
    });
  reservation.update(raw.byteLength);
  try {
    return await decodeContent(raw, codings, maxBodyBytes, async (bytes) => {
      if (bytes > SMALL_BYTES && releaseLock === undefined) await acquireLock();
      reservation.update(raw.byteLength + bytes);
      return !isEvicted && performance.now() < deadline;
    });
  } finally {
    releaseLock?.();
    reservation.release();
  }
}
