import { once } from 'node:events';
import { createServer, ServerResponse, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startupGate } from '../../../src/runtime/lifecycle/startup-gate.js';
import { exchange, request } from '../../kit/wire.js';

/** A gate, a function that sends requests to it, and the methods that the handler behind it got. */
function setUp(): {
  readonly send: (method: string) => void;
  readonly handled: string[];
  readonly gate: ReturnType<typeof startupGate>;
} {
  const handled: string[] = [];
  const gate = startupGate(({ method = '' }) => void handled.push(method));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the gate reads nothing else
  const requestWith = (method: string): IncomingMessage => ({ method }) as IncomingMessage;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const send = (method: string): void => gate.nodeHandler(requestWith(method), {} as ServerResponse);
  return { send, handled, gate };
}

describe('startupGate', () => {
  it('lets verifications through once the store is loaded, and content once the services have started', async () => {
    const { send, handled, gate } = setUp();
    send('GET');
    send('POST');
    expect(handled).toEqual([]);
    gate.allowVerifications();
    await vi.waitFor(() => expect(handled).toEqual(['GET']));
    send('HEAD');
    send('POST');
    expect(handled).toEqual(['GET', 'HEAD']);
    gate.allowContent();
    await vi.waitFor(() => expect(handled).toEqual(['GET', 'HEAD', 'POST', 'POST']));
    send('POST');
    expect(handled).toHaveLength(5);
  });

  it('answers waiting and later requests with 503 if the start fails', async () => {
    const handled: string[] = [];
    const gate = startupGate(({ method = '' }) => void handled.push(method));
    const server = createServer(gate.nodeHandler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const waitingAnswer = exchange(port, request('POST', '/websub/a', {}, 'news'));
    await once(server, 'request');
    await gate.fail();
    const laterAnswer = exchange(port, request('GET', '/websub/a'));
    for (const answer of [await waitingAnswer, await laterAnswer]) {
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '120' } });
    }
    expect(handled).toEqual([]);
  });

  it('writes no answer to a request that was aborted while it waited, and causes no response error', async () => {
    const gate = startupGate(() => expect.unreachable());
    const [errors, server] = [[] as unknown[], createServer(gate.nodeHandler)];
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
    await gate.fail();
    await new Promise(setImmediate);
    expect(response.headersSent).toBe(false);
    expect(errors).toEqual([]);
  });
});
