import { createHash, createSecretKey, type KeyObject } from 'node:crypto';

/** A key that seals records. Only the KeyObject holds the bytes, and neither JSON nor `inspect` shows them. */
export interface SealKey {
  /** 16 hex digits that name the key in the store, in errors and in the log. They reveal nothing about the key. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Length of a key id in a sealed record, in bytes. */
export const KEY_ID_BYTES = 8;

/** 32 bytes are 43 characters of base64 or base64url, with or without padding. */
const KEY_TEXT = /^[\w+/-]{43}=?$/;

/** Returns the key for a base64 or base64url text; undefined when the text is not 32 bytes. */
export function sealKeyOf(text: string): SealKey | undefined {
  if (!KEY_TEXT.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const digest = createHash('sha256').update('websub-subscriber seal key\n').update(bytes).digest();
  return { id: digest.toString('hex', 0, KEY_ID_BYTES), key: createSecretKey(bytes) };
}
