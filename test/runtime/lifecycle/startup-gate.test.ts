import { once } from 'node:events';
import { createServer, ServerResponse, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startupGate } from '../../../src/runtime/lifecycle/startup-gate.js';
import { exchange, request } from '../../kit/wire.js';

/** What the handler behind a gate gets of requests with these methods, after each step. */
function through(): {
  readonly send: (method: string) => void;
  readonly handled: string[];
  readonly way: ReturnType<typeof startupGate>;
} {
  const handled: string[] = [];
  const way = startupGate(({ method = '' }) => void handled.push(method));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is looked at
  const request = (method: string): IncomingMessage => ({ method }) as IncomingMessage;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const send = (method: string): void => way.nodeHandler(request(method), {} as ServerResponse);
  return { send, handled, way };
}

describe('gate', () => {
  it('lets verifications through when the store is read, and content when the services have started', async () => {
    const { send, handled, way } = through();
    send('GET');
    send('POST');
    expect(handled).toEqual([]);
    way.allowVerifications();
    await vi.waitFor(() => expect(handled).toEqual(['GET']));
    send('HEAD');
    send('POST');
    expect(handled).toEqual(['GET', 'HEAD']);
    way.allowContent();
    await vi.waitFor(() => expect(handled).toEqual(['GET', 'HEAD', 'POST', 'POST']));
    send('POST');
    expect(handled).toHaveLength(5);
  });

  it('answers 503 what it holds when the start fails, and what comes after that', async () => {
    const reached: string[] = [];
    const way = startupGate(({ method = '' }) => void reached.push(method));
    const server = createServer(way.nodeHandler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const held = exchange(port, request('POST', '/websub/a', {}, 'news'));
    await once(server, 'request');
    await way.fail();
    const late = exchange(port, request('GET', '/websub/a'));
    for (const answer of [await held, await late]) {
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
    }
    expect(reached).toEqual([]);
  });

  it('answers nothing to whoever has gone while it was held', async () => {
    const way = startupGate(() => expect.unreachable());
    const [errors, server] = [[] as unknown[], createServer(way.nodeHandler)];
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    socket.write(request('POST', '/websub/a', { 'content-length': '0' }));
    const [, response]: unknown[] = await once(server, 'request');
    if (!(response instanceof ServerResponse)) throw new Error('a request has a response');
    response.on('error', (error) => errors.push(error));
    socket.destroy();
    await once(response, 'close');
    await way.fail();
    await new Promise(setImmediate);
    expect(errors).toEqual([]);
  });
});
