import { createServer } from 'node:http';
import { REASON } from '../../../src/http/answer-reasons.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startService } from 'websub-subscriber';
import { ManualClock } from '../../kit/manual-clock.js';
import { fieldsOf, signatureOf, signedPost, subscribed, type Subscribed } from '../../kit/subscribed.js';
import { exchange, openWire, request, type WireAnswer } from '../../kit/wire.js';
import { recordingService } from '../../kit/recording-service.js';
import { startUserServer } from '../../kit/user-server.js';
import { listenForTest } from '../../kit/listen-for-test.js';

const MALFORMED = { 'X-Hub-Signature': 'sha256=00' };
const OTHER_ALGORITHM = { 'X-Hub-Signature': `md5=${'0'.repeat(32)}` };
const WELL_FORMED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };
const EXPECT_CONTINUE = { Expect: '100-continue' };
const LONG = { 'Content-Length': '1000000' };

/** Sends headers without a body. Returns the answer, once the connection is closed. */
async function answerToHeaders(
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

describe('C6 content', () => {
  test.each([
    ['no signature', {}],
    ['an empty signature', { 'X-Hub-Signature': '' }],
    ['a malformed signature', MALFORMED],
    ['an algorithm that is not allowed', OTHER_ALGORITHM],
    ['no signature, in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('with %s is refused with 403 from its headers alone, and the connection is closed', async (_what, headers) => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    const framing = 'Transfer-Encoding' in headers ? {} : LONG;
    wire.send(request('POST', subscriber.path, { ...framing, ...headers }));
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 403, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.wrongSignature });
    expect((await subscriber.snapshot()).stats.rejected).toBe(1);
    await wire.closed;
    expect((await subscriber.post('news')).status).toBe(202);
  });

  test('with a malformed signature is answered 202 from its headers alone if onFailure is acknowledge', async () => {
    const subscriber = await subscribed({ config: { signature: { onFailure: 'acknowledge' } } });
    const answer = await answerToHeaders(subscriber, subscriber.path, MALFORMED);
    expect(answer).toMatchObject({ status: 202, body: '', headers: { connection: 'close', 'content-length': '0' } });
    expect(subscriber.events).toEqual([]);
  });

  test('is refused from its headers alone with 404 on an unknown callback, and with 410 on an ended one', async () => {
    const subscriber = await subscribed();
    expect(await answerToHeaders(subscriber, '/websub/unknown', WELL_FORMED)).toMatchObject({
      status: 404,
      headers: { connection: 'close' },
    });
    await subscriber.runtime.unsubscribe((await subscriber.snapshot()).id);
    await subscriber.hub.unsubscribed(subscriber.topic);
    expect(await answerToHeaders(subscriber, subscriber.path, WELL_FORMED)).toMatchObject({
      status: 410,
      headers: { connection: 'close' },
    });
  });

  test('is refused with 503 from its headers alone if the inbox is full', async () => {
    const subscriber = await subscribed({
      seams: new ManualClock(Date.now()),
      config: { delivery: { maxPending: 1 } },
      handlers: {
        onEventNotification: () => {
          throw new Error('not now');
        },
      },
    });
    expect((await subscriber.post('kept')).status).toBe(202);
    expect(await answerToHeaders(subscriber, subscriber.path, WELL_FORMED)).toMatchObject({
      status: 503,
      headers: { connection: 'close', 'retry-after': '30' },
    });
    expect(await answerToHeaders(subscriber, subscriber.path, MALFORMED)).toMatchObject({ status: 403 });
  });

  test('with a wrong signature is refused after its body was read, and the connection stays open', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...WELL_FORMED, 'Content-Length': '8' }));
    wire.send('half');
    wire.send('half');
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 403, headers: { connection: 'keep-alive' } });
    wire.send(signedPost(subscriber.path, 'news'));
    expect((await wire.answer()).status).toBe(202);
  });

  test('whose body has already arrived is refused, and the connection stays open', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    for (const [path, headers, status] of [
      [subscriber.path, {}, 403],
      [subscriber.path, MALFORMED, 403],
      ['/websub/unknown', WELL_FORMED, 404],
    ] as const) {
      wire.send(request('POST', path, headers, 'a body that nobody reads'));
      expect(await wire.answer()).toMatchObject({ status, headers: { connection: 'keep-alive' } });
    }
    wire.send(signedPost(subscriber.path, 'news'));
    expect((await wire.answer()).status).toBe(202);
  });

  test('with a malformed signature is accepted if the subscription has no secret', async () => {
    const subscriber = await subscribed({ config: { secret: false } });
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...MALFORMED, 'Content-Length': '8' }));
    wire.send('half');
    wire.send('half');
    expect((await wire.answer()).status).toBe(202);
  });

  test('without a signature is refused by runtime.fetch() before its body is read', async () => {
    const { runtime, path, snapshot } = await subscribed();
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({ pull: () => void (pulls += 1) }, { highWaterMark: 0 });
    const init: RequestInit = { method: 'POST', body, duplex: 'half' };
    expect((await runtime.fetch(new Request(`https://any.test${path}`, init))).status).toBe(403);
    expect(pulls).toBe(0);
    expect((await snapshot()).stats.rejected).toBe(1);
  });
});

