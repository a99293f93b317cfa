import { describe, expect, test } from 'vitest';
import { acceptedKeys } from '../../../src/http/content/accepted-keys.js';
import type { SecretRecord } from '../../../src/subscription/record/record.js';

const currentSecret: SecretRecord = { value: 'now', role: 'current' };
const replacedSecret: SecretRecord = { value: 'before', role: 'replaced', acceptedUntil: 2_000 };

function valuesOf(secrets: readonly SecretRecord[], now: number): readonly string[] {
  return acceptedKeys(secrets, now).keys.map((key) => key.export().toString());
}

describe('the keys that content may be signed with (V6)', () => {
  test('are the secrets that are accepted now, newest first', () => {
    expect(valuesOf([replacedSecret, currentSecret], 1_000)).toEqual(['now', 'before']);
    expect(acceptedKeys([replacedSecret, currentSecret], 1_000).unsigned).toBe(false);
    expect(acceptedKeys([], 1_000)).toMatchObject({ keys: [], unsigned: true });
    expect(acceptedKeys([{ value: null, role: 'current' }, replacedSecret], 1_000)).toMatchObject({ unsigned: true });
  });

  test('are created once for as long as they are valid', () => {
    const secrets = [replacedSecret, currentSecret];
    const keys = acceptedKeys(secrets, 1_000);
    expect(acceptedKeys(secrets, 1_000)).toBe(keys);
    expect(acceptedKeys(secrets, 1_999)).toBe(keys);
    expect(acceptedKeys([replacedSecret, currentSecret], 1_000)).not.toBe(keys);
  });

  test('lose a secret at the exact end of its validity, even if they are cached', () => {
    const secrets = [replacedSecret, currentSecret];
    expect(valuesOf(secrets, 1_999)).toEqual(['now', 'before']);
    expect(valuesOf(secrets, 2_000)).toEqual(['now']);
    expect(valuesOf(secrets, 3_000)).toEqual(['now']);
  });

  test('are created again if the clock was set back', () => {
    const secrets = [replacedSecret, currentSecret];
    expect(valuesOf(secrets, 3_000)).toEqual(['now']);
    expect(valuesOf(secrets, 1_000)).toEqual(['now', 'before']);
  });

  test('encode a secret as UTF-8', () => {
    expect(valuesOf([{ value: 'geheim-äöü-秘密', role: 'current' }], 0)).toEqual(['geheim-äöü-秘密']);
  });
});
