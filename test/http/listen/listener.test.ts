import { Server } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ListenerError } from '../../../src/errors.js';
import { listen } from '../../../src/http/listen/listener.js';
import { untilIdle } from '../../kit/until-idle.js';
import { exchange, openWire, request } from '../../kit/wire.js';

const OPTIONS = { port: 0, host: '127.0.0.1', tls: undefined, maxConnections: 10_000, onError: () => {} };

test('a port that needs privileges leads to an error that says so', async () => {
  const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
  // Simulated: this machine may allow any port.
  const listenSpy = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listenSpy.mockRestore());
  listenSpy.mockImplementation(function listenDenied(this: Server) {
    queueMicrotask(() => this.emit('error', denied));
    return this;
  });
  const listening = listen(() => {}, { ...OPTIONS, port: 80, host: undefined });
  await expect(listening).rejects.toThrow(ListenerError);
  await expect(listening).rejects.toThrow(/^Cannot listen on all interfaces, port 80: .*no permission/);
});

test('an address of another machine leads to an error with the reason', async () => {
  const listening = listen(() => {}, { ...OPTIONS, host: '192.0.2.1' });
  await expect(listening).rejects.toThrow(ListenerError);
  await expect(listening).rejects.toThrow(/^Cannot listen on 192\.0\.2\.1, port 0: .*EADDRNOTAVAIL/);
});

test('an error while listening is reported, and does not end the process', async () => {
  const errors: Error[] = [];
  const listenSpy = vi.spyOn(Server.prototype, 'listen');
  const listener = await listen(() => {}, { ...OPTIONS, onError: (error) => void errors.push(error) });
  onTestFinished(() => listener.close({ force: true }));
  const [server] = listenSpy.mock.contexts;
  listenSpy.mockRestore();
  const acceptError = new Error('accept EMFILE');
  if (server instanceof Server) server.emit('error', acceptError);
  expect(errors).toEqual([acceptError]);
});

test('closing does not wait for connections without a complete request', async () => {
  const listener = await listen((_request, response) => void response.end(), OPTIONS);
  const silentWire = await openWire(listener.port);
  const incompleteWire = await openWire(listener.port);
  incompleteWire.send('POST / HTTP/1.1\r\nHost: here\r\n');
  // This answer proves that both wires have connected.
  expect((await exchange(listener.port, request('GET', '/'))).status).toBe(200);
  await listener.close();
  await Promise.all([silentWire.closed, incompleteWire.closed]);
});

test('closing waits for pending answers, unless it is forced', async () => {
  const answers: (() => void)[] = [];
  const listener = await listen((_request, response) => void answers.push(() => response.end('late')), OPTIONS);
  const pendingWire = await openWire(listener.port);
  pendingWire.send(request('GET', '/'));
  await expect.poll(() => answers.length).toBe(1);
  let isClosed = false;
  const closing = listener.close().then(() => (isClosed = true));
  await untilIdle();
  expect(isClosed).toBe(false);
  for (const answer of answers) answer();
  expect((await pendingWire.answer()).status).toBe(200);
  await closing;
  await pendingWire.closed;
  await expect(exchange(listener.port, request('GET', '/'))).rejects.toThrow('ECONNREFUSED');

  const forcedListener = await listen(() => {}, OPTIONS);
  const wire = await openWire(forcedListener.port);
  wire.send(request('GET', '/'));
  const firstClose = forcedListener.close();
  expect(forcedListener.close({ force: true })).toBe(firstClose);
  await firstClose;
  await wire.closed;
});

test('C6 a connection over the limit is closed at once, and the next is accepted after another has ended', async () => {
  let dropCount = 0;
  const options = { ...OPTIONS, maxConnections: 2, onDrop: () => void (dropCount += 1) };
  const listener = await listen((_request, response) => void response.end('here'), options);
  onTestFinished(() => listener.close({ force: true }));
  const [first, second] = [await openWire(listener.port), await openWire(listener.port)];
  for (const wire of [first, second]) {
    wire.send(request('GET', '/'));
    expect((await wire.answer()).status).toBe(200);
  }
  const third = await openWire(listener.port);
  await third.closed;
  expect(dropCount).toBe(1);
  first.socket.destroy();
  await expect
    .poll(async () => (await exchange(listener.port, request('GET', '/')).catch(() => undefined))?.status)
    .toBe(200);
});
