import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { answerCalls, numbersOf } from '../calls.js';

/**
 * A minimal hub. It answers each request with 202 after `answerMs`, the simulated network delay, and verifies it at the
 * callback. It records the times of the first request and of the last verification, and the most requests open at once.
 */
const agent = new Agent({ connections: 64, pipelining: 1 });
let answerMs = 0;
let openRequests = 0;
let mostOpen = 0;
let verified = 0;
let firstRequestAt = 0;
let lastVerificationAt = 0;

async function verify(form: URLSearchParams): Promise<void> {
  const url = new URL(form.get('hub.callback') ?? '');
  const challenge = String(Math.random());
  for (const [name, value] of [
    ['hub.mode', form.get('hub.mode') ?? ''],
    ['hub.topic', form.get('hub.topic') ?? ''],
    ['hub.challenge', challenge],
    ['hub.lease_seconds', '864000'],
  ] as const) {
    url.searchParams.set(name, value);
  }
  const { statusCode, body } = await request(url, { dispatcher: agent });
  if (statusCode !== 200 || (await body.text()) !== challenge) throw new Error(`a callback answered ${statusCode}`);
  verified += 1;
  lastVerificationAt = performance.now();
}

async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
  if (firstRequestAt === 0) firstRequestAt = performance.now();
  openRequests += 1;
  mostOpen = Math.max(mostOpen, openRequests);
  const form = new URLSearchParams(await text(message));
  if (answerMs > 0) await delay(answerMs);
  openRequests -= 1;
  response.writeHead(202, { 'content-length': 0 }).end();
  await verify(form);
}

const server = createServer((message, response) => void serve(message, response));

answerCalls({
  async start() {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return { hub: typeof address === 'object' ? `http://127.0.0.1:${address?.port}/hub` : '' };
  },
  begin(setup) {
    ({ answerMs } = numbersOf(setup, ['answerMs']));
    [verified, firstRequestAt, lastVerificationAt, mostOpen] = [0, 0, 0, 0];
    return {};
  },
  progress: () => ({ verified, milliseconds: lastVerificationAt - firstRequestAt, mostOpen }),
  async stop() {
    server.closeAllConnections();
    server.close();
    await agent.close();
    return {};
  },
});
