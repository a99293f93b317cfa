import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readNodeBody } from '../../../src/http/body/read-body.js';
import type { BodyRead } from '../../../src/http/callback-request.js';
import { deferred } from '../../kit/deferred.js';
import { bodyLimits } from './body-limits.js';
import { listenForTest } from '../../kit/listen-for-test.js';

/** Longer than any test, so this timeout never fires. */
const NEVER_MS = 60_000;

const partialRequest = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 10\r\n\r\nnews';
const wholeRequest = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 4\r\n\r\nnews';

/** Sends a request and reads its body. Calls `duringRead` once reading has started. */
async function readBodyOf(rawRequest: string, duringRead: (request: IncomingMessage) => void): Promise<BodyRead> {
  const bodyRead = deferred<BodyRead>();
  const server = createServer((request, response) => {
    const onRead = (body: BodyRead): void => {
      response.end();
      bodyRead.resolve(body);
    };
    readNodeBody(request, bodyLimits(100, NEVER_MS), { grantId: 'g', onChunk: () => {}, onRead });
    duringRead(request);
  });
  const socket = connect(await listenForTest(server), '127.0.0.1');
  await waitForConnection(socket);
  socket.write(rawRequest);
  return bodyRead.promise;
}

async function waitForConnection(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
}

test.each<[time: string, abort: (request: IncomingMessage) => void]>([
  ['in the tick in which its head arrives', (request) => request.destroy()],
  ['in that tick with an error', (request) => request.destroy(new Error('aborted'))],
  ['at the next tick', (request) => process.nextTick(() => request.destroy())],
  ['20 ms later', (request) => setTimeout(() => request.destroy(), 20)],
  ['20 ms later together with its connection', (request) => setTimeout(() => request.socket.destroy(), 20)],
])('a body whose request is destroyed %s is aborted at once', async (_case, abort) => {
  expect(await readBodyOf(partialRequest, abort)).toEqual({ problem: 'aborted' });
});

test('an error that a request emits after its body was read does not end the process', async () => {
  let completeRequest: IncomingMessage | undefined;
  const read = await readBodyOf(wholeRequest, (request) => (completeRequest = request));
  expect('body' in read && read.body.bytes()).toEqual(Buffer.from('news'));
  expect(() => completeRequest?.emit('error', new Error('late'))).not.toThrow();
});

test('bodies that stall at the same time are all reported, each in the context of its own request', async () => {
  const requestIds = new AsyncLocalStorage<number>();
  const results: unknown[] = [];
  let lastId = 0;
  const server = createServer((request, response) => {
    lastId += 1;
    const onRead = (read: BodyRead): void => {
      results.push([read, requestIds.getStore()]);
      response.end();
    };
    const limits = bodyLimits(100, 50);
    requestIds.run(lastId, () => readNodeBody(request, limits, { grantId: 'g', onChunk: () => {}, onRead }));
  });
  const port = await listenForTest(server);
  const sockets = [0, 1, 2].map(() => connect(port, '127.0.0.1'));
  for (const socket of sockets) await waitForConnection(socket);
  for (const socket of sockets) socket.write(partialRequest);
  await expect.poll(() => results).toEqual([1, 2, 3].map((request) => [{ problem: 'stalled' }, request]));
});

test.each<[length: string, headers: Record<string, string>]>([
  ['an announced length', { 'content-length': '100' }],
  ['no announced length', {}],
])('an HTTP/2 body with %s that breaks off is aborted', async (_case, headers) => {
  const bodyRead = deferred<BodyRead>();
  const server = createHttp2Server((request, response) => {
    response.on('error', () => {});
    const limits = bodyLimits(100, NEVER_MS);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- node's compatibility layer
    readNodeBody(request as never, limits, { grantId: 'g', onChunk: () => {}, onRead: bodyRead.resolve });
  });
  const client = connectHttp2(`http://127.0.0.1:${await listenForTest(server)}`);
  onTestFinished(() => client.destroy());
  await once(client, 'connect');
  const stream = client.request({ ':method': 'POST', ...headers }, { endStream: false });
  stream.on('error', () => {});
  stream.write('half');
  stream.close(constants.NGHTTP2_CANCEL);
  expect(await bodyRead.promise).toEqual({ problem: 'aborted' });
});
