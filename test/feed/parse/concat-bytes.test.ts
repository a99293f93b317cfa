import { expect, test } from 'vitest';
import { concatBytes } from '../../../src/feed/parse/concat-bytes.js';

const MIB = 1024 * 1024;

test('chunks are joined in order, into new memory', async () => {
  const firstChunk = Uint8Array.of(1, 2, 3);
  const whole = await concatBytes([firstChunk, Uint8Array.of(), Uint8Array.of(4)]);
  expect([...whole]).toEqual([1, 2, 3, 4]);
  firstChunk.fill(0);
  expect([...(await concatBytes([whole]))]).toEqual([1, 2, 3, 4]);
  expect(whole.buffer.byteLength).toBe(4);
  expect(await concatBytes([])).toHaveLength(0);
});

test('the event loop runs while megabytes are copied', async () => {
  const chunks = [0.5, 2.5, 0.7, 3].map((size, index) => new Uint8Array(size * MIB).fill(index + 1));
  let turns = 0;
  const count = (): void => {
    turns += 1;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const whole = await concatBytes(chunks);
  clearImmediate(immediate);
  expect(Buffer.compare(whole, Buffer.concat(chunks))).toBe(0);
  expect(turns).toBeGreaterThanOrEqual(5);
});
