import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { REASON } from '../../../src/http/answer-reasons.js';
import { describe, expect, test } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { ManualClock } from '../../kit/manual-clock.js';
import { fieldsOf, SECRET, signatureOf, signedPost, subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';

const WITHOUT_SECRET = { config: { secret: false } } as const;

describe('C1 content', () => {
  test('is identified by its callback alone, whatever its Link headers say', async () => {
    const { post, events } = await subscribed();
    const answer = await post('news', { Link: '<http://other.test/>; rel="self", <http://hub.test/>; rel="hub"' });
    expect(answer.status).toBe(202);
    expect(events[0]?.links).toEqual({ hub: ['http://hub.test/'], self: 'http://other.test/' });
  });

  test('on an unknown callback is answered 404', async () => {
    const { port, events, logger } = await subscribed();
    for (const path of ['/websub/AAAA', '/websub/', '/websub/a/b/c', '/', '/elsewhere']) {
      const answer = await exchange(port, signedPost(path, 'news'));
      expect(answer.status).toBe(404);
      expect(answer.body).not.toContain('AAAA');
    }
    expect(events).toEqual([]);
    expect(logger.events('error')).toEqual([]);
  });

  test('of an unsubscribed subscription is answered 410', async () => {
    const { post, runtime, snapshot, hub, topic, events } = await subscribed();
    hub.configure({ verify: 'never' });
    await runtime.unsubscribe((await snapshot()).id);
    expect((await post('while unsubscribing')).status).toBe(202);
    hub.configure({ verify: 'async' });
    const { callback } = await snapshot();
    await hub.verify({ topic: topic.url, callback: callback ?? '' }, { mode: 'unsubscribe' });
    const answer = await post('news');
    expect(answer.status).toBe(410);
    expect(fieldsOf(answer)).toEqual({ reason: REASON.ended });
    expect(events).toHaveLength(1);
  });

  test('is accepted after the lease has expired, while the hub fails', async () => {
    const clock = new ManualClock(Date.now());
    const { post, snapshot, hub } = await subscribed({ hub: { leaseSeconds: 3600 }, seams: clock });
    hub.configure({ fail: { status: 503 } });
    clock.advance(3_601_000);
    await expect.poll(async () => (await snapshot()).state).toBe('expired');
    expect((await post('late')).status).toBe(202);
  });

  test('is accepted before the verification', async () => {
    const { post, events } = await subscribed({ hub: { verify: 'never' }, unverified: true });
    expect((await post('early')).status).toBe(202);
    expect(events.map((event) => event.text())).toEqual(['early']);
  });
});

describe('C2 content of a subscription with a secret', () => {
  test.each(['sha1', 'sha256', 'sha384', 'sha512'])('is accepted with a %s signature', async (method) => {
    const { post, events } = await subscribed();
    expect((await post('news', { 'X-Hub-Signature': signatureOf('news', method) })).status).toBe(202);
    expect(
      (await post('more', { 'x-hub-signature': signatureOf('more', method).toUpperCase(), 'X-Hub-Signature': '' }))
        .status,
    ).toBe(202);
    expect(events).toHaveLength(2);
  });

  test('is accepted with X-Hub-Signature-256, and the strongest signature decides', async () => {
    const { port, path, events } = await subscribed();
    const send = async (headers: Readonly<Record<string, string>>): Promise<number> =>
      (await exchange(port, request('POST', path, headers, 'news'))).status;
    const validSignature = signatureOf('news', 'sha256');
    const invalidSignature = signatureOf('newt', 'sha256');
    expect(await send({ 'X-Hub-Signature-256': validSignature })).toBe(202);
    expect(await send({ 'X-Hub-Signature': signatureOf('newt', 'sha1'), 'X-Hub-Signature-256': validSignature })).toBe(
      202,
    );
    expect(
      await send({ 'X-Hub-Signature': signatureOf('news', 'sha1'), 'X-Hub-Signature-256': invalidSignature }),
    ).toBe(403);
    expect(
      await send({ 'X-Hub-Signature': signatureOf('news', 'sha512'), 'X-Hub-Signature-256': invalidSignature }),
    ).toBe(202);
    expect(events).toHaveLength(3);
  });

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['wrong', signatureOf('news', 'sha256', 'another secret')],
    ['malformed', signatureOf('news').slice('sha256='.length)],
    ['not hex', `sha256=${'z'.repeat(64)}`],
    ['of an unknown algorithm', signatureOf('news', 'md5')],
    ['valid with four digits appended', `${signatureOf('news')}abcd`],
    ['valid without its last digit', signatureOf('news').slice(0, -1)],
    ['8 KiB long', `sha256=${'a'.repeat(8192)}`],
    ['a list of 8,192 commas', ','.repeat(8192)],
    ['made for other bytes', signatureOf('news ')],
    ['not ASCII', 'sha256=ÿþ'],
  ])(
    'with a signature that is %s is rejected with 403: no handler runs, and later deliveries work',
    async (_title, header) => {
      const { port, path, post, events, snapshot, logger, runtime } = await subscribed();
      const hookMessages: string[] = [];
      runtime.hooks.on('rejected', ({ error }) => void hookMessages.push(error.message));
      const answer = await exchange(
        port,
        request('POST', path, header === undefined ? {} : { 'X-Hub-Signature': header }, 'news'),
      );
      expect(answer.status).toBe(403);
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' });
      expect(fieldsOf(answer)).toEqual({ reason: REASON.wrongSignature });
      expect(events).toEqual([]);
      expect(hookMessages).toHaveLength(1);
      expect(JSON.stringify(logger.lines)).not.toContain(SECRET);
      await expect.poll(async () => (await snapshot()).lastError?.code).toBe('ERR_WEBSUB_SIGNATURE');
      expect((await snapshot()).stats).toMatchObject({ rejected: 1, received: 0 });
      expect((await post('good news')).status).toBe(202);
      expect(events).toHaveLength(1);
    },
  );

  test('with an invalid signature is answered 202 if onFailure is acknowledge, and no handler runs', async () => {
    const { post, events, snapshot } = await subscribed({ config: { signature: { onFailure: 'acknowledge' } } });
    expect(await post('news', { 'X-Hub-Signature': 'sha256=00' })).toMatchObject({ status: 202, body: '' });
    expect(events).toEqual([]);
    expect((await snapshot()).stats.rejected).toBe(1);
  });

  test('is rejected if its signature algorithm is not in signature.algorithms', async () => {
    const { post, events, logger } = await subscribed({ config: { signature: { algorithms: ['sha256', 'sha512'] } } });
    expect((await post('news', { 'X-Hub-Signature': signatureOf('news', 'sha1') })).status).toBe(403);
    expect(logger.logged('delivery.rejected')).toMatchObject([{ level: 'warn', fields: { problem: 'algorithm' } }]);
    expect((await post('news', { 'X-Hub-Signature': signatureOf('news', 'sha512') })).status).toBe(202);
    expect(events).toHaveLength(1);
  });

  test('that comes unsigned is rejected, and the error names the option for a hub that does not sign', async () => {
    const { hub, topic, snapshot } = await subscribed({ hub: { signature: 'missing' } });
    const [delivery] = await topic.publish('news');
    expect(delivery?.status).toBe(403);
    await expect.poll(async () => (await snapshot()).lastError?.message).toContain('secret: false');
    expect((await snapshot()).lastError).toMatchObject({
      cause: 'unsigned',
      message: expect.stringContaining(hub.url),
    });
  });

  test('is verified over its bytes, whatever they are', async () => {
    const { post, events } = await subscribed();
    const bytes = Buffer.from([0, 0xff, 0xfe, 0xc3, 0x28, 13, 10, 0x80]);
    expect((await post(bytes)).status).toBe(202);
    expect(Buffer.from(events[0]?.raw ?? [])).toEqual(bytes);
  });
});

