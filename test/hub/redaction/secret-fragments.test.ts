import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hubTextRedactor } from '../../../src/hub/redaction/hub-text.js';
import { decodedTexts } from '../../../src/hub/redaction/unescape.js';

const FRAGMENT_LENGTH = 8;

const SECRET = 'k3y-Of_the+Hub/77=é';
const PART = 'Of_the+Hub';

const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
const eachPercentEncoded = (text: string): string => hex(text).replaceAll(/../g, '%$&');

describe('a fragment of a secret', () => {
  it.each([
    ['plain', PART],
    ['in another case', PART.toLowerCase()],
    ['in hex', hex(PART)],
    ['in upper-case hex', hex(PART).toUpperCase()],
    ['within longer hex', `${hex('xyz')}${hex(PART)}`.slice(3)],
    ['percent-encoded', encodeURIComponent(PART)],
    ['percent-encoded in lower case', encodeURIComponent(PART).toLowerCase()],
    ['percent-encoded, each character', eachPercentEncoded(PART)],
    ['percent-encoded in part', `${PART.slice(0, 4)}${eachPercentEncoded(PART.slice(4))}`],
    ['percent-encoded twice', encodeURIComponent(eachPercentEncoded(PART))],
    ['in JSON', `\\u004ff_the+Hub`],
    ['in JSON in JSON', JSON.stringify(`\\u004ff_the+Hub`).slice(1, -1)],
    ['in HTML', '&#79;f_the&#x2B;Hub'],
    ['form-encoded', new URLSearchParams({ a: PART }).toString().slice(2)],
  ])('is redacted if it is echoed %s', (_name, echoed) => {
    expect(hubTextRedactor([SECRET])(`you sent ${echoed}`)).toMatch(/^you sent \S{0,5}\[redacted\]$/);
  });

  it.each([base64, base64url])('is redacted at any offset in base64', (encode) => {
    for (const padding of ['', 'x', 'xx', 'xxx']) {
      const redacted = hubTextRedactor([SECRET])(`you sent ${encode(`${padding}${SECRET}yyyy`)}`);
      expect(redacted).toMatch(/^you sent [\w+/-]{0,5}\[redacted\][\w+/-]{0,7}=*$/);
    }
  });

  it('stays if it has fewer than eight characters', () => {
    const text = `words: ${PART.slice(0, 7)}, ${hex(PART).slice(0, 7)}, ${eachPercentEncoded(PART.slice(0, 7))}`;
    expect(hubTextRedactor([SECRET])(text)).toBe(text);
  });

  it.each(['the hub is https://hub.example/websub/x', 'ask https://me.example.com/ again'])(
    'stays if it is only a part of a callback URL, as in "%s"',
    (text) => {
      expect(hubTextRedactor(['https://me.example.com/websub/0123456789abcdef'])(text)).toBe(text);
    },
  );

  it('is redacted if control characters interrupt it', () => {
    const redact = hubTextRedactor(['one two three']);
    expect(redact('said: one\r\ntwo\u200bthree!')).toBe('said: [redacted]!');
  });

  it('is searched quickly in a long text with many escapes', () => {
    const redact = hubTextRedactor(Array.from({ length: 20 }, (_, index) => `${index}-`.repeat(100)));
    const text = '%25'.repeat(5_461);
    const startedAt = performance.now();
    expect(redact(text).length).toBeLessThanOrEqual(1_025);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('any secret', () => {
  const secrets = fc.oneof(
    fc.string({ minLength: FRAGMENT_LENGTH, maxLength: 200, unit: 'grapheme-ascii' }),
    fc.string({ minLength: FRAGMENT_LENGTH, maxLength: 60, unit: 'grapheme' }),
    fc.uint8Array({ minLength: 16, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  );
  /** Start and length of a fragment, as fractions of the secret from 0 to 1. */
  const fragmentRange = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  const plain = (text: string): string => text;
  const encodings = fc.constantFrom(plain, hex, base64, base64url, encodeWhole, eachPercentEncoded);

  function encodeWhole(text: string): string {
    return encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'));
  }

  function fragmentAt(secret: string, [startFraction, lengthFraction]: readonly [number, number]): string {
    const start = Math.floor(startFraction * Math.max(0, secret.length - FRAGMENT_LENGTH));
    return secret.slice(start, start + FRAGMENT_LENGTH + Math.floor(lengthFraction * (secret.length - start)));
  }

  function fragmentsOf(form: string): readonly string[] {
    return Array.from({ length: Math.max(0, form.length - FRAGMENT_LENGTH + 1) }, (_, start) =>
      form.slice(start, start + FRAGMENT_LENGTH),
    );
  }

  /** The text and all its decoded forms. */
  function decodedForms(text: string): string {
    return decodedTexts(text)
      .map((decoded) => decoded.text)
      .join('\n');
  }

  it('leaves no fragment of eight characters, in any encoding and any text', () => {
    fc.assert(
      fc.property(
        secrets.filter((secret) => !/[\p{C}\s]|^https?:/u.test(secret)),
        encodings,
        fragmentRange,
        fc.string({ maxLength: 20 }),
        fc.string({ maxLength: 20 }),
        fc.string({ maxLength: 9 }),
        (secret, encode, range, before, after, prefix) => {
          const sent = encode(`${prefix}${fragmentAt(secret, range)}${prefix}`);
          const redacted = decodedForms(hubTextRedactor([secret])(`${before}${sent}${after}`));
          const forms = [secret, hex(secret), ...['', 'x', 'xx'].map((shift) => base64(shift + secret).slice(4, -4))];
          const urlForms = forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
          expect(
            [...forms, ...urlForms].flatMap(fragmentsOf).filter((fragment) => redacted.includes(fragment)),
          ).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('leaves words of fewer than eight characters unchanged', () => {
    const word = fc.string({ minLength: 1, maxLength: 7, unit: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), fc.stringMatching(/^[a-f]{8,100}$/), (words, secret) => {
        const text = words.join(', ');
        expect(hubTextRedactor([secret])(text)).toBe(text);
      }),
    );
  });
});
