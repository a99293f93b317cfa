import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeBody } from '../../../src/http/content/decoding.js';
import { InFlightBytes } from '../../../src/http/body/in-flight-bytes.js';

const MEBIBYTE = 1 << 20;

/** Bytes in flight that note the most that was ever held. */
function watched(maxInFlightBytes: number) {
  const inFlight = new InFlightBytes({ maxInFlightBytes, maxBodyBytes: MEBIBYTE });
  let most = 0;
  const hold = inFlight.reserve.bind(inFlight);
  inFlight.reserve = (grantId, cutOff) => {
    const held = hold(grantId, cutOff);
    return {
      release: () => held.release(),
      update(bytes) {
        held.update(bytes);
        most = Math.max(most, inFlight.bytes);
      },
    };
  };
  return { limits: { maxBodyBytes: MEBIBYTE, bodyTimeoutMs: 1, inFlight }, most: () => most };
}

test.each([
  ['gzip', gzipSync(Buffer.alloc(MEBIBYTE))],
  ['br', brotliCompressSync(Buffer.alloc(MEBIBYTE))],
])('C6 bodies of %s that are decoded at the same time hold no more than may be in flight', async (coding, bomb) => {
  const { limits, most } = watched(4 * MEBIBYTE);
  const decodings = Array.from({ length: 40 }, (_, grant) => decodeBody(bomb, [coding], limits, String(grant)));
  const decoded = await Promise.all(decodings);
  const whole = decoded.filter((each) => 'bytes' in each);
  const cutOff = decoded.filter((each) => 'problem' in each && each.problem === 'given-up');
  expect(whole.length + cutOff.length).toBe(40);
  expect(whole.length).toBeGreaterThan(0);
  expect(cutOff.length).toBeGreaterThan(0);
  expect(most()).toBeLessThanOrEqual(4 * MEBIBYTE);
  expect(limits.inFlight.bytes).toBe(0);
});

test('C6 a body that is alone is decoded, however little may be in flight', async () => {
  const { limits } = watched(MEBIBYTE);
  const body = gzipSync(Buffer.alloc(MEBIBYTE));
  const decoded = await decodeBody(body, ['gzip'], limits, 'grant');
  expect('bytes' in decoded && Buffer.alloc(MEBIBYTE).equals(decoded.bytes)).toBe(true);
  expect(limits.inFlight.bytes).toBe(0);
});
