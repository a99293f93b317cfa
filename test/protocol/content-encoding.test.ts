import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { contentCodings, decodeContent } from '../../src/protocol/content-encoding.js';

const PLAIN = Buffer.from('the news of the day, the news of the day, the news of the day');
const CAP = 1 << 20;

const decoded = async (body: Uint8Array, codings: readonly string[], cap = CAP): Promise<unknown> => {
  const result = await decodeContent(body, codings, cap);
  return 'bytes' in result ? Buffer.from(result.bytes).toString() : result.problem;
};

describe('the codings of a Content-Encoding', () => {
  test.each([
    [undefined, []],
    ['', []],
    ['identity', []],
    ['gzip', ['gzip']],
    [' GZip , identity,, br ', ['gzip', 'br']],
  ])('%j are %j', (header, codings) => {
    expect(contentCodings(header)).toEqual(codings);
  });
});

describe('C6 content is decoded', () => {
  test.each([
    ['gzip', gzipSync(PLAIN)],
    ['x-gzip', gzipSync(PLAIN)],
    ['deflate', deflateSync(PLAIN)],
    ['deflate', deflateRawSync(PLAIN)],
    ['br', brotliCompressSync(PLAIN)],
  ])('from %s', async (coding, body) => {
    expect(await decoded(body, [coding])).toBe(PLAIN.toString());
  });

  test('the last coding applied first', async () => {
    expect(await decoded(brotliCompressSync(gzipSync(PLAIN)), ['gzip', 'br'])).toBe(PLAIN.toString());
    expect(await decoded(brotliCompressSync(gzipSync(PLAIN)), ['br', 'gzip'])).toBe('undecodable');
  });

  test('from several gzip members', async () => {
    expect(await decoded(Buffer.concat([gzipSync('one '), gzipSync('two')]), ['gzip'])).toBe('one two');
  });

  test('to nothing where there is nothing', async () => {
    expect(await decoded(Buffer.alloc(0), ['gzip'])).toBe('');
    expect(await decoded(gzipSync(''), ['gzip'])).toBe('');
  });

  test('within the cap, to the byte, in every layer', async () => {
    const body = gzipSync(PLAIN);
    expect(await decoded(body, ['gzip'], PLAIN.length)).toBe(PLAIN.toString());
    expect(await decoded(body, ['gzip'], PLAIN.length - 1)).toBe('too-large');
    expect(await decoded(brotliCompressSync(Buffer.alloc(CAP + 1)), ['br'])).toBe('too-large');
    expect(await decoded(deflateSync(Buffer.alloc(CAP + 1)), ['deflate'])).toBe('too-large');
    expect(await decoded(deflateRawSync(Buffer.alloc(CAP + 1)), ['deflate'])).toBe('too-large');
    const inner = gzipSync(Buffer.alloc(100 * CAP));
    expect(await decoded(gzipSync(inner), ['gzip', 'gzip'], inner.length - 1)).toBe('too-large');
    expect(await decoded(gzipSync(inner), ['gzip', 'gzip'])).toBe('too-large');
  });
});

describe('C6 content is not decoded', () => {
  test.each([
    ['is not what its header says', PLAIN, ['gzip']],
    ['is cut off', gzipSync(PLAIN).subarray(0, -9), ['gzip']],
    ['is of an unknown coding', gzipSync(PLAIN), ['compress']],
    ['is in more than two layers', gzipSync(gzipSync(gzipSync(PLAIN))), ['gzip', 'gzip', 'gzip']],
    ['is not deflate', PLAIN, ['deflate']],
    ['is not brotli', PLAIN, ['br']],
    ['is a single byte', Buffer.of(0x78), ['deflate']],
  ])('where it %s', async (_what, body, codings) => {
    expect(await decoded(body, codings)).toBe('undecodable');
  });
});
