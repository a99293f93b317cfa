import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeBody } from '../../../src/http/content/decoding.js';
import { InFlightBytes } from '../../../src/http/body/in-flight-bytes.js';

const MEBIBYTE = 1 << 20;

/** Bytes in flight that record their maximum. */
function setUp(maxInFlightBytes: number) {
  const inFlight = new InFlightBytes({ maxInFlightBytes, maxBodyBytes: MEBIBYTE });
  let max = 0;
  const reserve = inFlight.reserve.bind(inFlight);
  inFlight.reserve = (grantId, evict) => {
    const reservation = reserve(grantId, evict);
    return {
      release: () => reservation.release(),
      update(bytes) {
        reservation.update(bytes);
        max = Math.max(max, inFlight.bytes);
      },
    };
  };
  return { limits: { maxBodyBytes: MEBIBYTE, bodyTimeoutMs: 1, inFlight }, max: () => max };
}

test.each([
  ['gzip', gzipSync(Buffer.alloc(MEBIBYTE))],
  ['br', brotliCompressSync(Buffer.alloc(MEBIBYTE))],
])('C6 bodies of %s that are decoded at the same time never exceed the bytes in flight', async (coding, bomb) => {
  const { limits, max } = setUp(4 * MEBIBYTE);
  const decodings = Array.from({ length: 40 }, (_, grant) => decodeBody(bomb, [coding], limits, String(grant)));
  const decoded = await Promise.all(decodings);
  const complete = decoded.filter((each) => 'bytes' in each);
  const evicted = decoded.filter((each) => 'problem' in each && each.problem === 'stopped');
  expect(complete.length + evicted.length).toBe(40);
  expect(complete.length).toBeGreaterThan(0);
  expect(evicted.length).toBeGreaterThan(0);
  expect(max()).toBeLessThanOrEqual(4 * MEBIBYTE);
  expect(limits.inFlight.bytes).toBe(0);
});

test('C6 a single body is always decoded', async () => {
  const { limits } = setUp(MEBIBYTE);
  const body = gzipSync(Buffer.alloc(MEBIBYTE));
  const decoded = await decodeBody(body, ['gzip'], limits, 'grant');
  expect('bytes' in decoded && Buffer.alloc(MEBIBYTE).equals(decoded.bytes)).toBe(true);
  expect(limits.inFlight.bytes).toBe(0);
});
