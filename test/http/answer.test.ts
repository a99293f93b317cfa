import { describe, expect, test } from 'vitest';
import { acknowledgement, confirmation, errorAnswer, unavailable } from '../../src/http/answer.js';

describe('the additions of a service to an answer', () => {
  test.each([
    ['headers of a redirect', { location: '/', Refresh: '0; url=/' }],
    ['cookies', { 'Set-Cookie': ['a=b', 'c=d'] }],
    [
      'headers that change the framing',
      { 'content-length': '1', 'transfer-encoding': 'chunked', trailer: 'x', connection: 'close' },
    ],
    [
      'headers that change the type of the content',
      { 'content-type': 'text/html', 'content-encoding': 'gzip', upgrade: 'h2c' },
    ],
    [
      'names and values that no header can carry',
      { 'a b': 'c', '': 'c', x: 'a\r\nb', y: '潮', z: '\u0001', zz: ['fine', '\u0000'] },
    ],
    ['values of a wrong type', { a: undefined, b: null, c: 1, d: [1], e: {} }],
  ])('do not include %s', (_case, headers) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- headers from untyped code
    const untypedHeaders = headers as unknown as Record<string, string>;
    expect(acknowledgement(202, { headers: untypedHeaders }).headers).toEqual({ 'cache-control': 'no-store' });
    expect(confirmation('c', untypedHeaders).headers).toEqual(confirmation('c').headers);
    expect(errorAnswer(404, 'no', { headers: untypedHeaders }).headers).toEqual(errorAnswer(404, 'no').headers);
  });

  test('include every other header, in lower case, with several values', () => {
    const headers = { 'X-One': 'ü', 'x-two': ['1', '2'], ETag: '"a"' };
    expect(acknowledgement(202, { headers }).headers).toEqual({
      'x-one': 'ü',
      'x-two': ['1', '2'],
      etag: '"a"',
      'cache-control': 'no-store',
    });
  });

  test('include a body, form-encoded in UTF-8', () => {
    expect(acknowledgement(200, { body: { a: 'no & never = ü\r\n', more: '1+1' } })).toMatchObject({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=no+%26+never+%3D+%C3%BC%0D%0A&more=1%2B1',
    });
    expect(acknowledgement(200, { body: {} }).body).toBe('');
    expect(acknowledgement(200, undefined)).toMatchObject({ status: 200, body: '' });
  });
});

test('an error answer has its reason first, and a service may replace the reason', () => {
  expect(errorAnswer(404, 'no', { body: { more: 'x' } }).body).toBe('reason=no&more=x');
  expect(errorAnswer(404, 'no', { body: { reason: 'never' } }).body).toBe('reason=never');
});

test('a 503 has a Retry-After header', () => {
  expect(unavailable('later', 30)).toMatchObject({
    status: 503,
    headers: { 'retry-after': '30' },
    body: 'reason=later',
  });
});
