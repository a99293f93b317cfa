import { createHmac } from 'node:crypto';
import type { Payload } from './scenario.js';

/** The headers of a signed delivery, as hubs send them (WebSub section 7). */
export function deliveryHeaders(
  { contentType, bytes }: Payload,
  { hub, topic, secret }: { readonly hub: string; readonly topic: string; readonly secret: string },
): Readonly<Record<string, string>> {
  return {
    'user-agent': 'bench',
    'content-type': contentType,
    link: `<${hub}>; rel="hub", <${topic}>; rel="self"`,
    'x-hub-signature': `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`,
  };
}

/** The bytes of a complete request. Sending them costs the load generator a single write. */
export function requestBytes(callback: URL, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const lines = [
    `POST ${callback.pathname}${callback.search} HTTP/1.1`,
    `host: ${callback.host}`,
    ...Object.entries({ ...headers, 'content-length': String(body.byteLength) }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}
