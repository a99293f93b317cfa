import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import type { CallbackApp } from '../../../src/http/app.js';
import { attach } from '../../../src/http/listen/attach.js';
import { exchange, request } from '../../kit/wire.js';

const appAt = (prefix: string): CallbackApp => ({
  isOurs: (_method, target) => target.startsWith(prefix),
  fetch: () => Promise.resolve(new Response(prefix)),
  nodeHandler: (_request, response) => void response.setHeader('Content-Length', prefix.length).end(prefix),
});

async function listening(): Promise<{ readonly server: Server; readonly ask: (path: string) => Promise<string> }> {
  const server = createServer((_request, response) => void response.setHeader('Content-Length', 6).end('theirs'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { server, ask: async (path) => (await exchange(port, request('GET', path))).body };
}

test('two may be attached, and be taken off in either order', async () => {
  for (const order of ['first', 'last']) {
    const { server, ask } = await listening();
    const offA = attach(server, appAt('/a'));
    const offB = attach(server, appAt('/b'));
    expect([await ask('/a'), await ask('/b'), await ask('/c')]).toEqual(['/a', '/b', 'theirs']);
    if (order === 'first') offA();
    else offB();
    expect([await ask('/a'), await ask('/b')]).toEqual(order === 'first' ? ['theirs', '/b'] : ['/a', 'theirs']);
    if (order === 'first') offB();
    else offA();
    expect([await ask('/a'), await ask('/b')]).toEqual(['theirs', 'theirs']);
  }
});

test('an emit of the server’s own is put back', async () => {
  const { server, ask } = await listening();
  let emitted = 0;
  const emit: unknown = Reflect.get(server, 'emit');
  if (typeof emit !== 'function') throw new Error('a server emits');
  const own: Server['emit'] = (event: string, ...values: unknown[]) => {
    emitted += 1;
    return Reflect.apply(emit, server, [event, ...values]) === true;
  };
  server.emit = own;
  const off = attach(server, appAt('/a'));
  expect([await ask('/a'), await ask('/b')]).toEqual(['/a', 'theirs']);
  expect(emitted).toBeGreaterThan(0);
  off();
  expect(Reflect.get(server, 'emit')).toBe(own);
});

test('other events are handed on, with what their listeners return', async () => {
  const server = createServer(() => {});
  const off = attach(server, appAt('/a'));
  const heard: unknown[] = [];
  server.on('something', (...values) => void heard.push(values));
  expect(server.emit('something', 1, 2)).toBe(true);
  expect(server.emit('nothing')).toBe(false);
  expect(server.emit('request', 'nonsense')).toBe(true);
  expect(heard).toEqual([[1, 2]]);
  off();
});
