import { createServer, type Server } from 'node:http';
import { expect, test } from 'vitest';
import type { CallbackApp } from '../../../src/http/app.js';
import { attach } from '../../../src/http/listen/attach.js';
import { exchange, request } from '../../kit/wire.js';
import { startUserServer } from '../../kit/user-server.js';

const appAt = (prefix: string): CallbackApp => ({
  isOurs: (_method, target) => target.startsWith(prefix),
  fetch: () => Promise.resolve(new Response(prefix)),
  nodeHandler: (_request, response) => void response.setHeader('Content-Length', prefix.length).end(prefix),
});

async function startServerAndClient(): Promise<{
  readonly server: Server;
  readonly ask: (path: string) => Promise<string>;
}> {
  const { server, port } = await startUserServer();
  return { server, ask: async (path) => (await exchange(port, request('GET', path))).body };
}

test('two apps can be attached, and detached in either order', async () => {
  for (const order of ['first', 'last']) {
    const { server, ask } = await startServerAndClient();
    const detachA = attach(server, appAt('/a'));
    const detachB = attach(server, appAt('/b'));
    expect([await ask('/a'), await ask('/b'), await ask('/c')]).toEqual(['/a', '/b', 'theirs']);
    if (order === 'first') detachA();
    else detachB();
    expect([await ask('/a'), await ask('/b')]).toEqual(order === 'first' ? ['theirs', '/b'] : ['/a', 'theirs']);
    if (order === 'first') detachB();
    else detachA();
    expect([await ask('/a'), await ask('/b')]).toEqual(['theirs', 'theirs']);
  }
});

test('a custom emit of the server is restored', async () => {
  const { server, ask } = await startServerAndClient();
  let emitCount = 0;
  const emit: unknown = Reflect.get(server, 'emit');
  if (typeof emit !== 'function') throw new Error('a server emits');
  const userEmit: Server['emit'] = (event: string, ...values: unknown[]) => {
    emitCount += 1;
    return Reflect.apply(emit, server, [event, ...values]) === true;
  };
  server.emit = userEmit;
  const detach = attach(server, appAt('/a'));
  expect([await ask('/a'), await ask('/b')]).toEqual(['/a', 'theirs']);
  expect(emitCount).toBeGreaterThan(0);
  detach();
  expect(Reflect.get(server, 'emit')).toBe(userEmit);
});

test('other events are forwarded, with the result of emit', async () => {
  const server = createServer(() => {});
  const detach = attach(server, appAt('/a'));
  const received: unknown[] = [];
  server.on('something', (...values) => void received.push(values));
  expect(server.emit('something', 1, 2)).toBe(true);
  expect(server.emit('nothing')).toBe(false);
  expect(server.emit('request', 'nonsense')).toBe(true);
  expect(received).toEqual([[1, 2]]);
  detach();
});
