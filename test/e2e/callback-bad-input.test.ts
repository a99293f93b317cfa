import { connect } from 'node:net';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { fieldsOf, signatureOf, signedPost, subscribed, verification, type Subscribed } from '../kit/subscribed.js';
import { exchange, openWire, request } from '../kit/wire.js';

const CAP = 100_000;
const capped = (more: Parameters<typeof subscribed>[0] = {}): Promise<Subscribed> =>
  subscribed({ ...more, options: { security: { maxBodyBytes: CAP, bodyTimeoutMs: 150 }, ...more.options } });

/** What has to be there for a body to be read. */
const SIGNED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };

/** A good delivery still arrives. */
async function goesOn({ post, events, logger }: Subscribed): Promise<void> {
  const before = events.length;
  expect((await post('good news')).status).toBe(202);
  expect(events.slice(before).map((event) => event.text())).toEqual(['good news']);
  expect(logger.said('error')).toEqual([]);
  expect(logger.said('fatal')).toEqual([]);
}

/** Bytes in buffers once garbage is collected: what is dropped but not yet collected must not look like what is kept. */
function keptBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}

describe('C8 a request for no callback whose Host makes no URL', () => {
  test.each(['[::1]:99999', 'a b', 'x:y', '', '%'])('%j is answered, and ends nothing', async (host) => {
    const given = await capped();
    const answer = await exchange(
      given.port,
      `GET /nothing?y#z HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect([400, 404]).toContain(answer.status);
    await goesOn(given);
  });
});

describe('C6 a body over the cap', () => {
  test('with a Content-Length is answered 413 before it is sent', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: 'the content is too large' });
    expect(given.logger.said('warn')).toContain(`content over ${CAP} bytes was refused: see security.maxBodyBytes`);
    await goesOn(given);
  });

  test('with a Content-Length is answered although the sender sends all of it before it reads', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.socket.pause();
    // Up to the cap is dropped, and the rest fits between the two.
    const body = Buffer.alloc(2 * CAP);
    const sent = new Promise<void>((resolve) => void wire.socket.write(signedPost(given.path, body), () => resolve()));
    await sent;
    wire.socket.resume();
    expect((await wire.answer()).status).toBe(413);
    await wire.closed;
    await goesOn(given);
  });

  test('without a Content-Length is answered 413 as soon as it is passed, and what follows is not kept', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Transfer-Encoding': 'chunked' }));
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x1_0000), Buffer.from('\r\n')]);
    wire.send(chunk);
    wire.send(chunk);
    expect((await wire.answer()).status).toBe(413);
    const before = keptBytes();
    for (let count = 0; count < 768; count += 1) {
      if (!wire.socket.write(chunk)) await Promise.race([once(wire.socket, 'drain'), wire.closed]).catch(() => {});
    }
    // Buffers that were collected are freed by a thread that may take its time; what is kept stays, however long one waits.
    await expect.poll(() => keptBytes() - before, { timeout: 10_000 }).toBeLessThan(8 << 20);
    wire.send('0\r\n\r\n');
    await wire.closed;
    await goesOn(given);
  });

  test('is let go when the sender falls silent', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    expect((await wire.answer()).status).toBe(413);
    const begun = Date.now();
    await wire.closed;
    expect(Date.now() - begun).toBeLessThan(3_000);
    await goesOn(given);
  });

  test('is let go when the sender goes on and on', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': String(1 << 30) }));
    expect((await wire.answer()).status).toBe(413);
    const chunk = Buffer.alloc(1 << 20);
    let sent = 0;
    // More than is dropped, and than two buffers of the system hold.
    for (; sent < 64 && !wire.socket.closed; sent += 1) {
      if (!wire.socket.write(chunk)) await Promise.race([once(wire.socket, 'drain'), wire.closed]).catch(() => {});
    }
    await wire.closed;
    expect(sent).toBeLessThan(32);
    await goesOn(given);
  });

  test('is let go when the sender is gone', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': String(CAP + 1) }));
    expect((await wire.answer()).status).toBe(413);
    wire.socket.resetAndDestroy();
    await wire.closed;
    await goesOn(given);
  });

  test('gets no 100, where the sender waits for one', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': String(CAP + 1), Expect: '100-continue' }));
    expect(await wire.answer()).toMatchObject({ status: 413, headers: { connection: 'close' } });
    await wire.closed;
    await goesOn(given);
  });

  test('is no body of exactly the cap', async () => {
    const given = await capped();
    const body = Buffer.alloc(CAP, 'x');
    expect((await given.post(body)).status).toBe(202);
    const chunked = { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature': signatureOf(body) };
    const framed = Buffer.concat([Buffer.from(`${CAP.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
    expect((await exchange(given.port, Buffer.concat([request('POST', given.path, chunked), framed]))).status).toBe(
      202,
    );
    expect(given.events.map((event) => event.raw.length)).toEqual([CAP, CAP]);
  });
});

describe('C6 a body that stalls', () => {
  test('is cut off with 408', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': '10' }));
    wire.send('half');
    const answer = await wire.answer();
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(fieldsOf(answer)).toEqual({ reason: 'the content did not arrive in time' });
    expect(given.logger.said('warn')).toContain('content did not arrive within 150 ms: see security.bodyTimeoutMs');
    await wire.closed;
    expect(given.events).toEqual([]);
    await goesOn(given);
  });

  test('is cut off although bytes trickle in', async () => {
    const given = await capped();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { ...SIGNED, 'Content-Length': '1000' }));
    const trickle = setInterval(() => wire.send('x'), 20);
    const answer = await wire.answer();
    clearInterval(trickle);
    expect(answer.status).toBe(408);
    await goesOn(given);
  });
});

