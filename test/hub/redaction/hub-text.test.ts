import { describe, expect, it } from 'vitest';
import { bytesToRead, callbackSecrets, hubTextRedactor, readBeginning } from '../../../src/hub/redaction/hub-text.js';

const streamOf = (...chunks: readonly (string | Uint8Array | Error)[]): ReadableStream<Uint8Array> => {
  const remaining = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = remaining.shift();
      if (chunk === undefined) controller.close();
      else if (chunk instanceof Error) controller.error(chunk);
      else controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
    },
  });
};

describe('the text of a hub', () => {
  it('S3 loses control and formatting characters', () => {
    expect(hubTextRedactor([])(' a\r\n\u001b[31mb\u0000\u202e c\u2028\t d ')).toBe('a [31mb c d');
  });

  it('S3 is cut after 1 KiB, between characters', () => {
    expect(hubTextRedactor([])('a'.repeat(1024))).toBe('a'.repeat(1024));
    expect(hubTextRedactor([])('a'.repeat(1025))).toBe(`${'a'.repeat(1024)}…`);
    expect(hubTextRedactor([])(`a${'é'.repeat(600)}`)).toBe(`a${'é'.repeat(511)}…`);
  });

  const secret = `s"é<&'>c \\ret/+`;
  it.each([
    ['plain', secret],
    ['in another case', secret.toUpperCase()],
    ['form-encoded', new URLSearchParams({ s: secret }).toString().slice(2)],
    ['percent-encoded', encodeURIComponent(secret)],
    ['percent-encoded in lower case', encodeURIComponent(secret).toLowerCase()],
    ['in JSON', JSON.stringify(secret).slice(1, -1)],
    ['in HTML', 's&quot;é&lt;&amp;&#39;&gt;c \\ret/+'],
    ['in HTML with a hex entity', 's&quot;é&lt;&amp;&#x27;&gt;c \\ret/+'],
  ])('loses a secret echoed %s', (_name, echoed) => {
    expect(hubTextRedactor([secret])(`bad: ${echoed}, ${echoed}!`)).toBe('bad: [redacted], [redacted]!');
  });

  it('loses each of several secrets completely', () => {
    expect(hubTextRedactor(['abc', 'abcdef', '', 'e'])('abcdef abc e [x]')).toBe(
      '[redacted] [redacted] [redacted] [x]',
    );
  });

  it('loses a secret that the cut splits', async () => {
    const longSecret = 'é'.repeat(99);
    const body = 'a'.repeat(1020) + encodeURIComponent(longSecret);
    const beginning = await readBeginning(streamOf(body), bytesToRead([longSecret]));
    expect(hubTextRedactor([longSecret])(beginning)).toBe(`${'a'.repeat(1020)}[red…`);
  });

  it('loses a secret with a lone surrogate', () => {
    expect(hubTextRedactor(['a\ud800'])('x%61%ef%bf%bd a%EF%BF%BD')).toBe('x%61%ef%bf%bd [redacted]');
  });
});

describe('the secrets of the callback', () => {
  const token = 'abcdefghijklmnop';

  it.each([
    [`https://me.example.com/websub/${token}`, token],
    [`https://me.example.com/websub/${token}/?x=1`, token],
  ])('%s are its URL and its token', (callback, lastSegment) => {
    expect(callbackSecrets(callback)).toEqual([callback, lastSegment]);
  });

  it.each(['https://me.example.com/', 'https://me.example.com/websub/1', 'https://me.example.com/abcdefghijklmno'])(
    '%s are only its URL',
    (callback) => {
      expect(callbackSecrets(callback)).toEqual([callback]);
    },
  );
});

describe('the beginning of a body', () => {
  it('is the whole of a short body', async () => {
    expect(await readBeginning(streamOf('ab', 'c'), 4)).toBe('abc');
    expect(await readBeginning(null, 4)).toBe('');
  });

  it('ends at the limit, and the transfer is cancelled', async () => {
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('abc')),
      cancel: () => {
        isCancelled = true;
      },
    });
    expect(await readBeginning(endless, 4)).toBe('abca');
    expect(isCancelled).toBe(true);
  });

  it('ends where the body breaks off', async () => {
    expect(await readBeginning(streamOf('ab', new Error('broken')), 4)).toBe('ab');
  });

  it('joins a character that arrives in two chunks', async () => {
    const bytes = new TextEncoder().encode('é');
    expect(await readBeginning(streamOf(bytes.subarray(0, 1), bytes.subarray(1)), 9)).toBe('é');
  });
});
