import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { decodeJson, encodeJson } from '../json-codec.js';
import { SEAL_PROBLEM } from './seal-error.js';
import { KEY_ID_BYTES, type SealKey } from './seal-key.js';

/** The location of a sealed value. A value moved to another location does not open. */
export interface SealLocation {
  readonly kind: string;
  readonly id: string;
  readonly field: string;
}

/** The result of opening a sealed value. */
export type OpenResult =
  | { readonly type: 'opened'; readonly value: unknown; readonly keyId: string }
  | { readonly type: 'unknown-key'; readonly keyId: string }
  | { readonly type: 'broken'; readonly why: string; readonly cause?: unknown };

// A sealed value: layout version, key id, nonce, tag, and encrypted text.
const LAYOUT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_AT = 1 + KEY_ID_BYTES;
const TAG_AT = NONCE_AT + NONCE_BYTES;
const TEXT_AT = TAG_AT + TAG_BYTES;

const ALGORITHM = 'aes-256-gcm';

/** Encrypts plain data for a location in the store, with AES-256-GCM and a random nonce. */
export function seal({ id, key }: SealKey, location: SealLocation, value: unknown): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(location));
  // The text is ASCII.
  const text = cipher.update(encodeJson(value), 'latin1');
  cipher.final();
  return Buffer.concat([Buffer.of(LAYOUT), Buffer.from(id, 'hex'), nonce, cipher.getAuthTag(), text]);
}

/** Decrypts a sealed value. Fails when no key fits or the value was changed. */
export function open(keys: ReadonlyMap<string, SealKey>, location: SealLocation, sealed: unknown): OpenResult {
  if (!(sealed instanceof Uint8Array) || sealed.length < TEXT_AT) {
    return { type: 'broken', why: SEAL_PROBLEM.sealedPartTruncated };
  }
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes[0] !== LAYOUT) return { type: 'broken', why: SEAL_PROBLEM.unknownLayout(bytes[0], LAYOUT) };
  const keyId = bytes.toString('hex', 1, NONCE_AT);
  const key = keys.get(keyId);
  if (key === undefined) return { type: 'unknown-key', keyId };
  const nonce = bytes.subarray(NONCE_AT, TAG_AT);
  const decipher = createDecipheriv(ALGORITHM, key.key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(location));
  decipher.setAuthTag(bytes.subarray(TAG_AT, TEXT_AT));
  try {
    // In this mode `update` returns all of the text, and `final` checks the tag. The text is used only after that
    // check.
    const text = decipher.update(bytes.subarray(TEXT_AT));
    decipher.final();
    return { type: 'opened', value: decodeJson(text.toString('latin1')), keyId };
  } catch (cause) {
    return { type: 'broken', why: SEAL_PROBLEM.changed, cause };
  }
}

function additionalData({ kind, id, field }: SealLocation): Buffer {
  return Buffer.from(`websub-subscriber seal ${LAYOUT}\n${kind}\n${field}\n${id}`, 'utf8');
}
