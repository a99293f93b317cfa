import { describe, expect, test } from 'vitest';
import { acknowledgement, confirmation, refusal, unavailable } from '../../src/http/answer.js';

describe('what a service adds to an answer', () => {
  test.each([
    ['what would make it a redirect', { location: '/', Refresh: '0; url=/' }],
    ['what would make it a cookie', { 'Set-Cookie': ['a=b', 'c=d'] }],
    [
      'what would frame it otherwise',
      { 'content-length': '1', 'transfer-encoding': 'chunked', trailer: 'x', connection: 'close' },
    ],
    [
      'what would say it is something else',
      { 'content-type': 'text/html', 'content-encoding': 'gzip', upgrade: 'h2c' },
    ],
    ['what no header can carry', { 'a b': 'c', '': 'c', x: 'a\r\nb', y: '潮', z: '\u0001', zz: ['fine', '\u0000'] }],
    ['what only a program without types could give', { a: undefined, b: null, c: 1, d: [1], e: {} }],
  ])('is not %s', (_what, headers) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as given by a program without types
    const given = headers as unknown as Record<string, string>;
    expect(acknowledgement(202, { headers: given }).headers).toEqual({ 'cache-control': 'no-store' });
    expect(confirmation('c', given).headers).toEqual(confirmation('c').headers);
    expect(refusal(404, 'no', { headers: given }).headers).toEqual(refusal(404, 'no').headers);
  });

  test('is every other header, in lower case, several values and all', () => {
    const headers = { 'X-One': 'ü', 'x-two': ['1', '2'], ETag: '"a"' };
    expect(acknowledgement(202, { headers }).headers).toEqual({
      'x-one': 'ü',
      'x-two': ['1', '2'],
      etag: '"a"',
      'cache-control': 'no-store',
    });
  });

  test('is a body, form-encoded in UTF-8', () => {
    expect(acknowledgement(200, { body: { a: 'no & never = ü\r\n', more: '1+1' } })).toMatchObject({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=no+%26+never+%3D+%C3%BC%0D%0A&more=1%2B1',
    });
    expect(acknowledgement(200, { body: {} }).body).toBe('');
    expect(acknowledgement(200, undefined)).toMatchObject({ status: 200, body: '' });
  });
});

test('a refusal gives its reason first, and a service may replace it', () => {
  expect(refusal(404, 'no', { body: { more: 'x' } }).body).toBe('reason=no&more=x');
  expect(refusal(404, 'no', { body: { reason: 'never' } }).body).toBe('reason=never');
});

test('what cannot be done now says when to come again', () => {
  expect(unavailable('later', 30)).toMatchObject({
    status: 503,
    headers: { 'retry-after': '30' },
    body: 'reason=later',
  });
});
