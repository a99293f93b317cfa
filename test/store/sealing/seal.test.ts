import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { open, seal } from '../../../src/store/sealing/seal.js';
import { sealKeyOf } from '../../../src/store/sealing/seal-key.js';
import { keyText, sealKey } from './seal-keys.js';

const location = { kind: 'subscription', id: 's1', field: 'record' };
const value = { secret: 'día ☃ 🎉', bytes: Uint8Array.from([0, 255]), list: [1, null, true] };
const key = sealKey(1);
const keys = new Map([[key.id, key]]);

describe('a sealed value', () => {
  it('opens to the same value, at its location and with its key', () => {
    const sealed = seal(key, location, value);
    expect(open(keys, location, sealed)).toEqual({ type: 'opened', value, keyId: key.id });
    expect(Buffer.from(sealed).toString('latin1')).not.toContain('secret');
  });

  it('differs each time, because its nonce is random', () => {
    const nonces = Array.from({ length: 100 }, () => Buffer.from(seal(key, location, value)).toString('hex', 9, 21));
    expect(new Set(nonces).size).toBe(100);
  });

  it.each([
    ['kind', { ...location, kind: 'event' }],
    ['id', { ...location, id: 's2' }],
    ['field', { ...location, field: 'headers' }],
  ])('does not open under another %s', (_, otherLocation) => {
    const opened = open(keys, otherLocation, seal(key, location, value));
    expect(opened).toMatchObject({ type: 'broken', why: expect.stringContaining('sealed for another record') });
  });

  it('names its key when that key is missing', () => {
    const other = sealKey(2);
    expect(open(new Map([[other.id, other]]), location, seal(key, location, value))).toEqual({
      type: 'unknown-key',
      keyId: key.id,
    });
  });

  it('does not open after any of its bytes is changed', () => {
    const sealed = seal(key, location, value);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Uint8Array.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect([index, open(keys, location, changed).type]).toEqual([
        index,
        index >= 1 && index <= 8 ? 'unknown-key' : 'broken',
      ]);
    }
  });

  it.each([[undefined], ['text'], [new Uint8Array(0)], [new Uint8Array(36)], [{}]])(
    'does not open if it is %s',
    (sealed) => {
      expect(open(keys, location, sealed)).toMatchObject({ type: 'broken' });
    },
  );

  it('does not open when it is truncated anywhere', () => {
    const sealed = seal(key, location, value);
    for (let length = 0; length < sealed.length; length += 1) {
      expect(open(keys, location, sealed.subarray(0, length)).type).toBe('broken');
    }
  });
});

describe('a seal key', () => {
  it('is 32 bytes in base64 or base64url, with or without padding', () => {
    const bytes = Buffer.alloc(32, 0xfb);
    const texts = [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('base64').replace('=', '')];
    const ids = texts.map((text) => sealKeyOf(text)?.id);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(sealKeyOf(texts[0] ?? '')?.key.export()).toEqual(bytes);
  });

  it.each([
    [''],
    ['short'],
    [Buffer.alloc(31).toString('base64')],
    [Buffer.alloc(33).toString('base64')],
    [Buffer.alloc(32).toString('hex')],
    [`${keyText(1)} `],
    [`!${keyText(1).slice(1)}`],
  ])('cannot be made from %j', (text) => {
    expect(sealKeyOf(text)).toBeUndefined();
  });

  it('is output by neither JSON nor inspect', () => {
    const output = `${JSON.stringify(key)}${inspect(key, { depth: Infinity, showHidden: true })}`;
    for (const encoding of ['base64', 'hex', 'latin1'] as const) {
      expect(output).not.toContain(key.key.export().toString(encoding).slice(0, 12));
    }
  });

  it('has an id that depends on all of its bytes', () => {
    const bytes = Buffer.alloc(32, 1);
    const ids = Array.from({ length: 32 }, (_, index) => {
      const changed = Buffer.from(bytes);
      changed[index] = 2;
      return sealKeyOf(changed.toString('base64'))?.id;
    });
    expect(new Set([...ids, key.id]).size).toBe(33);
  });
});
