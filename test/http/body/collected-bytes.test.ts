import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CollectedBytes } from '../../../src/http/body/collected-bytes.js';

test('a single chunk is kept without a copy', () => {
  const collected = new CollectedBytes();
  expect(collected.bytes()).toHaveLength(0);
  const chunk = Buffer.from('news');
  collected.add(chunk);
  collected.add(Buffer.alloc(0));
  expect(collected.size).toBe(4);
  expect(collected.bytes()).toBe(chunk);
});

test('several chunks are joined, and none is modified', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.nat({ max: 2_000 }), (chunks, announcedSize) => {
      const whole = Buffer.concat(chunks);
      const collected = new CollectedBytes(announcedSize);
      // Each chunk is part of a larger buffer, which must not be modified.
      const views = chunks.map((chunk) => Buffer.concat([chunk, Buffer.alloc(100)]).subarray(0, chunk.length));
      for (const chunk of views) collected.add(chunk);
      expect(collected.size).toBe(whole.length);
      expect(Buffer.from(collected.bytes()).equals(whole)).toBe(true);
      expect(Buffer.concat(views).equals(whole)).toBe(true);
      for (const chunk of views)
        expect(new Uint8Array(chunk.buffer, chunk.byteOffset + chunk.length, 100)).toEqual(new Uint8Array(100));
    }),
  );
});

test('the buffer is at most twice as large as its content', () => {
  const collected = new CollectedBytes();
  for (let count = 0; count < 100_000; count += 1) collected.add(Buffer.of(count & 255));
  const bytes = collected.bytes();
  expect(bytes).toHaveLength(100_000);
  expect(bytes.buffer.byteLength).toBeLessThanOrEqual(200_000);
});

test('the buffer has the announced size once enough bytes have arrived', () => {
  const collected = new CollectedBytes(1 << 20);
  const chunks = Array.from({ length: 16 }, (_, index) => Buffer.alloc(1 << 16, index));
  for (const chunk of chunks.slice(0, 2)) collected.add(chunk);
  const buffer = collected.bytes().buffer;
  for (const chunk of chunks.slice(2)) collected.add(chunk);
  expect(collected.bytes().buffer).toBe(buffer);
  expect(buffer.byteLength).toBe(1 << 20);
  expect(Buffer.concat(chunks).equals(Buffer.from(collected.bytes()))).toBe(true);
});

test('an announced size takes no memory before its bytes arrive', () => {
  const collected = new CollectedBytes(1 << 30);
  for (let count = 0; count < 100; count += 1) collected.add(Buffer.of(count));
  // Small buffers share a pool, which some versions of Node.js make a little larger than Buffer.poolSize.
  const pool = Buffer.allocUnsafe(1).buffer.byteLength;
  expect(collected.bytes().buffer.byteLength).toBeLessThanOrEqual(Math.max(32 * 100, pool));
});

test.each([Number.NaN, -1, 3])('a wrong announced size (%s) does not change the bytes', (announcedSize) => {
  const collected = new CollectedBytes(announcedSize);
  for (let count = 0; count < 5; count += 1) collected.add(Buffer.of(count));
  expect([...collected.bytes()]).toEqual([0, 1, 2, 3, 4]);
});
