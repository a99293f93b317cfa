import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CollectedBytes } from '../../src/http/collected-bytes.js';

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
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (pieces) => {
      const whole = Buffer.concat(pieces);
      const collected = new CollectedBytes();
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
