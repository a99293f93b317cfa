import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { serveBench } from '../bench-server.js';

const PATH = '/websub/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;

/** The least that a subscriber's callback has to do for a signed delivery, by hand and for one callback only. */
serveBench(async ({ secret }) => {
  let accepted = 0;

  function isGenuine(request: IncomingMessage, digest: Buffer): boolean {
    const [, hex] = SIGNATURE.exec(String(request.headers['x-hub-signature'])) ?? [];
    return hex !== undefined && timingSafeEqual(digest, Buffer.from(hex, 'hex'));
  }

  const server = createServer((request, response) => {
    if (request.url !== PATH) {
      response.writeHead(404, { 'content-length': 0, 'cache-control': 'no-store' }).end();
      return;
    }
    const hmac = createHmac('sha256', secret);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      hmac.update(chunk);
    });
    request.on('end', () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const status = body !== undefined && isGenuine(request, hmac.digest()) ? 202 : 403;
      if (status === 202) accepted += 1;
      response.writeHead(status, { 'content-length': 0, 'cache-control': 'no-store' }).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The floor listens on no port');
  return {
    callback: `http://localhost:${address.port}${PATH}`,
    accepted: () => accepted,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
});