describe('an upload that breaks off', () => {
  test.each(['closed', 'reset'])('by a connection that is %s reaches nobody', async (how) => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { 'Content-Length': '10', 'X-Hub-Signature': signatureOf('half') }));
    wire.send('half');
    await goesOn(given);
    if (how === 'closed') wire.socket.destroy();
    else wire.socket.resetAndDestroy();
    await wire.closed;
    await goesOn(given);
    expect(given.events).toHaveLength(2);
  });

  test('in the middle of a chunk is answered by node itself', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    wire.send(request('POST', given.path, { 'Transfer-Encoding': 'chunked' }));
    wire.send('4\r\nhalfNONSENSE');
    expect((await wire.answer()).status).toBe(400);
    await wire.closed;
    expect(given.events).toEqual([]);
    await goesOn(given);
  });

  test('while the handler runs does it no harm', async () => {
    let finish = (): void => {};
    const given = await subscribed({
      handlers: { onEventNotification: () => new Promise<void>((resolve) => void (finish = resolve)) },
    });
    const wire = await openWire(given.port);
    wire.send(signedPost(given.path, 'news'));
    await expect.poll(async () => (await given.snapshot()).stats.received).toBe(1);
    wire.socket.resetAndDestroy();
    await wire.closed;
    finish();
    await expect.poll(async () => (await given.snapshot()).stats.delivered).toBe(1);
    expect(given.logger.said('error')).toEqual([]);
  });
});

