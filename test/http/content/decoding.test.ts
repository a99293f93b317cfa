import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeBody } from '../../../src/http/content/decoding.js';
import { InFlightBytes } from '../../../src/http/body/in-flight-bytes.js';

const MEBIBYTE = 1 << 20;

/** Bytes in flight that record their maximum. */
function setUp(maxInFlightBytes: number) {
  const inFlight = new InFlightBytes({ maxInFlightBytes, maxBodyBytes: MEBIBYTE });
  let maxBytes = 0;
  const reserve = inFlight.reserve.bind(inFlight);
  inFlight.reserve = (grantId, evict) => {
    const reservation = reserve(grantId, evict);
    return {
      release: () => reservation.release(),
      update(bytes) {
        reservation.update(bytes);
        maxBytes = Math.max(maxBytes, inFlight.bytes);
      },
    };
  };
  return { limits: { maxBodyBytes: MEBIBYTE, bodyTimeoutMs: 1, inFlight }, maxBytes: () => maxBytes };
}

test.each([
  ['gzip', gzipSync(Buffer.alloc(MEBIBYTE))],
  ['br', brotliCompressSync(Buffer.alloc(MEBIBYTE))],
])('C6 bodies of %s decoded at the same time never exceed the limit of bytes in flight', async (coding, bomb) => {
  const { limits, maxBytes } = setUp(4 * MEBIBYTE);
  const decodings = Array.from({ length: 40 }, (_, grant) => decodeBody(bomb, [coding], limits, String(grant)));
  const results = await Promise.all(decodings);
  const complete = results.filter((result) => 'bytes' in result);
  const stopped = results.filter((result) => 'problem' in result && result.problem === 'stopped');
  expect(complete.length + stopped.length).toBe(40);
  expect(complete.length).toBeGreaterThan(0);
  expect(stopped.length).toBeGreaterThan(0);
  expect(maxBytes()).toBeLessThanOrEqual(4 * MEBIBYTE);
  expect(limits.inFlight.bytes).toBe(0);
});

test('C6 a single body of the maximum size is always decoded', async () => {
  const { limits } = setUp(MEBIBYTE);
  const body = gzipSync(Buffer.alloc(MEBIBYTE));
  const decoded = await decodeBody(body, ['gzip'], limits, 'grant');
  expect('bytes' in decoded && Buffer.alloc(MEBIBYTE).equals(decoded.bytes)).toBe(true);
  expect(limits.inFlight.bytes).toBe(0);
});
