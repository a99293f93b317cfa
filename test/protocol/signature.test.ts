import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseSignature, SIGNATURE_ALGORITHMS, SignatureCheck, verifySignature } from '../../src/protocol/signature.js';

const SECRET = 'a long one that nobody guesses';
const BODY = 'news';
const hexOf = (method: string, secret = SECRET): string => createHmac(method, secret).update(BODY).digest('hex');
const signatureBy = (method: string, secret?: string): string => `${method}=${hexOf(method, secret)}`;

describe('C2 a signature', () => {
  test.each(SIGNATURE_ALGORITHMS)('with %s is valid, and invalid for another body or secret', (method) => {
    expect(verifySignature(BODY, signatureBy(method), SECRET)).toBe(true);
    expect(verifySignature(Buffer.from(BODY), signatureBy(method), SECRET)).toBe(true);
    expect(verifySignature('newt', signatureBy(method), SECRET)).toBe(false);
    expect(verifySignature(BODY, signatureBy(method, 'another secret'), SECRET)).toBe(false);
  });

  test('may have upper-case hex and method, and space around it', () => {
    expect(verifySignature(BODY, signatureBy('sha256').toUpperCase(), SECRET)).toBe(true);
    expect(verifySignature(BODY, ` ${signatureBy('sha256')}\t`, SECRET)).toBe(true);
  });

  test('covers the bytes of the body (RFC 2202, test case 2)', () => {
    const header = 'sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79';
    expect(verifySignature('what do ya want for nothing?', header, 'Jefe')).toBe(true);
  });

  test.each([
    ['missing', undefined, 'missing'],
    ['empty', '  ', 'missing'],
    ['a word', 'nonsense', 'malformed'],
    ['a digest without its method', hexOf('sha256'), 'malformed'],
    ['a method without a digest', 'sha256=', 'malformed'],
    ['not hex', `sha256=${'g'.repeat(64)}`, 'malformed'],
    ['one digit short', signatureBy('sha256').slice(0, -1), 'malformed'],
    ['two digits short', signatureBy('sha256').slice(0, -2), 'malformed'],
    ['the right signature with four digits appended', `${signatureBy('sha256')}abcd`, 'malformed'],
    ['the right digest under a longer method', `sha512=${hexOf('sha256')}`, 'malformed'],
    ['3 KiB long', `${signatureBy('sha256')}${','.repeat(3072)}`, 'malformed'],
    ['1 MiB of digits', `sha256=${'a'.repeat(1 << 20)}`, 'malformed'],
    ['made with an unknown method', signatureBy('md5'), 'algorithm'],
    ['made with a method named like an object property', 'constructor=abcdef', 'algorithm'],
  ])('that is %s is invalid', (_name, header, problem) => {
    expect(parseSignature(header)).toEqual({ problem });
    expect(verifySignature(BODY, header, SECRET)).toBe(false);
    expect(verifySignature(BODY, header ?? null, SECRET)).toBe(false);
  });

  test('with an algorithm that is not accepted is invalid', () => {
    expect(parseSignature(signatureBy('sha1'), ['sha256'])).toEqual({ problem: 'algorithm' });
    expect(verifySignature(BODY, signatureBy('sha1'), SECRET, { algorithms: ['sha256', 'sha512'] })).toBe(false);
    expect(verifySignature(BODY, signatureBy('sha512'), SECRET, { algorithms: ['sha256', 'sha512'] })).toBe(true);
  });
});

describe('C2 with several signatures', () => {
  const wrongSha512 = `sha512=${'0'.repeat(128)}`;

  test('the strongest signature decides, in any order', () => {
    expect(verifySignature(BODY, `${signatureBy('sha1')}, ${signatureBy('sha512')}`, SECRET)).toBe(true);
    expect(verifySignature(BODY, `${signatureBy('sha256')},${wrongSha512}`, SECRET)).toBe(false);
    expect(verifySignature(BODY, `${wrongSha512},${signatureBy('sha256')}`, SECRET)).toBe(false);
  });

  test('the strongest signature with an accepted algorithm decides', () => {
    expect(verifySignature(BODY, `${wrongSha512},${signatureBy('sha256')}`, SECRET, { algorithms: ['sha256'] })).toBe(
      true,
    );
  });

  test('unreadable signatures are skipped', () => {
    expect(verifySignature(BODY, `nonsense, md5=00, ${signatureBy('sha384')}`, SECRET)).toBe(true);
  });
});

test('V6 a signature by any of several secrets is valid', () => {
  const signature = parseSignature(signatureBy('sha256', 'old'));
  if ('problem' in signature) throw new Error(signature.problem);
  for (const secrets of [['old'], ['new', 'old'], ['old', 'new', 'newer']]) {
    const check = new SignatureCheck(signature, secrets);
    check.update(Buffer.from('ne'));
    check.update(Buffer.from('ws'));
    expect(check.isValid()).toBe(true);
  }
  const check = new SignatureCheck(signature, ['new', 'newer']);
  check.update(Buffer.from(BODY));
  expect(check.isValid()).toBe(false);
  expect(new SignatureCheck(signature, []).isValid()).toBe(false);
});
