import { describe, expect, test } from 'vitest';
import { commitErrorOf } from '../../../src/store/lmdb/commit-error.js';

describe('why a commit failed', () => {
  test('is in the promise that comes with the error', async () => {
    const reason = new Error('No space left on device');
    const error = Object.assign(new Error('Commit failed'), { commitError: Promise.reject(reason) });
    expect(await commitErrorOf(error)).toBe(reason);
  });

  test('is the error itself where none comes, or nothing is in it', async () => {
    const error = new Error('Database is closed');
    expect(await commitErrorOf(error)).toBe(error);
    const empty = Object.assign(new Error('Commit failed'), { commitError: Promise.resolve() });
    expect(await commitErrorOf(empty)).toBe(empty);
  });
});
