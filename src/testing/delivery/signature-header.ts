import { createHmac } from 'node:crypto';
import type { SignatureFault, SignatureMethod } from '../faults/hub-faults.js';

/** The value of `X-Hub-Signature` for a body (WebSub section 7.1), or undefined where none is sent. */
export function signatureHeader(
  body: Uint8Array,
  secret: string | undefined,
  method: SignatureMethod,
  fault: SignatureFault,
): string | undefined {
  const digest = (key: string): string => createHmac(method, key).update(body).digest('hex');
  if (fault === 'wrong') return `${method}=${digest(`not ${secret ?? 'a secret'}`)}`;
  if (fault === 'malformed') return digest(secret ?? '');
  return fault === 'missing' || secret === undefined ? undefined : `${method}=${digest(secret)}`;
}
