import { expect, it } from 'vitest';
import { parseRetryAfter } from '../../src/protocol/retry-after.js';

const now = Date.UTC(1994, 10, 6, 8, 49, 7, 500);

it.each([
  ['120', 120],
  ['0', 0],
  [' 7 ', 7],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 30],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 30],
  ['Sun Nov  6 08:49:37 1994', 30],
  ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ['', undefined],
  [null, undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['Sunday', undefined],
  ['Sun, 99 Nov 1994 08:49:37 GMT', undefined],
  ['9'.repeat(30), Number.MAX_SAFE_INTEGER],
])('S3 Retry-After %j means %s seconds', (header, seconds) => {
  expect(parseRetryAfter(header, now)).toBe(seconds);
});
