import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CollectedBytes } from '../../../src/http/body/collected-bytes.js';

const KIB = 1024;

/** A chunk with memory of its own. */
const chunkOf = (size: number, fill = 1): Uint8Array => new Uint8Array(size).fill(fill);

test('a single chunk is kept without a copy', () => {
  const collected = new CollectedBytes();
  expect(collected.bytes()).toHaveLength(0);
  const chunk = Buffer.from('news');
  collected.add(chunk);
  collected.add(Buffer.alloc(0));
  expect([collected.size, collected.capacity]).toEqual([4, 4]);
  expect(collected.bytes()).toBe(chunk);
});

test('chunks are joined in order when they are first asked for, and none is modified', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.integer({ min: 7_000, max: 20_000 }).map((size) => chunkOf(size, size)),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 30 }), fc.nat({ max: 200_000 }), (chunks, announcedSize) => {
      const whole = Buffer.concat(chunks);
      const collected = new CollectedBytes(announcedSize);
      // Each chunk is part of a larger buffer, which must not be modified.
      const views = chunks.map((each) => Buffer.concat([each, Buffer.alloc(100)]).subarray(0, each.length));
      for (const view of views) collected.add(view);
      expect(collected.size).toBe(whole.length);
      expect(Buffer.from(collected.bytes()).equals(whole)).toBe(true);
      expect(collected.bytes()).toBe(collected.bytes());
      expect(Buffer.concat(views).equals(whole)).toBe(true);
      for (const view of views)
        expect(new Uint8Array(view.buffer, view.byteOffset + view.length, 100)).toEqual(new Uint8Array(100));
    }),
  );
});

test('bytes that come after the chunks were joined are added to them', () => {
  const collected = new CollectedBytes();
  for (const text of ['a', 'b', 'c', 'd']) {
    collected.add(Buffer.from(text));
    if (text === 'b') collected.bytes();
  }
  expect(collected.bytes().toString()).toBe('abcd');
});

test('large chunks are kept as they came until they are joined', () => {
  const collected = new CollectedBytes(1024 * KIB);
  for (let index = 0; index < 16; index += 1) collected.add(chunkOf(64 * KIB, index));
  expect(collected.capacity).toBe(1024 * KIB);
  const bytes = collected.bytes();
  expect(bytes.buffer.byteLength).toBe(1024 * KIB);
  expect(collected.capacity).toBe(1024 * KIB);
  expect([bytes[0], bytes[64 * KIB], bytes[1024 * KIB - 1]]).toEqual([0, 1, 15]);
});

test('many small chunks take little more memory than their bytes', () => {
  for (const announced of [0, 100_000]) {
    const collected = new CollectedBytes(announced);
    for (let count = 0; count < 100_000; count += 1) collected.add(Buffer.of(count & 255));
    expect(collected.capacity).toBeLessThanOrEqual(100_000 + 64 * KIB);
    const bytes = collected.bytes();
    expect(bytes).toHaveLength(100_000);
    expect(bytes.buffer.byteLength).toBe(100_000);
    expect(bytes.every((byte, index) => byte === (index & 255))).toBe(true);
  }
});

test('small chunks between large ones take at most twice the memory of the bytes', () => {
  const collected = new CollectedBytes();
  for (let count = 0; count < 100; count += 1) {
    collected.add(chunkOf(8 * KIB, count));
    collected.add(Buffer.of(count));
  }
  expect(collected.capacity).toBeLessThanOrEqual(2 * 100 * 8 * KIB);
  expect(collected.bytes()).toHaveLength(100 * (8 * KIB + 1));
});

test('a large chunk that is a small part of its memory is copied', () => {
  const collected = new CollectedBytes();
  collected.add(chunkOf(1));
  const memory = new ArrayBuffer(1024 * KIB);
  for (let index = 0; index < 4; index += 1) collected.add(new Uint8Array(memory, index * 10 * KIB, 10 * KIB));
  expect(collected.capacity).toBeLessThanOrEqual(128 * KIB);
  expect(collected.bytes()).toHaveLength(40 * KIB + 1);
});

test('an announced size takes no memory before its bytes arrive', () => {
  const collected = new CollectedBytes(1 << 30);
  for (let count = 0; count < 100; count += 1) collected.add(Buffer.of(count));
  expect(collected.capacity).toBeLessThanOrEqual(2 * 32 * 100);
});

test.each([Number.NaN, -1, 3])('a wrong announced size (%s) does not change the bytes', (announcedSize) => {
  const collected = new CollectedBytes(announcedSize);
  for (let count = 0; count < 5; count += 1) collected.add(Buffer.of(count));
  expect([...collected.bytes()]).toEqual([0, 1, 2, 3, 4]);
});

test('dropped bytes take no memory', () => {
  const collected = new CollectedBytes();
  for (let count = 0; count < 5; count += 1) collected.add(chunkOf(10 * KIB));
  collected.clear();
  expect([collected.size, collected.capacity, collected.bytes().byteLength]).toEqual([0, 0, 0]);
});