test('a body in a million pieces of a byte costs no more room than one piece', async () => {
  const given = await subscribed();
  const pieces = 200_000;
  const body = Buffer.alloc(pieces, 'x');
  const wire = await openWire(given.port);
  wire.send(request('POST', given.path, { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature': signatureOf(body) }));
  wire.send(Buffer.from('1\r\nx\r\n'.repeat(pieces)));
  wire.send('0\r\n\r\n');
  expect((await wire.answer()).status).toBe(202);
  expect(given.events[0]?.raw).toHaveLength(pieces);
  await goesOn(given);
});

describe('invalid UTF-8', () => {
  test('in a challenge is answered 400, as it could not be sent back', async () => {
    const given = await subscribed();
    const query = new URLSearchParams(verification(given.topic.url))
      .toString()
      .replace(/hub\.challenge=[^&]*/, 'hub.challenge=%FF%FE');
    const answer = await exchange(given.port, request('GET', `${given.path}?${query}`));
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual({ reason: 'hub.challenge is not UTF-8' });
    await goesOn(given);
  });

  test('in a topic is another topic: 404', async () => {
    const given = await subscribed();
    const target = `${given.path}?hub.mode=subscribe&hub.topic=${given.topic.url}%FF&hub.challenge=c`;
    expect((await exchange(given.port, request('GET', target))).status).toBe(404);
    await goesOn(given);
  });

  test('in a topic that is ours is ours', async () => {
    const given = await subscribed({ topic: '/caf%E9' });
    const target = `${given.path}?hub.mode=subscribe&hub.topic=${given.topic.url}&hub.challenge=c`;
    expect(await exchange(given.port, request('GET', target))).toMatchObject({ status: 200, body: 'c' });
  });

  test('in other parameters and in the path is of no account', async () => {
    const given = await subscribed();
    const query = new URLSearchParams(verification(given.topic.url)).toString();
    const target = `/%FF%zz${given.path}?%FF=%FE&${query}&hub.lease_seconds=%FF`;
    expect((await exchange(given.port, request('GET', target))).status).toBe(200);
    expect((await exchange(given.port, request('GET', `/websub/%FF?${query}`))).status).toBe(404);
    await goesOn(given);
  });

  test('bare in a request target is refused by node itself', async () => {
    const given = await subscribed();
    expect((await exchange(given.port, request('GET', `${given.path}?hub.topic=\u00ff`))).status).toBe(400);
    await goesOn(given);
  });
});

test('V1 a challenge of 1 MiB is refused by node itself with 431, and by fetch with 400', async () => {
  const given = await subscribed();
  const query = new URLSearchParams(verification(given.topic.url, { 'hub.challenge': 'x'.repeat(1 << 20) })).toString();
  expect((await exchange(given.port, request('GET', `${given.path}?${query}`))).status).toBe(431);
  const answer = await given.runtime.fetch(new Request(`http://any.test${given.path}?${query}`));
  expect(answer.status).toBe(400);
  expect(await answer.text()).toBe('reason=hub.challenge+is+too+long');
  await goesOn(given);
});

test('a request with both framings is refused by node itself', async () => {
  const given = await subscribed();
  const headers = { 'Transfer-Encoding': 'chunked', 'Content-Length': '4', 'X-Hub-Signature': signatureOf('news') };
  expect((await exchange(given.port, request('POST', given.path, headers, 'news'))).status).toBe(400);
  expect(given.events).toEqual([]);
  await goesOn(given);
});

describe('a connection', () => {
  test('serves one request after another', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    const query = new URLSearchParams(verification(given.topic.url)).toString();
    for (const bytes of [
      signedPost(given.path, 'one'),
      request('GET', `${given.path}?${query}`),
      request('POST', given.path, {}, 'unsigned'),
      request('PUT', given.path, {}, 'a body that nobody reads'),
      signedPost('/websub/unknown', 'a body that nobody reads'),
      signedPost(given.path, 'two'),
    ]) {
      wire.send(bytes);
    }
    const statuses: number[] = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await wire.answer()).status);
    expect(statuses).toEqual([202, 200, 403, 405, 404, 202]);
    expect(given.events.map((event) => event.text())).toEqual(['one', 'two']);
  });

  test('of HTTP/1.0 is served, and closed', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    wire.send(
      `POST ${given.path} HTTP/1.0\r\nContent-Length: 4\r\nX-Hub-Signature: ${signatureOf('news')}\r\n\r\nnews`,
    );
    expect(await wire.answer()).toMatchObject({ status: 202, headers: { connection: 'close' } });
    await wire.closed;
    await goesOn(given);
  });

  test('that expects a 100 gets it before its body', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    const headers = { Expect: '100-continue', 'Content-Length': '4', 'X-Hub-Signature': signatureOf('news') };
    wire.send(request('POST', given.path, headers));
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    expect(given.events).toHaveLength(1);
  });

  test('that says nonsense is refused by node itself', async () => {
    const given = await subscribed();
    const wire = await openWire(given.port);
    wire.send('nonsense\r\n\r\n');
    expect((await wire.answer()).status).toBe(400);
    await wire.closed;
    const silent = connect({ port: given.port, host: '127.0.0.1' });
    await once(silent, 'connect');
    silent.destroy();
    await goesOn(given);
  });
});

describe('a request target', () => {
  test.each([
    ['in absolute form', (path: string) => `http://callback.test${path}`],
    ['in absolute form, of another scheme', (path: string) => `https://callback.test:8443/x${path}`],
    ['behind a prefix', (path: string) => `/some/proxy${path}`],
    ['without its base', (path: string) => path.replace('/websub', '')],
    ['with slashes doubled', (path: string) => `/${path.replaceAll('/', '//')}`],
    ['with a slash at its end', (path: string) => `${path}/`],
    ['with slashes at its end', (path: string) => `${path}///`],
    ['percent-encoded', (path: string) => path.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)],
    ['with a query', (path: string) => `${path}?a=/b/c`],
  ])('%s is the callback’s', async (_what, targetOf) => {
    const given = await subscribed();
    expect((await exchange(given.port, signedPost(targetOf(given.path), 'news'))).status).toBe(202);
    expect(given.events).toHaveLength(1);
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
  ])('%s is nobody’s: 404, or 400 where it is none', async (target) => {
    const given = await subscribed();
    for (const method of target === '*' ? ['OPTIONS'] : ['GET', 'POST', 'HEAD']) {
      const toHead = method === 'HEAD';
      const { status, headers } = await exchange(given.port, request(method, target), { toHead });
      expect([400, 404]).toContain(status);
      expect(headers).not.toHaveProperty('location');
      expect(headers).not.toHaveProperty('set-cookie');
    }
    await goesOn(given);
  });
});
