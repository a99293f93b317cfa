import { deepStrictEqual } from 'node:assert';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeJson, encodeJson } from '../../src/store/json-codec.js';

const plainData = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => value + 0),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom('$bytes', '$$bytes', '__proto__', 'constructor')),
      tie('value'),
      {
        noNullPrototype: true,
      },
    ),
  ),
})).value;

describe('the JSON codec', () => {
  test('restores any plain data from ASCII text', () => {
    fc.assert(
      fc.property(plainData, (value) => {
        const text = encodeJson(value);
        expect(Buffer.byteLength(text)).toBe(text.length);
        deepStrictEqual(decodeJson(text), value);
      }),
    );
  });

  test('drops undefined properties, and stores undefined as null', () => {
    expect(decodeJson(encodeJson({ a: undefined, b: 1 }))).toStrictEqual({ b: 1 });
    expect(decodeJson(encodeJson(undefined))).toBeNull();
  });

  test('stores only the visible part of a view on a larger buffer', () => {
    expect(decodeJson(encodeJson(Buffer.from('abcdef').subarray(2, 4)))).toStrictEqual(new Uint8Array([99, 100]));
  });

  test.each([
    [{ at: new Date(0) }, 'value.at is a Date'],
    [{ list: [new Map()] }, 'value.list[0] is a Map'],
    [[Number.NaN], 'value[0] is NaN'],
    [{ n: 1n }, 'value.n is a bigint'],
    [() => 1, 'value is a function'],
  ])('refuses values that are not plain data, naming their path', (value, message) => {
    expect(() => encodeJson(value)).toThrow(message);
  });

  test.each(['{', '{"$bytes": 1}', '{"$bytes": "AA", "other": 1}'])('refuses text it did not write (%s)', (text) => {
    expect(() => decodeJson(text)).toThrow(/./);
  });
});
