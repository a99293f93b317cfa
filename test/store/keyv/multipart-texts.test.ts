import { beforeEach, describe, expect, test } from 'vitest';
import { type MultipartTexts, multipartTexts } from '../../../src/store/keyv/multipart-texts.js';

describe('a text too long for a row', () => {
  let rows: Map<string, string>;
  let writesLeft: number;
  let texts: MultipartTexts;

  beforeEach(() => {
    rows = new Map();
    writesLeft = Infinity;
    const write = (act: () => void): Promise<void> => {
      if (writesLeft === 0) return Promise.reject(new Error('crashed'));
      writesLeft -= 1;
      act();
      return Promise.resolve();
    };
    texts = multipartTexts(
      {
        get: (key) => Promise.resolve(rows.get(key)),
        set: (key, text) => write(() => rows.set(key, text)),
        delete: (key) => write(() => rows.delete(key)),
      },
      'n',
      4,
    );
  });

  test('is stored in parts whose keys start with no record kind', async () => {
    await texts.set('n:event:e', '0123456789');
    expect([...rows.keys()]).toEqual(['n:part:event:e:1:0', 'n:part:event:e:1:1', 'n:part:event:e:1:2', 'n:event:e']);
    expect(await texts.get('n:event:e')).toBe('0123456789');
  });

  test('is stored whole when it exactly fits into a row', async () => {
    await texts.set('n:event:e', '0123');
    expect([...rows]).toEqual([['n:event:e', '0123']]);
  });

  test('stays readable, as the old or the new text, after a crash at any write', async () => {
    for (const [before, after] of [
      ['short', '0123456789'],
      ['abcdefghijkl', '0123456789'],
      ['abcdefghijkl', 'new'],
      [undefined, '0123456789'],
    ] as const) {
      for (let writes = 0; writes < 9; writes += 1) {
        rows.clear();
        writesLeft = Infinity;
        if (before !== undefined) await texts.set('n:event:e', before);
        writesLeft = writes;
        await texts.set('n:event:e', after).catch(() => undefined);
        expect([before, after]).toContain(await texts.get('n:event:e'));
      }
      expect(await texts.get('n:event:e')).toBe(after);
    }
  });

  test('does not mix parts of a crashed write with later ones', async () => {
    await texts.set('n:event:e', 'abcdefghijkl');
    writesLeft = 2;
    await expect(texts.set('n:event:e', 'XXXXYYYYZZZZ')).rejects.toThrow('crashed');
    writesLeft = Infinity;
    await texts.set('n:event:e', '01234567');
    expect(await texts.get('n:event:e')).toBe('01234567');
  });

  test('is removed with its parts, head first', async () => {
    await texts.set('n:event:e', '0123456789');
    writesLeft = 1;
    await expect(texts.delete('n:event:e')).rejects.toThrow('crashed');
    expect(await texts.get('n:event:e')).toBeUndefined();
    writesLeft = Infinity;
    await texts.set('n:event:e', '0123456789');
    await texts.delete('n:event:e');
    expect(rows.size).toBe(0);
  });

  test('is read again when it is replaced during a read', async () => {
    await texts.set('n:event:e', 'abcdefgh');
    const head = rows.get('n:event:e');
    await texts.set('n:event:e', '0123456789');
    expect(await texts.join('n:event:e', head)).toBe('0123456789');
  });

  test('throws an error when a part is missing', async () => {
    await texts.set('n:event:e', '0123456789');
    rows.delete('n:part:event:e:1:1');
    await expect(texts.get('n:event:e')).rejects.toThrow('one of its 3 parts is missing');
  });
});
