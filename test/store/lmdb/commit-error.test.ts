import { describe, expect, test } from 'vitest';
import { commitErrorOf } from '../../../src/store/lmdb/commit-error.js';

describe('commitErrorOf', () => {
  test('returns the reason from the promise attached to the error', async () => {
    const reason = new Error('No space left on device');
    const error = Object.assign(new Error('Commit failed'), { commitError: Promise.reject(reason) });
    expect(await commitErrorOf(error)).toBe(reason);
  });

  test('returns the error itself when no promise is attached, or that promise gives no reason', async () => {
    const error = new Error('Database is closed');
    expect(await commitErrorOf(error)).toBe(error);
    const errorWithoutReason = Object.assign(new Error('Commit failed'), { commitError: Promise.resolve() });
    expect(await commitErrorOf(errorWithoutReason)).toBe(errorWithoutReason);
  });
});
