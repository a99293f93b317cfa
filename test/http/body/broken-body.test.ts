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

const partial = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 10\r\n\r\nnews';
const whole = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 4\r\n\r\nnews';

/** Sends a request and reads its body. Calls `duringRead` once reading has started. */
async function readBodyOf(rawRequest: string, duringRead: (request: IncomingMessage) => void): Promise<BodyRead> {
  const read = deferred<BodyRead>();
  const server = createServer((request, response) => {
    const onRead = (body: BodyRead): void => {
      response.end();
      read.resolve(body);
    };
    readNodeBody(request, bodyLimits(100, NEVER_MS), { grantId: 'g', onChunk: () => {}, onRead });
    duringRead(request);
  });
  const socket = connect(await listenForTest(server), '127.0.0.1');
  await waitForConnection(socket);
  socket.write(rawRequest);
  return read.promise;
}

async function waitForConnection(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
}

test.each<[time: string, abort: (request: IncomingMessage) => void]>([
  ['in the tick of its head', (request) => request.destroy()],
  ['in that tick, with an error', (request) => request.destroy(new Error('aborted'))],
  ['at the next tick', (request) => process.nextTick(() => request.destroy())],
  ['later', (request) => setTimeout(() => request.destroy(), 20)],
  ['with its connection', (request) => setTimeout(() => request.socket.destroy(), 20)],
])('a body whose request is destroyed %s is aborted at once', async (_case, abort) => {
  expect(await readBodyOf(partial, abort)).toEqual({ problem: 'aborted' });
});

test('an error that a request emits after its body was read does not end the process', async () => {
  let read: IncomingMessage | undefined;
  expect(await readBodyOf(whole, (request) => (read = request))).toEqual({ bytes: Buffer.from('news') });
  expect(() => read?.emit('error', new Error('late'))).not.toThrow();
});

test('bodies that stall at the same time are all reported, each in the context of its own request', async () => {
  const requests = new AsyncLocalStorage<number>();
  const reads: unknown[] = [];
  let lastId = 0;
  const server = createServer((request, response) => {
    lastId += 1;
    const onRead = (read: BodyRead): void => {
      reads.push([read, requests.getStore()]);
      response.end();
    };
    const limits = bodyLimits(100, 50);
    requests.run(lastId, () => readNodeBody(request, limits, { grantId: 'g', onChunk: () => {}, onRead }));
  });
  const port = await listenForTest(server);
  const sockets = [0, 1, 2].map(() => connect(port, '127.0.0.1'));
  for (const socket of sockets) await waitForConnection(socket);
  for (const socket of sockets) socket.write(partial);
  await expect.poll(() => reads).toEqual([1, 2, 3].map((request) => [{ problem: 'stalled' }, request]));
});

test.each<[length: string, headers: Record<string, string>]>([
  ['an announced length', { 'content-length': '100' }],
  ['no announced length', {}],
])('a body that breaks off over HTTP/2 with %s is aborted', async (_case, headers) => {
  const aborted = deferred<BodyRead>();
  const server = createHttp2Server((request, response) => {
    response.on('error', () => {});
    const limits = bodyLimits(100, NEVER_MS);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- node's compatibility layer
    readNodeBody(request as never, limits, { grantId: 'g', onChunk: () => {}, onRead: aborted.resolve });
  });
  const client = connectHttp2(`http://127.0.0.1:${await listenForTest(server)}`);
  onTestFinished(() => client.destroy());
  await once(client, 'connect');
  const stream = client.request({ ':method': 'POST', ...headers }, { endStream: false });
  stream.on('error', () => {});
  stream.write('half');
  stream.close(constants.NGHTTP2_CANCEL);
  expect(await aborted.promise).toEqual({ problem: 'aborted' });
});
