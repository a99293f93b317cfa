import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { BenchServer, BenchSetup } from '../bench-server.js';
import { CALLBACK_PATH } from './callback-path.js';
import { startListening } from './listening.js';
import { isSignatureOf } from './signature.js';

/**
 * The minimum a callback must do for a signed delivery, written by hand for a single callback. It collects the body,
 * computes the HMAC as it arrives, compares, calls the handler, and answers when the handler says so.
 */
export function startFloor(
  { secret }: BenchSetup,
  handle: (body: Buffer, answer: () => void) => void = (_body, answer) => answer(),
): Promise<BenchServer> {
  let accepted = 0;
  const server = createServer((request, response) => {
    const answer = (status: number): void => {
      response.writeHead(status, { 'content-length': 0, 'cache-control': 'no-store' }).end();
    };
    if (request.url !== CALLBACK_PATH) {
      answer(404);
      return;
    }
    const hmac = createHmac('sha256', secret);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      hmac.update(chunk);
    });
    request.on('end', () => {
      const [first] = chunks;
      const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
      chunks.length = 0;
      if (!isSignatureOf(hmac.digest(), request.headers['x-hub-signature'])) {
        answer(403);
        return;
      }
      accepted += 1;
      handle(body, () => answer(202));
    });
  });
  return startListening(server, CALLBACK_PATH, () => accepted);
}
