import { createServer, IncomingMessage } from 'node:http';
import { REASON } from '../../../src/http/answer-reasons.js';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { fieldsOf, signatureOf, signedPost, subscribed, verification, type Subscribed } from '../../kit/subscribed.js';
import { exchange, openWire, request } from '../../kit/wire.js';
import { listenForTest } from '../../kit/listen-for-test.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startUserServer } from '../../kit/user-server.js';

const CAP = 100_000;
const subscribedWithCap = (): Promise<Subscribed> =>
  subscribed({ options: { security: { maxBodyBytes: CAP, bodyTimeoutMs: 150 } } });

/** A signature header. Without one, a body is not read. */
const SIGNED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };

/** Checks that a valid delivery still arrives and nothing was logged as an error. */
async function expectDeliveryWorks({ post, events, logger }: Subscribed): Promise<void> {
  const countBefore = events.length;
  expect((await post('good news')).status).toBe(202);
  expect(events.slice(countBefore).map((event) => event.text())).toEqual(['good news']);
  expect(logger.events('error')).toEqual([]);
  expect(logger.events('fatal')).toEqual([]);
}

/** Frees the objects that nothing refers to. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** Bytes in buffers that something refers to. */
function retainedBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

describe('C8 a request for an unknown path with an invalid Host', () => {
  test.each(['[::1]:99999', 'a b', 'x:y', '', '%'])('%j is answered, and the service keeps running', async (host) => {
    const subscriber = await subscribedWithCap();
    const answer = await exchange(
      subscriber.port,
      `GET /nothing?y#z HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect([400, 404]).toContain(answer.status);
    await expectDeliveryWorks(subscriber);
  });
});

describe('C6 a body over the cap', () => {
  test('with a Content-Length is answered 413 before it is sent', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.bodyTooLarge });
    expect(subscriber.logger.logged('delivery.too-large')).toMatchObject([
      { level: 'warn', fields: { maxBodyBytes: CAP } },
    ]);
    await expectDeliveryWorks(subscriber);
  });

  test('with a Content-Length is answered 413 even if the sender writes the whole body before it reads', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.socket.pause();
    // Bytes up to the cap are read and dropped. Socket buffers hold the others.
    const body = Buffer.alloc(2 * CAP);
    const written = new Promise<void>(
      (resolve) => void wire.socket.write(signedPost(subscriber.path, body), () => resolve()),
    );
    await written;
    wire.socket.resume();
    expect((await wire.answer()).status).toBe(413);
    await wire.closed;
    await expectDeliveryWorks(subscriber);
  });

  test('without a Content-Length is answered 413 when it passes the cap, and later bytes are not kept', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Transfer-Encoding': 'chunked' }));
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x1_0000), Buffer.from('\r\n')]);
    wire.send(chunk);
    wire.send(chunk);
    expect((await wire.answer()).status).toBe(413);
    const bytesBefore = retainedBytes();
    for (let count = 0; count < 768; count += 1) {
      if (!wire.socket.write(chunk)) await Promise.race([once(wire.socket, 'drain'), wire.closed]).catch(() => {});
    }
    // Another thread frees collected buffers, which may take time. Retained buffers are never freed.
    await expect.poll(() => retainedBytes() - bytesBefore, { timeout: 10_000 }).toBeLessThan(8 << 20);
    wire.send('0\r\n\r\n');
    await wire.closed;
    await expectDeliveryWorks(subscriber);
  });

  test('has its connection closed when the sender falls silent', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    expect((await wire.answer()).status).toBe(413);
    const startedAt = Date.now();
    await wire.closed;
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    await expectDeliveryWorks(subscriber);
  });

  test('has its connection closed when the sender does not stop', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': String(1 << 30) }));
    expect((await wire.answer()).status).toBe(413);
    const chunk = Buffer.alloc(1 << 20);
    let chunkCount = 0;
    // More bytes than the server reads and drops, plus the buffers of both sockets.
    for (; chunkCount < 64 && !wire.socket.closed; chunkCount += 1) {
      if (!wire.socket.write(chunk)) await Promise.race([once(wire.socket, 'drain'), wire.closed]).catch(() => {});
    }
    await wire.closed;
    expect(chunkCount).toBeLessThan(32);
    await expectDeliveryWorks(subscriber);
  });

  test('leaves no open connection when the sender resets it, and later deliveries work', async () => {
    const { server, port } = await startUserServer();
    const subscriber = await subscribed({ port, options: { server, security: { maxBodyBytes: CAP } } });
    const accepted = once(server, 'connection');
    const wire = await openWire(port);
    const [connection] = await accepted;
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    expect((await wire.answer()).status).toBe(413);
    wire.socket.resetAndDestroy();
    await expect.poll(() => connection.closed).toBe(true);
    await expectDeliveryWorks(subscriber);
  });

  test('gets 413 instead of the 100 that the sender waits for', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(
      request('POST', subscriber.path, { ...SIGNED, 'Content-Length': String(CAP + 1), Expect: '100-continue' }),
    );
    expect(await wire.answer()).toMatchObject({ status: 413, headers: { connection: 'close' } });
    await wire.closed;
    await expectDeliveryWorks(subscriber);
  });
});

test('C6 a body of exactly the cap is accepted, with a Content-Length and in chunks', async () => {
  const subscriber = await subscribedWithCap();
  const body = Buffer.alloc(CAP, 'x');
  expect((await subscriber.post(body)).status).toBe(202);
  const chunked = { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature': signatureOf(body) };
  const framed = Buffer.concat([Buffer.from(`${CAP.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
  expect(
    (await exchange(subscriber.port, Buffer.concat([request('POST', subscriber.path, chunked), framed]))).status,
  ).toBe(202);
  expect(subscriber.events.map((event) => event.raw.length)).toEqual([CAP, CAP]);
});

describe('C6 a body that stalls', () => {
  test('is cut off with 408', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': '10' }));
    wire.send('half');
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.bodyStalled });
    expect(subscriber.logger.logged('delivery.stalled')).toMatchObject([
      { level: 'warn', fields: { bodyTimeoutMs: 150 } },
    ]);
    await wire.closed;
    expect(subscriber.events).toEqual([]);
    await expectDeliveryWorks(subscriber);
  });

  test('is cut off although bytes trickle in', async () => {
    const subscriber = await subscribedWithCap();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': '1000' }));
    const trickle = setInterval(() => wire.send('x'), 20);
    const answer = await wire.answer();
    clearInterval(trickle);
    expect(answer.status).toBe(408);
    await expectDeliveryWorks(subscriber);
  });
});

describe('a delivery that breaks off', () => {
  test.each(['closed', 'reset'])('because the connection is %s reaches no handler', async (how) => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'Content-Length': '10', 'X-Hub-Signature': signatureOf('half') }));
    wire.send('half');
    await expectDeliveryWorks(subscriber);
    if (how === 'closed') wire.socket.destroy();
    else wire.socket.resetAndDestroy();
    await wire.closed;
    await expectDeliveryWorks(subscriber);
    expect(subscriber.events).toHaveLength(2);
  });

  test('with an invalid chunk is answered 400 by Node.js itself', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'Transfer-Encoding': 'chunked' }));
    wire.send('4\r\nhalfNONSENSE');
    expect((await wire.answer()).status).toBe(400);
    await wire.closed;
    expect(subscriber.events).toEqual([]);
    await expectDeliveryWorks(subscriber);
  });

  test('while the handler runs does not affect the handler', async () => {
    let finish = (): void => {};
    const subscriber = await subscribed({
      handlers: { onEventNotification: () => new Promise<void>((resolve) => void (finish = resolve)) },
    });
    const wire = await openWire(subscriber.port);
    wire.send(signedPost(subscriber.path, 'news'));
    await expect.poll(async () => (await subscriber.snapshot()).stats.received).toBe(1);
    wire.socket.resetAndDestroy();
    await wire.closed;
    finish();
    await expect.poll(async () => (await subscriber.snapshot()).stats.delivered).toBe(1);
    expect(subscriber.logger.events('error')).toEqual([]);
  });
});

