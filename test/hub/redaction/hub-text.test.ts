import { describe, expect, it } from 'vitest';
import { bytesToRead, callbackSecrets, hubTextRedactor, readBeginning } from '../../../src/hub/redaction/hub-text.js';

const streamOf = (...chunks: readonly (string | Uint8Array | Error)[]): ReadableStream<Uint8Array> => {
  const left = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else if (chunk instanceof Error) controller.error(chunk);
      else controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
    },
  });
};

describe("a hub's own words", () => {
  it('S3 lose control and formatting characters', () => {
    expect(hubTextRedactor([])(' a\r\n\u001b[31mb\u0000\u202e c\u2028\t d ')).toBe('a [31mb c d');
  });

  it('S3 are cut at 1 KiB, not through a character', () => {
    expect(hubTextRedactor([])('a'.repeat(1024))).toBe('a'.repeat(1024));
    expect(hubTextRedactor([])('a'.repeat(1025))).toBe(`${'a'.repeat(1024)}…`);
    expect(hubTextRedactor([])(`a${'é'.repeat(600)}`)).toBe(`a${'é'.repeat(511)}…`);
  });

  const secret = `s"é<&'>c \\ret/+`;
  it.each([
    ['as it is', secret],
    ['in another case', secret.toUpperCase()],
    ['form-encoded', new URLSearchParams({ s: secret }).toString().slice(2)],
    ['percent-encoded', encodeURIComponent(secret)],
    ['percent-encoded in lower case', encodeURIComponent(secret).toLowerCase()],
    ['in JSON', JSON.stringify(secret).slice(1, -1)],
    ['in HTML', 's&quot;é&lt;&amp;&#39;&gt;c \\ret/+'],
    ['in HTML, otherwise', 's&quot;é&lt;&amp;&#x27;&gt;c \\ret/+'],
  ])('lose a secret echoed %s', (_name, echoed) => {
    expect(hubTextRedactor([secret])(`bad: ${echoed}, ${echoed}!`)).toBe('bad: [redacted], [redacted]!');
  });

  it('lose every one of several secrets, whole', () => {
    expect(hubTextRedactor(['abc', 'abcdef', '', 'e'])('abcdef abc e [x]')).toBe(
      '[redacted] [redacted] [redacted] [x]',
    );
  });

  it('lose a secret that the cut goes through', async () => {
    const long = 'é'.repeat(99);
    const body = 'a'.repeat(1020) + encodeURIComponent(long);
    const read = await readBeginning(streamOf(body), bytesToRead([long]));
    expect(hubTextRedactor([long])(read)).toBe(`${'a'.repeat(1020)}[red…`);
  });

  it('may have half of a surrogate pair in a secret', () => {
    expect(hubTextRedactor(['a\ud800'])('x%61%ef%bf%bd a%EF%BF%BD')).toBe('x%61%ef%bf%bd [redacted]');
  });
});

describe('what a callback is reached by', () => {
  const token = 'abcdefghijklmnop';

  it.each([
    [`https://me.example.com/websub/${token}`, token],
    [`https://me.example.com/websub/${token}/?x=1`, token],
  ])('%s is its URL and its token', (callback, last) => {
    expect(callbackSecrets(callback)).toEqual([callback, last]);
  });

  it.each(['https://me.example.com/', 'https://me.example.com/websub/1', 'https://me.example.com/abcdefghijklmno'])(
    '%s is its URL alone',
    (callback) => {
      expect(callbackSecrets(callback)).toEqual([callback]);
    },
  );
});

describe('the beginning of a body', () => {
  it('is all of a short one', async () => {
    expect(await readBeginning(streamOf('ab', 'c'), 4)).toBe('abc');
    expect(await readBeginning(null, 4)).toBe('');
  });

  it('ends at the limit, and the rest is let go', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('abc')),
      cancel: () => {
        cancelled = true;
      },
    });
    expect(await readBeginning(endless, 4)).toBe('abca');
    expect(cancelled).toBe(true);
  });

  it('ends where the body breaks off', async () => {
    expect(await readBeginning(streamOf('ab', new Error('broken')), 4)).toBe('ab');
  });

  it('puts together a character that comes in two parts', async () => {
    const bytes = new TextEncoder().encode('é');
    expect(await readBeginning(streamOf(bytes.subarray(0, 1), bytes.subarray(1)), 9)).toBe('é');
  });
});
