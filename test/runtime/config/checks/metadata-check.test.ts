import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../../src/errors.js';
import { metadata, METADATA_BYTES_LIMIT } from '../../../../src/runtime/config/checks/metadata-check.js';

const place = { subject: 'subscribe() for service "News"', field: 'metadata' };

describe('metadata', () => {
  it('is copied, including names that objects inherit', () => {
    const value = { user: '7', constructor: 'a', toString: 'b', '1': 'c' };
    const checked = metadata(value, place);
    expect(checked).toEqual(value);
    expect(checked).not.toBe(value);
    expect(Object.isFrozen(checked)).toBe(true);
    expect(metadata(Object.assign(Object.create(null), { a: 'b' }), place)).toEqual({ a: 'b' });
  });

  it('has at most 4,096 bytes of UTF-8, names and values together', () => {
    const largest = { näme: 'x'.repeat(METADATA_BYTES_LIMIT - 5 - 2), b: 'c' };
    expect(metadata(largest, place)).toEqual(largest);
    expect(() => metadata({ ...largest, b: 'cd' }, place)).toThrow(ConfigurationError);
    expect(() => metadata({ ...largest, b: 'cd' }, place)).toThrow(
      /^subscribe\(\) for service "News": metadata is 4097 bytes of UTF-8, names and values together; it must be at most 4096 bytes/,
    );
    expect(() => metadata({ a: 'ü'.repeat(2_048) }, place)).toThrow(/is 4097 bytes/);
  });

  it.each([
    ['a string', /metadata is a string; it must be a plain object with string values/],
    [['a'], /metadata is an array/],
    [new Map([['a', 'b']]), /metadata is an object; it must be a plain object/],
    [{ user: 7 }, /metadata\.user is a number; it must be a string/],
    [{ user: undefined }, /metadata\.user is undefined; it must be a string/],
    [JSON.parse('{"__proto__":"x"}'), /metadata has the name __proto__, which JavaScript reserves/],
  ])('cannot be %j', (value, message) => {
    expect(() => metadata(value, place)).toThrow(message);
  });

  it('appears in errors without values, and with shortened names', () => {
    const name = 'n'.repeat(10_000);
    expect(() => metadata({ [name]: { a: 'hidden' } }, place)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/hidden|n{101}/) }),
    );
  });
});