test('a body in 200,000 chunks of one byte is delivered whole, and the chunks are freed while it arrives', async () => {
  const chunks: WeakRef<Buffer>[] = [];
  class ObservedRequest extends IncomingMessage {
    override push(chunk: Buffer | null): boolean {
      if (chunk !== null) chunks.push(new WeakRef(chunk));
      return super.push(chunk);
    }
  }
  const server = createServer({ IncomingMessage: ObservedRequest });
  const port = await listenForTest(server);
  const subscriber = await subscribed({ port, options: { server } });
  const chunkCount = 200_000;
  const body = Buffer.alloc(chunkCount, 'x');
  const wire = await openWire(port);
  wire.send(request('POST', subscriber.path, { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature': signatureOf(body) }));
  wire.send(Buffer.from('1\r\nx\r\n'.repeat(chunkCount)));
  await expect.poll(() => chunks.length).toBe(chunkCount);
  // A chunk that is kept takes about a hundred bytes of memory for its one byte.
  await untilIdle();
  collectGarbage();
  expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThan(10);
  wire.send('0\r\n\r\n');
  expect((await wire.answer()).status).toBe(202);
  expect(subscriber.events[0]?.raw).toHaveLength(chunkCount);
  await expectDeliveryWorks(subscriber);
});

describe('invalid UTF-8', () => {
  test('in a challenge is answered 400, because the challenge could not be echoed', async () => {
    const subscriber = await subscribed();
    const query = new URLSearchParams(verification(subscriber.topic.url))
      .toString()
      .replace(/hub\.challenge=[^&]*/, 'hub.challenge=%FF%FE');
    const answer = await exchange(subscriber.port, request('GET', `${subscriber.path}?${query}`));
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual({ reason: REASON.undecodableChallenge });
    await expectDeliveryWorks(subscriber);
  });

  test('in the topic of a verification makes a different topic, which gets 404', async () => {
    const subscriber = await subscribed();
    const target = `${subscriber.path}?hub.mode=subscribe&hub.topic=${subscriber.topic.url}%FF&hub.challenge=c`;
    expect((await exchange(subscriber.port, request('GET', target))).status).toBe(404);
    await expectDeliveryWorks(subscriber);
  });

  test('in our own topic is accepted', async () => {
    const subscriber = await subscribed({ topic: '/caf%E9' });
    const target = `${subscriber.path}?hub.mode=subscribe&hub.topic=${subscriber.topic.url}&hub.challenge=c`;
    expect(await exchange(subscriber.port, request('GET', target))).toMatchObject({ status: 200, body: 'c' });
  });

  test('in other parameters and in a path prefix is ignored, and in the callback itself gets 404', async () => {
    const subscriber = await subscribed();
    const query = new URLSearchParams(verification(subscriber.topic.url)).toString();
    const target = `/%FF%zz${subscriber.path}?%FF=%FE&${query}&hub.lease_seconds=%FF`;
    expect((await exchange(subscriber.port, request('GET', target))).status).toBe(200);
    expect((await exchange(subscriber.port, request('GET', `/websub/%FF?${query}`))).status).toBe(404);
    await expectDeliveryWorks(subscriber);
  });

  test('that is not percent-encoded in a request target is rejected by Node.js itself', async () => {
    const subscriber = await subscribed();
    expect((await exchange(subscriber.port, request('GET', `${subscriber.path}?hub.topic=\u00ff`))).status).toBe(400);
    await expectDeliveryWorks(subscriber);
  });
});

test('V1 a challenge of 1 MiB is rejected by Node.js itself with 431, and by runtime.fetch() with 400', async () => {
  const subscriber = await subscribed();
  const query = new URLSearchParams(
    verification(subscriber.topic.url, { 'hub.challenge': 'x'.repeat(1 << 20) }),
  ).toString();
  expect((await exchange(subscriber.port, request('GET', `${subscriber.path}?${query}`))).status).toBe(431);
  const answer = await subscriber.runtime.fetch(new Request(`http://any.test${subscriber.path}?${query}`));
  expect(answer.status).toBe(400);
  expect(await answer.text()).toBe('reason=hub.challenge+is+too+long');
  await expectDeliveryWorks(subscriber);
});

test('a request with Transfer-Encoding and Content-Length is rejected by Node.js itself', async () => {
  const subscriber = await subscribed();
  const headers = { 'Transfer-Encoding': 'chunked', 'Content-Length': '4', 'X-Hub-Signature': signatureOf('news') };
  expect((await exchange(subscriber.port, request('POST', subscriber.path, headers, 'news'))).status).toBe(400);
  expect(subscriber.events).toEqual([]);
  await expectDeliveryWorks(subscriber);
});

describe('a connection', () => {
  test('serves one request after another', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    const query = new URLSearchParams(verification(subscriber.topic.url)).toString();
    for (const bytes of [
      signedPost(subscriber.path, 'one'),
      request('GET', `${subscriber.path}?${query}`),
      request('POST', subscriber.path, {}, 'unsigned'),
      request('PUT', subscriber.path, {}, 'a body that nobody reads'),
      signedPost('/websub/unknown', 'a body that nobody reads'),
      signedPost(subscriber.path, 'two'),
    ]) {
      wire.send(bytes);
    }
    const statuses: number[] = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await wire.answer()).status);
    expect(statuses).toEqual([202, 200, 403, 405, 404, 202]);
    expect(subscriber.events.map((event) => event.text())).toEqual(['one', 'two']);
  });

  test('of HTTP/1.0 is served, and closed', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    wire.send(
      `POST ${subscriber.path} HTTP/1.0\r\nContent-Length: 4\r\nX-Hub-Signature: ${signatureOf('news')}\r\n\r\nnews`,
    );
    expect(await wire.answer()).toMatchObject({ status: 202, headers: { connection: 'close' } });
    await wire.closed;
    await expectDeliveryWorks(subscriber);
  });

  test('with Expect: 100-continue gets the answer 100 before the body is sent', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    const headers = { Expect: '100-continue', 'Content-Length': '4', 'X-Hub-Signature': signatureOf('news') };
    wire.send(request('POST', subscriber.path, headers));
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    expect(subscriber.events).toHaveLength(1);
  });

  test('that sends no valid HTTP is rejected by Node.js itself', async () => {
    const subscriber = await subscribed();
    const wire = await openWire(subscriber.port);
    wire.send('nonsense\r\n\r\n');
    expect((await wire.answer()).status).toBe(400);
    await wire.closed;
    const silent = connect({ port: subscriber.port, host: '127.0.0.1' });
    await once(silent, 'connect');
    silent.destroy();
    await expectDeliveryWorks(subscriber);
  });
});

