import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readNodeBody } from '../../../src/http/body/read-body.js';
import type { BodyRead } from '../../../src/http/callback-request.js';
import { deferred } from '../../kit/fake-world.js';
import { bodyLimits } from './body-limits.js';

/** Longer than a test may take: nothing ends by it. */
const NEVER_MS = 60_000;

const partial = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 10\r\n\r\nnews';
const whole = 'POST / HTTP/1.1\r\nhost: me\r\ncontent-length: 4\r\n\r\nnews';

/** What is read of the body of a request; `meanwhile` is called when the reading has begun. */
async function readOf(sent: string, meanwhile: (request: IncomingMessage) => void): Promise<BodyRead> {
  const read = deferred<BodyRead>();
  const server = createServer((request, response) => {
    const onRead = (body: BodyRead): void => {
      response.end();
      read.resolve(body);
    };
    readNodeBody(request, bodyLimits(100, NEVER_MS), { grantId: 'g', onChunk: () => {}, onRead });
    meanwhile(request);
  });
  const socket = connect(await listening(server), '127.0.0.1');
  await opened(socket);
  socket.write(sent);
  return read.promise;
}

async function listening(server: Server | ReturnType<typeof createHttp2Server>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port has an AddressInfo
  return (server.address() as AddressInfo).port;
}

async function opened(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
}

test.each<[when: string, giveUp: (request: IncomingMessage) => void]>([
  ['in the turn of its head', (request) => request.destroy()],
  ['in that turn, with an error', (request) => request.destroy(new Error('given up'))],
  ['at the next tick', (request) => process.nextTick(() => request.destroy())],
  ['later', (request) => setTimeout(() => request.destroy(), 20)],
  ['with its connection', (request) => setTimeout(() => request.socket.destroy(), 20)],
])('a body that is given up %s is aborted, and not waited for', async (_, giveUp) => {
  expect(await readOf(partial, giveUp)).toEqual({ problem: 'aborted' });
});

test('an error that a request emits when its body has been read ends no process', async () => {
  let read: IncomingMessage | undefined;
  expect(await readOf(whole, (request) => (read = request))).toEqual({ bytes: Buffer.from('news') });
  expect(() => read?.emit('error', new Error('late'))).not.toThrow();
});

test('bodies that stall in the same turn all do, each as the work of its own request', async () => {
  const requests = new AsyncLocalStorage<number>();
  const found: unknown[] = [];
  let last = 0;
  const server = createServer((request, response) => {
    last += 1;
    const onRead = (read: BodyRead): void => {
      found.push([read, requests.getStore()]);
      response.end();
    };
    const limits = bodyLimits(100, 50);
    requests.run(last, () => readNodeBody(request, limits, { grantId: 'g', onChunk: () => {}, onRead }));
  });
  const port = await listening(server);
  const sockets = [0, 1, 2].map(() => connect(port, '127.0.0.1'));
  for (const socket of sockets) await opened(socket);
  for (const socket of sockets) socket.write(partial);
  await expect.poll(() => found).toEqual([1, 2, 3].map((request) => [{ problem: 'stalled' }, request]));
});

test.each<[length: string, headers: Record<string, string>]>([
  ['an announced length', { 'content-length': '100' }],
  ['no announced length', {}],
])('over HTTP/2, with %s, a body that breaks off is aborted', async (_, length) => {
  const aborted = deferred<BodyRead>();
  const server = createHttp2Server((request, response) => {
    response.on('error', () => {});
    const limits = bodyLimits(100, NEVER_MS);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- node's own layer of compatibility
    readNodeBody(request as never, limits, { grantId: 'g', onChunk: () => {}, onRead: aborted.resolve });
  });
  const client = connectHttp2(`http://127.0.0.1:${await listening(server)}`);
  onTestFinished(() => client.destroy());
  await once(client, 'connect');
  const stream = client.request({ ':method': 'POST', ...length }, { endStream: false });
  stream.on('error', () => {});
  stream.write('half');
  stream.close(constants.NGHTTP2_CANCEL);
  expect(await aborted.promise).toEqual({ problem: 'aborted' });
});
