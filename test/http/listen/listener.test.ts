import { Server } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ListenerError } from '../../../src/errors.js';
import { listen } from '../../../src/http/listen/listener.js';
import { exchange, openWire, request } from '../../kit/wire.js';

const HERE = { port: 0, host: '127.0.0.1', tls: undefined, maxConnections: 10_000, onError: () => {} };

test('a port that needs privileges is refused with an error that says so', async () => {
  const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
  // This machine may let anybody use any port.
  const listenOf = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listenOf.mockRestore());
  listenOf.mockImplementation(function listenDenied(this: Server) {
    queueMicrotask(() => this.emit('error', denied));
    return this;
  });
  const failed = listen(() => {}, { ...HERE, port: 80, host: undefined });
  await expect(failed).rejects.toThrow(ListenerError);
  await expect(failed).rejects.toThrow('Cannot listen on all interfaces, port 80: this process may not use that port');
});

test('an address that is not this machine’s is refused with its reason', async () => {
  const failed = listen(() => {}, { ...HERE, host: '192.0.2.1' });
  await expect(failed).rejects.toThrow(ListenerError);
  await expect(failed).rejects.toThrow(/^Cannot listen on 192\.0\.2\.1, port 0: .*EADDRNOTAVAIL/);
});

test('an error while it listens is told, and does not end the process', async () => {
  const told: Error[] = [];
  const emitter = vi.spyOn(Server.prototype, 'listen');
  const listener = await listen(() => {}, { ...HERE, onError: (error) => void told.push(error) });
  onTestFinished(() => listener.close({ force: true }));
  const [server] = emitter.mock.contexts;
  emitter.mockRestore();
  const exhausted = new Error('accept EMFILE');
  if (server instanceof Server) server.emit('error', exhausted);
  expect(told).toEqual([exhausted]);
});

test('closing does not wait for whoever has connected and asked for nothing', async () => {
  const listener = await listen((_request, response) => void response.end(), HERE);
  const silent = await openWire(listener.port);
  const half = await openWire(listener.port);
  half.send('POST / HTTP/1.1\r\nHost: here\r\n');
  // Answered after both have connected.
  expect((await exchange(listener.port, request('GET', '/'))).status).toBe(200);
  await listener.close();
  await Promise.all([silent.closed, half.closed]);
});

test('closing lets answers leave, and by force does not', async () => {
  const answers: (() => void)[] = [];
  const listener = await listen((_request, response) => void answers.push(() => response.end('late')), HERE);
  const polite = await openWire(listener.port);
  polite.send(request('GET', '/'));
  await expect.poll(() => answers.length).toBe(1);
  const closed = listener.close();
  for (const answer of answers) answer();
  expect((await polite.answer()).status).toBe(200);
  await closed;
  await polite.closed;
  await expect(exchange(listener.port, request('GET', '/'))).rejects.toThrow('ECONNREFUSED');

  const other = await listen(() => {}, HERE);
  const wire = await openWire(other.port);
  wire.send(request('GET', '/'));
  const first = other.close();
  expect(other.close({ force: true })).toBe(first);
  await first;
  await wire.closed;
});

test('C6 past the number of connections another one is closed at once, and taken when one has ended', async () => {
  let dropped = 0;
  const few = { ...HERE, maxConnections: 2, onDrop: () => void (dropped += 1) };
  const listener = await listen((_request, response) => void response.end('here'), few);
  onTestFinished(() => listener.close({ force: true }));
  const [first, second] = [await openWire(listener.port), await openWire(listener.port)];
  for (const wire of [first, second]) {
    wire.send(request('GET', '/'));
    expect((await wire.answer()).status).toBe(200);
  }
  const third = await openWire(listener.port);
  await third.closed;
  expect(dropped).toBe(1);
  first.socket.destroy();
  await expect
    .poll(async () => (await exchange(listener.port, request('GET', '/')).catch(() => undefined))?.status)
    .toBe(200);
});