test('C3 without a secret a signature is ignored', async () => {
  const { post, events } = await subscribed(WITHOUT_SECRET);
  expect((await post('news', { 'X-Hub-Signature': 'sha1=nonsense' })).status).toBe(202);
  expect((await post('news', { 'X-Hub-Signature': signatureOf('other') })).status).toBe(202);
  expect((await post('news', { 'X-Hub-Signature': '' })).status).toBe(202);
  expect(events).toHaveLength(3);
});

describe('C4 any content', () => {
  test.each([
    'application/atom+xml',
    'application/rss+xml; charset=utf-8',
    'application/json',
    'text/html',
    'image/png',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'nonsense',
    '',
  ])('of type %j is accepted and delivered unchanged', async (type) => {
    const { post, events } = await subscribed();
    expect((await post('{"not": json', { 'Content-Type': type })).status).toBe(202);
    expect(events[0]?.text()).toBe('{"not": json');
    expect(events[0]?.contentType).toBe(type.split(';')[0]);
  });

  test('without a Content-Type is accepted, and its other headers are delivered as sent', async () => {
    const { post, events } = await subscribed();
    expect((await post('news', { 'X-Other': 'ü' })).status).toBe(202);
    expect(events[0]?.contentType).toBe('');
    expect(events[0]?.headers.get('x-other')).toBe('ü');
    expect(events[0]?.headers.get('host')).toBe('callback.test');
  });

  test('that the handler cannot parse is answered 202, and no error is logged', async () => {
    const { post, snapshot, logger } = await subscribed({
      handlers: { onEventNotification: (event) => void event.json() },
    });
    expect(await post('{"not": json', { 'Content-Type': 'application/json' })).toMatchObject({ status: 202, body: '' });
    expect((await snapshot()).stats).toMatchObject({ received: 1, failed: 1, delivered: 0 });
    expect(logger.events('error')).toEqual([]);
  });

  test('that is not UTF-8 is delivered with its bytes', async () => {
    const { post, events } = await subscribed();
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0xc3, 0x28, 0x7d]);
    expect((await post(bytes, { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(202);
    expect(Buffer.from(events[0]?.raw ?? [])).toEqual(bytes);
    expect(events[0]?.text()).toContain('\uFFFD');
  });
});

test('C5 an empty body is delivered as an event, also with a Content-Encoding and in chunks', async () => {
  const { post, events, port, path } = await subscribed();
  expect((await post('')).status).toBe(202);
  expect((await post('', { 'Content-Encoding': 'gzip' })).status).toBe(202);
  const chunked = { 'Transfer-Encoding': 'chunked', 'X-Hub-Signature': signatureOf('') };
  expect((await exchange(port, Buffer.concat([request('POST', path, chunked), Buffer.from('0\r\n\r\n')]))).status).toBe(
    202,
  );
  expect(events.map((event) => [event.raw.length, event.text(), event.undecodable])).toEqual([
    [0, '', false],
    [0, '', false],
    [0, '', false],
  ]);
});

describe('C6 a body with a Content-Encoding', () => {
  const plain = 'news '.repeat(1000);
  const limits = { options: { security: { maxBodyBytes: 10_000 } } };

  test.each([
    ['gzip', gzipSync(plain)],
    ['x-gzip', gzipSync(plain)],
    ['GZIP', gzipSync(plain)],
    ['deflate', deflateSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['gzip, br', brotliCompressSync(gzipSync(plain))],
    ['identity', Buffer.from(plain)],
  ])('of %s is accepted if its encoded bytes are signed, and the handler gets it decoded', async (coding, body) => {
    const { post, events } = await subscribed(limits);
    expect((await post(body, { 'Content-Encoding': coding })).status).toBe(202);
    const [event] = events;
    expect(Buffer.from(event?.raw ?? [])).toEqual(body);
    expect(event?.text()).toBe(plain);
    expect(event?.undecodable).toBe(false);
  });

  test.each(['gzip', 'deflate', 'br', 'zstd-of-tomorrow', 'gzip, gzip, gzip'])(
    'D14 of %s that is not encoded at all is delivered as it is',
    async (coding) => {
      const { post, events } = await subscribed(limits);
      expect((await post(plain, { 'Content-Encoding': coding })).status).toBe(202);
      const [event] = events;
      expect(event?.text()).toBe(plain);
      expect(event?.undecodable).toBe(false);
    },
  );

  test('D14 of gzip is decoded without the bytes after the gzip stream', async () => {
    const { post, events } = await subscribed(limits);
    const body = Buffer.concat([gzipSync(plain), Buffer.from('<!-- cached -->')]);
    expect((await post(body, { 'Content-Encoding': 'gzip' })).status).toBe(202);
    const [event] = events;
    expect(Buffer.from(event?.raw ?? [])).toEqual(body);
    expect(event?.text()).toBe(plain);
    expect(event?.undecodable).toBe(false);
  });

  test('whose signature covers the decoded bytes is rejected', async () => {
    const { post, events } = await subscribed(limits);
    const headers = { 'Content-Encoding': 'gzip', 'X-Hub-Signature': signatureOf(plain) };
    expect((await post(gzipSync(plain), headers)).status).toBe(403);
    expect(events).toEqual([]);
  });

  test.each([
    ['is cut off', gzipSync(plain).subarray(0, -9), 'gzip'],
    ['is of an unknown coding', gzipSync(plain), 'zstd-of-tomorrow'],
    ['is encoded three times', gzipSync(gzipSync(gzipSync(plain))), 'gzip, gzip, gzip'],
  ])('that %s is delivered as received, and marked as undecodable', async (_title, body, coding) => {
    const { post, events } = await subscribed(limits);
    expect((await post(body, { 'Content-Encoding': coding })).status).toBe(202);
    const [event] = events;
    expect(Buffer.from(event?.bytes() ?? [])).toEqual(body);
    expect(event?.undecodable).toBe(true);
  });

  test.each([
    ['gzip', gzipSync(Buffer.alloc(100 << 20))],
    ['deflate', deflateSync(Buffer.alloc(100 << 20))],
    ['br', brotliCompressSync(Buffer.alloc(100 << 20))],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(100 << 20)))],
    ['gzip', gzipSync(Buffer.alloc(200_001))],
  ])('of %s over the cap when decoded is answered 413, and later deliveries work', async (coding, body) => {
    const { post, events } = await subscribed({ options: { security: { maxBodyBytes: 200_000 } } });
    const answer = await post(body, { 'Content-Encoding': coding });
    expect(answer.status).toBe(413);
    expect(fieldsOf(answer)).toEqual({ reason: REASON.decodedTooLarge });
    expect(events).toEqual([]);
    expect((await post('good news')).status).toBe(202);
  });
});

