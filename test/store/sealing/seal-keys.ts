import { sealKeyOf, type SealKey } from '../../../src/store/sealing/seal-key.js';

/** The text of a test key: 32 bytes of the same value. */
export function keyText(byte: number): string {
  return Buffer.alloc(32, byte).toString('base64');
}

export function sealKey(byte: number): SealKey {
  const key = sealKeyOf(keyText(byte));
  if (key === undefined) throw new Error('it is no key');
  return key;
}
