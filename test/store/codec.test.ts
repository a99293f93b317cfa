import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/errors.js';
import { decodeRecord, encodeRecord } from '../../src/store/codec.js';

const upgrades = {
  1: (data: unknown) => ({ two: data }),
  2: (data: unknown) => ({ three: data }),
};

describe('the record codec', () => {
  test('returns a record of the current version unchanged', () => {
    expect(decodeRecord(3, encodeRecord(3, { a: 1 }), upgrades, 'event e1')).toEqual({ a: 1 });
  });

  test('upgrades an older record one version at a time', () => {
    expect(decodeRecord(3, encodeRecord(1, 'x'), upgrades, 'event e1')).toEqual({ three: { two: 'x' } });
  });

  test('refuses a newer record with its version and the newest readable version, and does not change it', () => {
    const stored = Object.freeze(encodeRecord(4, 'x'));
    const read = (): unknown => decodeRecord(3, stored, upgrades, 'event e1');
    expect(read).toThrow(StoreError);
    expect(read).toThrow(/record event e1 has version 4; .* up to 3\./);
  });

  test.each([
    undefined,
    null,
    'text',
    7,
    [],
    {},
    { v: 1 },
    { data: 1 },
    { v: 0, data: 1 },
    { v: '1', data: 1 },
    { v: 1.5, data: 1 },
  ])('refuses a value that is not a versioned record (%j), naming its key', (raw) => {
    expect(() => decodeRecord(3, raw, upgrades, 'event e1')).toThrow(
      /^The record event e1 is corrupt: it has no valid version/,
    );
  });

  test('refuses a version without an upgrade, naming its key', () => {
    expect(() => decodeRecord(2, encodeRecord(1, 'x'), {}, 'meta m')).toThrow(
      /^The record meta m is corrupt: version 1 cannot be upgraded/,
    );
  });

  test('refuses a failing upgrade, naming its key, with the cause', () => {
    const cause = new TypeError('no hub');
    const failing = {
      1: () => {
        throw cause;
      },
    };
    expect(() => decodeRecord(2, encodeRecord(1, 'x'), failing, 'meta m')).toThrow(
      expect.objectContaining({
        code: 'ERR_WEBSUB_STORE',
        cause,
        message: expect.stringContaining('meta m is corrupt'),
      }),
    );
  });
});