describe('C7 the answer', () => {
  test('is 202 with an empty body', async () => {
    const { post } = await subscribed();
    const answer = await post('news');
    expect(answer).toMatchObject({ status: 202, body: '' });
    expect(answer.headers).toEqual({
      'content-length': '0',
      'cache-control': 'no-store',
      date: expect.any(String),
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
    });
  });

  test('is 202 with the headers and body that the service adds', async () => {
    const { post } = await subscribed({
      handlers: {
        onEventNotification: async () => ({
          headers: { 'X-Seen': 'yes', 'Set-Cookie': 'a=b' },
          body: { seen: 'ü & ö' },
        }),
      },
    });
    const answer = await post('news');
    expect(answer).toMatchObject({ status: 202, headers: { 'x-seen': 'yes', 'cache-control': 'no-store' } });
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(fieldsOf(answer)).toEqual({ seen: 'ü & ö' });
  });

  test('is 202 with headers alone', async () => {
    const { post } = await subscribed({ handlers: { onEventNotification: () => ({ headers: { 'x-seen': 'yes' } }) } });
    expect(await post('news')).toMatchObject({ status: 202, body: '', headers: { 'x-seen': 'yes' } });
  });

  test('is 410 if the handler throws SubscriptionDeletedError, and the hub gets an unsubscribe request', async () => {
    const { post, hub, topic, snapshot } = await subscribed({
      handlers: {
        onEventNotification: () => {
          throw new SubscriptionDeletedError('had enough', { headers: { 'x-why': 'enough' }, body: { more: 'no' } });
        },
      },
    });
    const answer = await post('news');
    expect(answer).toMatchObject({ status: 410, headers: { 'x-why': 'enough', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: 'had enough', more: 'no' });
    expect((await post('more')).status).toBe(410);
    await hub.unsubscribed(topic);
    expect(await snapshot()).toMatchObject({ desired: 'unsubscribed', state: 'unsubscribed' });
    expect((await post('more')).status).toBe(410);
  });

  test('is 202 if the handler failed: the event is stored for a retry', async () => {
    const clock = new ManualClock(Date.now());
    let runs = 0;
    const { post, snapshot } = await subscribed({
      seams: clock,
      handlers: {
        onEventNotification: () => {
          runs += 1;
          if (runs === 1) throw new Error('broken');
        },
      },
    });
    expect(await post('news')).toMatchObject({ status: 202, body: '' });
    expect((await snapshot()).stats).toMatchObject({ received: 1, failed: 1, delivered: 0 });
    clock.advance(60_000);
    await expect.poll(() => runs).toBe(2);
  });

  test('is 503 with Retry-After when the inbox is full', async () => {
    const clock = new ManualClock(Date.now());
    const { post } = await subscribed({
      seams: clock,
      config: { delivery: { maxPending: 1 } },
      handlers: {
        onEventNotification: () => {
          throw new Error('broken');
        },
      },
    });
    expect((await post('one')).status).toBe(202);
    const answer = await post('two');
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '30', 'cache-control': 'no-store' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.inboxFull });
  });
});

describe('C8 a request with the method', () => {
  test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    '%s is answered 405 with Allow',
    async (method) => {
      const { port, path, post } = await subscribed();
      const answer = await exchange(port, request(method, path, {}, method === 'PUT' ? 'a body' : ''));
      expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST', 'cache-control': 'no-store' } });
      expect((await post('news')).status).toBe(202);
    },
  );
});

test('C9 the answer is sent after ackAfterMs, even if the handler still runs', async () => {
  let finish = (): void => {};
  const { post, snapshot } = await subscribed({
    config: { delivery: { ackAfterMs: 50 } },
    handlers: { onEventNotification: () => new Promise<void>((resolve) => void (finish = resolve)) },
  });
  expect(await post('news')).toMatchObject({ status: 202, body: '' });
  expect((await snapshot()).stats).toMatchObject({ received: 1, delivered: 0 });
  finish();
  await expect.poll(async () => (await snapshot()).stats.delivered).toBe(1);
});