describe('C6 a sender that waits for 100 Continue', () => {
  test('gets no 100 if its content is refused', async () => {
    const subscriber = await subscribed();
    expect(await answerToHeaders(subscriber, subscriber.path, { ...EXPECT_CONTINUE, ...MALFORMED })).toMatchObject({
      status: 403,
    });
    expect(await answerToHeaders(subscriber, '/websub/unknown', EXPECT_CONTINUE)).toMatchObject({ status: 404 });
    expect(await answerToHeaders(subscriber, '/elsewhere', EXPECT_CONTINUE)).toMatchObject({ status: 404 });
  });

  test('gets no 100 for refused content on the application’s server, whose own routes work as before', async () => {
    const server = createServer((incoming, response) => {
      incoming.resume().once('end', () => response.setHeader('Content-Length', 6).end('theirs'));
    });
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server } });
    expect(await answerToHeaders(subscriber, subscriber.path, { ...EXPECT_CONTINUE, ...MALFORMED })).toMatchObject({
      status: 403,
    });

    const wire = await openWire(port);
    wire.send(
      request('POST', subscriber.path, {
        ...EXPECT_CONTINUE,
        'X-Hub-Signature': signatureOf('news'),
        'Content-Length': '4',
      }),
    );
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    wire.send(request('POST', '/theirs', { ...EXPECT_CONTINUE, 'Content-Length': '4' }));
    expect((await wire.answer()).status).toBe(100);
    wire.send('form');
    expect(await wire.answer()).toMatchObject({ status: 200, body: 'theirs' });

    await subscriber.runtime.stop();
    expect(server.listenerCount('checkContinue')).toBe(0);
  });

  test('gets one 100 and one answer if two runtimes share a server', async () => {
    const { server, port } = await startUserServer();
    const subscriber = await subscribed({ port, options: { server } });
    const secondRuntime = await startService(recordingService().service, {
      server,
      store: 'memory',
      logger: false,
      basePath: '/second',
      publicUrl: `http://127.0.0.1:${port}`,
    });
    onTestFinished(() => secondRuntime.stopNow());
    const wire = await openWire(port);
    wire.send(request('POST', '/theirs', { ...EXPECT_CONTINUE, 'Content-Length': '4' }));
    expect((await wire.answer()).status).toBe(100);
    wire.send('form');
    expect((await wire.answer()).body).toBe('theirs');
    const signed = { ...EXPECT_CONTINUE, 'X-Hub-Signature': signatureOf('news'), 'Content-Length': '4' };
    wire.send(request('POST', subscriber.path, signed));
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    expect((await exchange(port, request('POST', '/second/unknown', { ...EXPECT_CONTINUE, ...LONG }))).status).toBe(
      404,
    );
  });
});
