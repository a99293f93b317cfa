import { createHmac } from 'node:crypto';
import { requestBytes } from '../bench/delivery-request.js';

/** Secret that signs content. */
export const SECRET = 'what the hub signs with, and nobody else';

const BODY = Buffer.from(JSON.stringify({ news: 'x'.repeat(500) }));

/** Returns a delivery with this signature header, or without one. */
export function delivery(callback: URL, signature?: string): Buffer {
  const headers = { 'content-type': 'application/json', ...(signature && { 'x-hub-signature': signature }) };
  return requestBytes(callback, headers, BODY);
}

export function genuineDelivery(callback: URL): Buffer {
  return delivery(callback, `sha256=${createHmac('sha256', SECRET).update(BODY).digest('hex')}`);
}

/** Returns an unsolicited verification of intent. */
export function verification(callback: URL, topic: string, leaseSeconds: number): Buffer {
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.topic': topic,
    'hub.challenge': 'a-challenge',
    'hub.lease_seconds': String(leaseSeconds),
  });
  return Buffer.from(`GET ${callback.pathname}?${query.toString()} HTTP/1.1\r\nhost: ${callback.host}\r\n\r\n`);
}

export const WRONG_SIGNATURE = `sha256=${'0'.repeat(64)}`;
