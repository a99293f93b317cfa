import { createHmac, timingSafeEqual } from 'node:crypto';

const SIGNATURE = /^sha256=([0-9a-f]{64})$/;

/** Whether an `X-Hub-Signature` matches this digest, in constant time. */
export function isSignatureOf(digest: Buffer, header: unknown): boolean {
  const [, hex] = SIGNATURE.exec(String(header)) ?? [];
  return hex !== undefined && timingSafeEqual(digest, Buffer.from(hex, 'hex'));
}

/** Whether an `X-Hub-Signature` matches this body, for servers that pass the whole body. */
export function isSigned(body: unknown, secret: string, header: unknown): boolean {
  return body instanceof Uint8Array && isSignatureOf(createHmac('sha256', secret).update(body).digest(), header);
}
