import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { contentCodings, decodeContent, decodeChunks } from '../../../src/protocol/encoding/content-encoding.js';
import { UndecodableError } from '../../../src/protocol/encoding/inflate.js';

const PLAIN = Buffer.from('the news of the day, the news of the day, the news of the day');
const CAP = 1 << 20;

const decodedText = async (body: Uint8Array, codings: readonly string[], cap = CAP): Promise<unknown> => {
  const result = await decodeContent(body, codings, cap);
  return 'bytes' in result ? Buffer.from(result.bytes).toString() : result.problem;
};

async function* inChunks(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += size) yield body.subarray(at, at + size);
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

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
    expect(await decodedText(body, [coding])).toBe(PLAIN.toString());
  });

  test('with the last coding first', async () => {
    expect(await decodedText(brotliCompressSync(gzipSync(PLAIN)), ['gzip', 'br'])).toBe(PLAIN.toString());
    expect(await decodedText(gzipSync(brotliCompressSync(PLAIN)), ['br', 'gzip'])).toBe(PLAIN.toString());
  });

  test('from several gzip members', async () => {
    expect(await decodedText(Buffer.concat([gzipSync('one '), gzipSync('two')]), ['gzip'])).toBe('one two');
  });

  test('to empty content when it is empty', async () => {
    expect(await decodedText(Buffer.alloc(0), ['gzip'])).toBe('');
    expect(await decodedText(gzipSync(''), ['gzip'])).toBe('');
  });

  test('within the limit, to the byte, in every layer', async () => {
    const body = gzipSync(PLAIN);
    expect(await decodedText(body, ['gzip'], PLAIN.length)).toBe(PLAIN.toString());
    expect(await decodedText(body, ['gzip'], PLAIN.length - 1)).toBe('too-large');
    expect(await decodedText(brotliCompressSync(Buffer.alloc(CAP + 1)), ['br'])).toBe('too-large');
    expect(await decodedText(deflateSync(Buffer.alloc(CAP + 1)), ['deflate'])).toBe('too-large');
    expect(await decodedText(deflateRawSync(Buffer.alloc(CAP + 1)), ['deflate'])).toBe('too-large');
    const inner = gzipSync(Buffer.alloc(100 * CAP));
    expect(await decodedText(gzipSync(inner), ['gzip', 'gzip'], inner.length - 1)).toBe('too-large');
    expect(await decodedText(gzipSync(inner), ['gzip', 'gzip'])).toBe('too-large');
  });
});

const TEXTS = [
  ['prose', PLAIN],
  ['an Atom feed', Buffer.from('<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"/>')],
  ['a JSON Feed', Buffer.from('{"version":"https://jsonfeed.org/version/1.1","title":"新聞","items":[]}')],
  ['a JSON array', Buffer.from('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]')],
  ['text that begins like zlib', Buffer.from('x^2 + y^2 = z^2 is what this feed is about')],
  ['a long text', Buffer.from('<rss>'.padEnd(200_000, ' news'))],
  ['a word', Buffer.from('news')],
  ['a letter', Buffer.of(0x78)],
  ['a character of two bytes', Buffer.from('é')],
] as const;

const WRONG_CODINGS = [
  ['gzip'],
  ['x-gzip'],
  ['deflate'],
  ['br'],
  ['zstd'],
  ['gzip', 'gzip'],
  ['gzip', 'br', 'deflate'],
];

describe('D14 content that was never coded is returned unchanged', () => {
  test.each(TEXTS.flatMap(([text, body]) => WRONG_CODINGS.map((codings) => ({ text, body, codings }))))(
    'if it is $text, despite the Content-Encoding $codings',
    async ({ body, codings }) => {
      expect(await decodedText(body, codings)).toBe(body.toString());
    },
  );

  test('if it is not text, unless the coding is deflate or br, which have no magic number', async () => {
    const binary = Buffer.of(0xff, 0xd8, 0xff, 0xe0, 0, 0x10);
    expect(await decodeContent(binary, ['gzip'], CAP)).toEqual({ bytes: binary });
    expect(await decodedText(binary, ['deflate'])).toBe('undecodable');
    expect(await decodedText(binary, ['br'])).toBe('undecodable');
  });

  test('without a copy', async () => {
    const decoding = await decodeContent(PLAIN, ['gzip'], CAP);
    expect('bytes' in decoding && decoding.bytes).toBe(PLAIN);
  });

  test('inside a layer that is really coded', async () => {
    expect(await decodedText(gzipSync(PLAIN), ['gzip', 'gzip'])).toBe(PLAIN.toString());
  });
});

describe('D14 the first bytes tell gzip from zlib', () => {
  test.each([
    ['gzip', deflateSync(PLAIN)],
    ['deflate', gzipSync(PLAIN)],
  ])('despite Content-Encoding %s', async (coding, body) => {
    expect(await decodedText(body, [coding])).toBe(PLAIN.toString());
  });
});

const CODERS = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
] as const;

