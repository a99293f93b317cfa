import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../../src/errors.js';
import { metadata, METADATA_BYTES_LIMIT } from '../../../../src/runtime/config/checks/metadata-check.js';

const place = { subject: 'subscribe() for service "News"', field: 'metadata' };

describe('metadata', () => {
  it('is a copy of strings by name, also of the names that objects inherit', () => {
    const given = { user: '7', constructor: 'a', toString: 'b', '1': 'c' };
    const checked = metadata(given, place);
    expect(checked).toEqual(given);
    expect(checked).not.toBe(given);
    expect(Object.isFrozen(checked)).toBe(true);
    expect(metadata(Object.assign(Object.create(null), { a: 'b' }), place)).toEqual({ a: 'b' });
  });

  it('may have 4,096 bytes of UTF-8 over names and values, and not one more', () => {
    const most = { näme: 'x'.repeat(METADATA_BYTES_LIMIT - 5 - 2), b: 'c' };
    expect(metadata(most, place)).toEqual(most);
    expect(() => metadata({ ...most, b: 'cd' }, place)).toThrow(ConfigurationError);
    expect(() => metadata({ ...most, b: 'cd' }, place)).toThrow(
      /^subscribe\(\) for service "News": metadata is 4097 bytes of UTF-8, names and values together; it must be 4096 bytes at most/,
    );
    expect(() => metadata({ a: 'ü'.repeat(2_048) }, place)).toThrow(/is 4097 bytes/);
  });

  it.each([
    ['a string', /metadata is a string; it must be a plain object of strings by name/],
    [['a'], /metadata is an array/],
    [new Map([['a', 'b']]), /metadata is an object; it must be a plain object/],
    [{ user: 7 }, /metadata\.user is a number; it must be a string/],
    [{ user: undefined }, /metadata\.user is undefined; it must be a string/],
    [JSON.parse('{"__proto__":"x"}'), /metadata has the name __proto__, which JavaScript reserves/],
  ])('is refused where it is %j', (value, message) => {
    expect(() => metadata(value, place)).toThrow(message);
  });

  it('shows no value and no long name in an error', () => {
    const name = 'n'.repeat(10_000);
    expect(() => metadata({ [name]: { a: 'hidden' } }, place)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/hidden|n{101}/) }),
    );
  });
});
