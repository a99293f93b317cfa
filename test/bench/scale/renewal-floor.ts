import { createServer } from 'node:http';
import { Agent, request } from 'undici';
import { answerCalls, numbersOf, stringsOf } from '../calls.js';

/**
 * The minimum work of a renewal. undici sends each form, with limited concurrency, and bare node:http echoes each
 * challenge. Nothing is stored, checked or remembered.
 */
const agent = new Agent();
const server = createServer((message, response) => {
  const challenge = new URL(message.url ?? '', 'http://localhost').searchParams.get('hub.challenge') ?? '';
  response.writeHead(200, { 'content-length': Buffer.byteLength(challenge) }).end(challenge);
});

answerCalls({
  async start() {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return {};
  },
  async renew(setup) {
    const { hub, topic } = stringsOf(setup, ['hub', 'topic']);
    const { count, concurrency } = numbersOf(setup, ['count', 'concurrency']);
    const address = server.address();
    const base = typeof address === 'object' ? `http://127.0.0.1:${address?.port}/websub` : '';
    let next = 0;
    const loop = async (): Promise<void> => {
      while (next < count) {
        const index = next;
        next += 1;
        const body = new URLSearchParams({
          'hub.callback': `${base}/${String(index).padStart(43, 'A')}`,
          'hub.mode': 'subscribe',
          'hub.topic': `${topic}?of=${index}`,
          'hub.lease_seconds': '864000',
          'hub.secret': 'what the hub signs with',
        }).toString();
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        const answer = await request(hub, { method: 'POST', body, headers, dispatcher: agent });
        await answer.body.dump();
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    return {};
  },
  async stop() {
    server.closeAllConnections();
    server.close();
    await agent.close();
    return {};
  },
});
