import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.js';
import { toStoreError } from '../../src/store/store-error.js';

describe('toStoreError', () => {
  test('keeps the message, and a cause that does not contain the password', () => {
    const cause = new Error('refused');
    const error = toStoreError('It could not be opened', cause, ['hush']);
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_STORE', message: 'It could not be opened: refused', cause });
  });

  test('masks the password in the message, and drops a cause that contains it', () => {
    const error = toStoreError('It could not be opened', new Error('no user me:hush'), ['hush']);
    expect(error.message).toBe('It could not be opened: no user me:***');
    expect(error.cause).toBeUndefined();
  });

  test.each([
    [
      'ECONNREFUSED ::1; ECONNREFUSED',
      new AggregateError([new Error('ECONNREFUSED ::1'), codeOnly('ECONNREFUSED')], ''),
    ],
    ['TypeError', new TypeError('')],
    ['just text', 'just text'],
  ])('gives "%s" as reason when the cause has no message', (reason, cause) => {
    expect(toStoreError('Failed', cause).message).toBe(`Failed: ${reason}`);
  });

  test('returns an error of this package unchanged', () => {
    const error = new ConfigurationError('wrong');
    expect(toStoreError('Failed', error)).toBe(error);
  });
});

function codeOnly(code: string): Error {
  return Object.assign(new Error(''), { code });
}
