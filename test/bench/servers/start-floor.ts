import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { BenchServer, BenchSetup } from '../bench-server.js';
import { CALLBACK_PATH } from './callback-path.js';
import { listening } from './listening.js';
import { isSignatureOf } from './signature.js';

/**
 * The least that a subscriber's callback has to do for a signed delivery, by hand and for one callback only: the whole
 * body, the HMAC over it as it arrives, the comparison, the handler, and the answer when the handler asks for it.
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
  return listening(server, CALLBACK_PATH, () => accepted);
}
