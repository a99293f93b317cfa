import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CollectedBytes } from '../../../src/http/body/collected-bytes.js';

test('a single piece is kept as it is', () => {
  const collected = new CollectedBytes();
  expect(collected.bytes()).toHaveLength(0);
  const piece = Buffer.from('news');
  collected.add(piece);
  collected.add(Buffer.alloc(0));
  expect(collected.size).toBe(4);
  expect(collected.bytes()).toBe(piece);
});

test('several pieces are joined, and none is written into', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.nat({ max: 2_000 }), (pieces, announced) => {
      const whole = Buffer.concat(pieces);
      const collected = new CollectedBytes(announced);
      // What lies behind a piece in its memory is not ours.
      const given = pieces.map((piece) => Buffer.concat([piece, Buffer.alloc(100)]).subarray(0, piece.length));
      for (const piece of given) collected.add(piece);
      expect(collected.size).toBe(whole.length);
      expect(Buffer.from(collected.bytes()).equals(whole)).toBe(true);
      expect(Buffer.concat(given).equals(whole)).toBe(true);
      for (const piece of given)
        expect(new Uint8Array(piece.buffer, piece.byteOffset + piece.length, 100)).toEqual(new Uint8Array(100));
    }),
  );
});

test('the room is at most twice what is in it', () => {
  const collected = new CollectedBytes();
  for (let count = 0; count < 100_000; count += 1) collected.add(Buffer.of(count & 255));
  const bytes = collected.bytes();
  expect(bytes).toHaveLength(100_000);
  expect(bytes.buffer.byteLength).toBeLessThanOrEqual(200_000);
});

test('what was announced is the room that is made, once a part of it has come', () => {
  const collected = new CollectedBytes(1 << 20);
  const pieces = Array.from({ length: 16 }, (_, index) => Buffer.alloc(1 << 16, index));
  for (const piece of pieces.slice(0, 2)) collected.add(piece);
  const room = collected.bytes().buffer;
  for (const piece of pieces.slice(2)) collected.add(piece);
  expect(collected.bytes().buffer).toBe(room);
  expect(room.byteLength).toBe(1 << 20);
  expect(Buffer.concat(pieces).equals(Buffer.from(collected.bytes()))).toBe(true);
});

test('what was announced and does not come takes no room', () => {
  const collected = new CollectedBytes(1 << 30);
  for (let count = 0; count < 100; count += 1) collected.add(Buffer.of(count));
  // Small buffers share a pool, which some versions of Node.js make a little larger than Buffer.poolSize.
  const pool = Buffer.allocUnsafe(1).buffer.byteLength;
  expect(collected.bytes().buffer.byteLength).toBeLessThanOrEqual(Math.max(32 * 100, pool));
});

test.each([Number.NaN, -1, 3])('a length that is not true (%s) does no harm', (announced) => {
  const collected = new CollectedBytes(announced);
  for (let count = 0; count < 5; count += 1) collected.add(Buffer.of(count));
  expect([...collected.bytes()]).toEqual([0, 1, 2, 3, 4]);
});