describe('a request target', () => {
  test.each([
    ['in absolute form', (path: string) => `http://callback.test${path}`],
    ['in absolute form with another scheme', (path: string) => `https://callback.test:8443/x${path}`],
    ['behind a prefix', (path: string) => `/some/proxy${path}`],
    ['without its base', (path: string) => path.replace('/websub', '')],
    ['with slashes doubled', (path: string) => `/${path.replaceAll('/', '//')}`],
    ['with a slash at its end', (path: string) => `${path}/`],
    ['with slashes at its end', (path: string) => `${path}///`],
    ['percent-encoded', (path: string) => path.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)],
    ['with a query', (path: string) => `${path}?a=/b/c`],
  ])('%s reaches the callback', async (_title, targetOf) => {
    const subscriber = await subscribed();
    expect((await exchange(subscriber.port, signedPost(targetOf(subscriber.path), 'news'))).status).toBe(202);
    expect(subscriber.events).toHaveLength(1);
  });

  test.each([
    '/',
    '//',
    '*',
    '/%',
    '/%zz',
    '/websub',
    '/websub/',
    '/websub//',
    '/websub/__proto__',
    '/websub/constructor',
    '//other.test/websub',
    'http://[/',
    'http://other.test/',
    'http://other.test',
    '/websub/../../etc/passwd',
    '/?/websub/',
    `/${'a/'.repeat(4000)}`,
  ])('%s reaches no callback, and gets 404 or 400', async (target) => {
    const subscriber = await subscribed();
    for (const method of target === '*' ? ['OPTIONS'] : ['GET', 'POST', 'HEAD']) {
      const toHead = method === 'HEAD';
      const { status, headers } = await exchange(subscriber.port, request(method, target), { toHead });
      expect([400, 404]).toContain(status);
      expect(headers).not.toHaveProperty('location');
      expect(headers).not.toHaveProperty('set-cookie');
    }
    await expectDeliveryWorks(subscriber);
  });
});