describe('D14 bytes after the end of the coded content are dropped', () => {
  const garbage = ['\n', '<!-- cached -->', '\u0000\u0000\u0000', '\u001f', 'x'.repeat(100_000)];
  const cases = CODERS.flatMap(([coding, encode]) => garbage.map((trailing) => ({ coding, encode, trailing })));

  test.each(cases)('in a body with the coding $coding', async ({ coding, encode, trailing }) => {
    const body = Buffer.concat([encode(PLAIN), Buffer.from(trailing)]);
    expect(await decodedText(body, [coding])).toBe(PLAIN.toString());
  });

  test('in a body with several gzip members', async () => {
    const body = Buffer.concat([gzipSync('one '), gzipSync('two'), Buffer.from('three')]);
    expect(await decodedText(body, ['gzip'])).toBe('one two');
  });
});

/** A gzip file whose header has every optional field. */
function gzipWithAllFields(body: Buffer): Buffer {
  const plain = gzipSync(body);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 0x1e;
  const fields = Buffer.from('\u0003\u0000abcfile.xml\u0000a comment\u0000\u0000\u0000', 'latin1');
  return Buffer.concat([header, fields, plain.subarray(10)]);
}

describe('D14 a body that arrives in chunks', () => {
  const sources = [
    ...CODERS.map(([coding, encode]) => ({ coding, body: encode(PLAIN) })),
    { coding: 'gzip', body: gzipWithAllFields(PLAIN) },
    { coding: 'gzip', body: Buffer.concat([gzipSync('the news of the day'), gzipSync(PLAIN.subarray(19))]) },
    { coding: 'gzip', body: PLAIN },
    { coding: 'br', body: PLAIN },
  ];

  test.each(sources)('is decoded with chunks of any size ($coding)', async ({ coding, body }) => {
    for (const size of [1, 2, 3, 7, 64, 1000]) {
      for (const trailing of ['', 'behind']) {
        const whole = Buffer.concat([body, Buffer.from(body === PLAIN ? '' : trailing)]);
        // oxlint-disable-next-line no-await-in-loop
        expect(await textOf(decodeChunks(inChunks(whole, size), [coding], CAP))).toBe(PLAIN.toString());
      }
    }
  });

  test('is read only on demand', async () => {
    let yieldCount = 0;
    const random = randomBytes(64 * 1024);
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield gzipSync(random).subarray(0, -8);
      for (;;) {
        yieldCount += 1;
        yield random;
      }
    }
    for await (const chunk of decodeChunks(endless(), ['gzip'], CAP)) {
      expect(chunk.byteLength).toBeGreaterThan(0);
      break;
    }
    expect(yieldCount).toBeLessThan(3);
  });

  test('yields its output up to the truncation, and then fails', async () => {
    const truncatedBody = gzipSync(randomBytes(100_000)).subarray(0, 50_000);
    let size = 0;
    const reading = (async () => {
      for await (const chunk of decodeChunks(inChunks(truncatedBody, 10_000), ['gzip'], CAP)) size += chunk.byteLength;
    })();
    await expect(reading).rejects.toThrow(UndecodableError);
    expect(size).toBeGreaterThan(10_000);
  });

  test('fails with the error of its source', async () => {
    async function* brokenSource(): AsyncGenerator<Uint8Array> {
      yield gzipSync(PLAIN).subarray(0, 30);
      throw new Error('reset');
    }
    await expect(textOf(decodeChunks(brokenSource(), ['gzip'], CAP))).rejects.toThrow('reset');
  });

  test('is limited in size between two codings', async () => {
    const bomb = gzipSync(gzipSync(randomBytes(CAP)));
    await expect(textOf(decodeChunks(inChunks(bomb, 1000), ['gzip', 'gzip'], CAP / 2))).rejects.toThrow(
      'after the first decoding',
    );
  });

  test('fails when a name in its gzip header never ends', async () => {
    const header = Buffer.from(gzipSync('').subarray(0, 10));
    header[3] = 0x08;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield header;
      for (;;) yield Buffer.alloc(10_000, 'a');
    }
    await expect(textOf(decodeChunks(endless(), ['gzip'], CAP))).rejects.toThrow('header');
  });
});

describe('C6 content is not decoded', () => {
  const gzipped = gzipSync(PLAIN);
  const wrongChecksum = Buffer.concat([gzipped.subarray(0, -8), Buffer.alloc(4), gzipped.subarray(-4)]);
  const cases: readonly (readonly [string, Uint8Array, readonly string[]])[] = [
    ...CODERS.map(([coding, encode]) => [`is truncated ${coding}`, encode(PLAIN).subarray(0, -3), [coding]] as const),
    ['has a wrong checksum', wrongChecksum, ['gzip']],
    ['is part of a header', gzipSync(PLAIN).subarray(0, 2), ['gzip']],
    ['has an unknown coding', gzipSync(PLAIN), ['compress']],
    ['has more than two layers', gzipSync(gzipSync(gzipSync(PLAIN))), ['gzip', 'gzip', 'gzip']],
  ];

  test.each(cases)('when it %s', async (_name, body, codings) => {
    expect(await decodedText(body, codings)).toBe('undecodable');
  });
});
