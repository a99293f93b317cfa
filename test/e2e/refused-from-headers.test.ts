import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startService } from 'websub-subscriber';
import { manualClock } from '../kit/manual-clock.js';
import { fieldsOf, signatureOf, signedPost, subscribed, type Subscribed } from '../kit/subscribed.js';
import { exchange, openWire, request, type WireAnswer } from '../kit/wire.js';
import { reader } from '../kit/world.js';

const MALFORMED = { 'X-Hub-Signature': 'sha256=00' };
const OTHER_ALGORITHM = { 'X-Hub-Signature': `md5=${'0'.repeat(32)}` };
const WELL_FORMED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };
const EXPECTING = { Expect: '100-continue' };
const LONG = { 'Content-Length': '1000000' };

/** The answer to a head whose body does not come, and the connection it closes. */
async function answerToHead(
  { port }: Pick<Subscribed, 'port'>,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<WireAnswer> {
  const wire = await openWire(port);
  wire.send(request('POST', path, { ...LONG, ...headers }));
  const answer = await wire.answer();
  await wire.closed;
  return answer;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  return (server.address() as AddressInfo).port;
}

describe('C6 content is refused from its headers alone', () => {
  test.each([
    ['no signature', {}],
    ['an empty signature', { 'X-Hub-Signature': '' }],
    ['a malformed signature', MALFORMED],
    ['an algorithm that is not allowed', OTHER_ALGORITHM],
    ['no signature, in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('with %s: 403, and the connection is closed', async (_what, headers) => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    const framing = 'Transfer-Encoding' in headers ? {} : LONG;
    wire.send(request('POST', given.path, { ...framing, ...headers }));
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 403, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: 'the content is not signed as it has to be' });
    expect((await given.snapshot()).stats.rejected).toBe(1);
    await wire.closed;
    expect((await given.post('news')).status).toBe(202);
  });

  test('with 202 by option', async () => {
    const given = await subscribed({ config: { signature: { onFailure: 'acknowledge' } } });
    const answer = await answerToHead(given, given.path, MALFORMED);
    expect(answer).toMatchObject({ status: 202, body: '', headers: { connection: 'close', 'content-length': '0' } });
    expect(given.events).toEqual([]);
  });

  test('with 404 on an unknown callback, and 410 on one that has ended', async () => {
    const given = await subscribed();
    expect(await answerToHead(given, '/websub/unknown', WELL_FORMED)).toMatchObject({
      status: 404,
      headers: { connection: 'close' },
    });
    await given.runtime.unsubscribe((await given.snapshot()).id);
    await given.hub.unsubscribed(given.topic);
    expect(await answerToHead(given, given.path, WELL_FORMED)).toMatchObject({
      status: 410,
      headers: { connection: 'close' },
    });
  });

  test('with 503 where there is no room', async () => {
    const given = await subscribed({
      seams: manualClock().seams,
      config: { delivery: { maxPending: 1 } },
      handlers: {
        onEventNotification: () => {
          throw new Error('not now');
        },
      },
    });
    expect((await given.post('kept')).status).toBe(202);
    expect(await answerToHead(given, given.path, WELL_FORMED)).toMatchObject({
      status: 503,
      headers: { connection: 'close', 'retry-after': '30' },
    });
    expect(await answerToHead(given, given.path, MALFORMED)).toMatchObject({ status: 403 });
  });

  test('but a wrong signature is found out only when the body was read', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...WELL_FORMED, 'Content-Length': '8' }));
    wire.send('half');
    wire.send('half');
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 403, headers: { connection: 'keep-alive' } });
    wire.send(signedPost(given.path, 'news'));
    expect((await wire.answer()).status).toBe(202);
  });

  test('and the connection is kept where the body has come already', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    for (const [path, headers, status] of [
      [given.path, {}, 403],
      [given.path, MALFORMED, 403],
      ['/websub/unknown', WELL_FORMED, 404],
    ] as const) {
      wire.send(request('POST', path, headers, 'a body that nobody reads'));
      expect(await wire.answer()).toMatchObject({ status, headers: { connection: 'keep-alive' } });
    }
    wire.send(signedPost(given.path, 'news'));
    expect((await wire.answer()).status).toBe(202);
  });

  test('and accepted all the same where a secret is not required', async () => {
    const given = await subscribed({ config: { secret: false } });
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...MALFORMED, 'Content-Length': '8' }));
    wire.send('half');
    wire.send('half');
    expect((await wire.answer()).status).toBe(202);
  });

  test('by fetch too: nothing of the body is read', async () => {
    const { runtime, path, snapshot } = await subscribed();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({ pull: () => void (pulls += 1) }, { highWaterMark: 0 });
    const given: RequestInit = { method: 'POST', body, duplex: 'half' };
    expect((await runtime.fetch(new Request(`https://any.test${path}`, given))).status).toBe(403);
    expect(pulls).toBe(0);
    expect((await snapshot()).stats.rejected).toBe(1);
  });
});

describe('C6 a sender that waits for a 100', () => {
  test('gets none where it is refused', async () => {
    const given = await subscribed();
    expect(await answerToHead(given, given.path, { ...EXPECTING, ...MALFORMED })).toMatchObject({ status: 403 });
    expect(await answerToHead(given, '/websub/unknown', EXPECTING)).toMatchObject({ status: 404 });
    expect(await answerToHead(given, '/elsewhere', EXPECTING)).toMatchObject({ status: 404 });
  });

  test('gets none on a server that is somebody else’s, whose own pages go on as before', async () => {
    const server = createServer((incoming, response) => {
      incoming.resume().once('end', () => response.setHeader('Content-Length', 6).end('theirs'));
    });
    const port = await listening(server);
    const given = await subscribed({ port, options: { server } });
    expect(await answerToHead(given, given.path, { ...EXPECTING, ...MALFORMED })).toMatchObject({ status: 403 });

    const wire = await openWire(port);
    wire.send(
      request('POST', given.path, { ...EXPECTING, 'X-Hub-Signature': signatureOf('news'), 'Content-Length': '4' }),
    );
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    wire.send(request('POST', '/theirs', { ...EXPECTING, 'Content-Length': '4' }));
    expect((await wire.answer()).status).toBe(100);
    wire.send('form');
    expect(await wire.answer()).toMatchObject({ status: 200, body: 'theirs' });

    await given.runtime.stop();
    expect(server.listenerCount('checkContinue')).toBe(0);
  });

  test('gets one, and one answer, where two runtimes are on a server', async () => {
    const server = createServer((_incoming, response) => void response.setHeader('Content-Length', 6).end('theirs'));
    const port = await listening(server);
    const given = await subscribed({ port, options: { server } });
    const second = await startService(reader().service, {
      server,
      store: 'memory',
      logger: false,
      basePath: '/second',
      publicUrl: `http://127.0.0.1:${port}`,
    });
    onTestFinished(() => second.stopNow());
    const wire = await openWire(port);
    wire.send(request('POST', '/theirs', { ...EXPECTING, 'Content-Length': '4' }));
    expect((await wire.answer()).status).toBe(100);
    wire.send('form');
    expect((await wire.answer()).body).toBe('theirs');
    const signed = { ...EXPECTING, 'X-Hub-Signature': signatureOf('news'), 'Content-Length': '4' };
    wire.send(request('POST', given.path, signed));
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    expect((await exchange(port, request('POST', '/second/unknown', { ...EXPECTING, ...LONG }))).status).toBe(404);
  });
});
