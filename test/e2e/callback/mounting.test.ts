import { readFileSync } from 'node:fs';
import { REASON } from '../../../src/http/answer-reasons.js';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigurationError, ListenerError } from 'websub-subscriber';
import {
  fieldsOf,
  signatureOf,
  signedPost,
  subscribed,
  verification,
  type Subscribed,
  type SubscribedOptions,
} from '../../kit/subscribed.js';
import { exchange, openWire, request } from '../../kit/wire.js';
import { startUserServer } from '../../kit/user-server.js';
import { listenForTest } from '../../kit/listen-for-test.js';

const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url)));
const TLS = { key: fixture('key.pem'), cert: fixture('certificate.pem') };

/** A manually mounted runtime, in a server that gets its handler later. */
async function mounted(
  mount: (subscriber: Pick<Subscribed, 'runtime'>) => RequestListener | Promise<RequestListener>,
  { publicPath = '', ...options }: SubscribedOptions & { readonly publicPath?: string } = {},
): Promise<Subscribed> {
  let handler: RequestListener = (_request, response) => void response.writeHead(500).end();
  const server = createServer((incoming, response) => handler(incoming, response));
  const port = await listenForTest(server);
  const subscriber = await subscribed({
    ...options,
    port,
    unverified: true,
    config: { unsubscribeOnShutdown: false, ...options.config },
    options: { manual: true, publicUrl: `http://127.0.0.1:${port}${publicPath}`, ...options.options },
    hub: { verify: 'never' },
  });
  handler = await mount(subscriber);
  subscriber.hub.configure({ verify: 'async' });
  await subscriber.hub.verify({ topic: subscriber.topic.url, callback: subscriber.callback });
  expect((await subscriber.snapshot()).state).toBe('active');
  return subscriber;
}

test('C8 C1 the application’s listener gets no callback request if the public URL has a path', async () => {
  const { server, port } = await startUserServer();
  const { callback, post } = await subscribed({
    port,
    options: { server, publicUrl: `http://127.0.0.1:${port}/app` },
  });
  const { pathname } = new URL(callback);
  expect(pathname).toMatch(/^\/app\/websub\//);
  expect((await post('news')).status).toBe(202);
  const statusOf = async (method: string, target: string): Promise<number> =>
    (await exchange(port, request(method, target))).status;
  expect(await statusOf('PUT', pathname)).toBe(405);
  expect(await statusOf('GET', pathname)).toBe(400);
  expect(await statusOf('POST', '/app/websub/unknown')).toBe(404);
  expect(await statusOf('GET', '/app/websub/unknown?hub.mode=subscribe')).toBe(404);
  expect(await statusOf('GET', '/app/other')).toBe(200);
});

test('the application gets all other requests if the public URL has a path and the base path is empty', async () => {
  const { server, port } = await startUserServer();
  const { post } = await subscribed({
    port,
    options: { server, publicUrl: `http://127.0.0.1:${port}/app`, basePath: '/' },
  });
  expect((await post('news')).status).toBe(202);
  expect(await exchange(port, request('GET', '/app/page'))).toMatchObject({ status: 200, body: 'theirs' });
});

/** A header without which the body is not read. */
const SIGNED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };

describe('in Express', () => {
  test('before a body parser, callbacks are answered, and the app gets the rest', async () => {
    const { post, port, events, topic } = await mounted(({ runtime }) => {
      const app = express();
      app.use(runtime.nodeHandler);
      app.use(express.json());
      app.post('/api', (incoming, response) => void response.json({ received: incoming.body as unknown }));
      return app;
    });
    const body = JSON.stringify({ news: 'ü' });
    expect((await post(body, { 'Content-Type': 'application/json' })).status).toBe(202);
    expect(events[0]?.json()).toEqual({ news: 'ü' });
    expect((await topic.publish('more')).map(({ status }) => status)).toEqual([202]);
    const answer = await exchange(port, request('POST', '/api', { 'Content-Type': 'application/json' }, '{"a":1}'));
    expect(answer).toMatchObject({ status: 200, body: '{"received":{"a":1}}' });
    const unknown = await exchange(port, signedPost('/websub/unknown', 'news'));
    expect(fieldsOf(unknown)).toEqual({ reason: REASON.unknownCallback });
  });

  test('below a path that Express strips, callbacks are answered', async () => {
    const { post, events, port, path } = await mounted(
      ({ runtime }) => express().use('/hooks/websub', runtime.nodeHandler),
      {
        publicPath: '/hooks',
      },
    );
    expect(path).toMatch(/^\/hooks\/websub\/[\w-]{43}$/);
    expect((await post('news')).status).toBe(202);
    expect(events).toHaveLength(1);
    expect((await exchange(port, request('GET', '/hooks/websub/unknown'))).status).toBe(404);
  });

  test.each(['/hooks/websub/*splat', '/hooks/*splat', '*splat'])(
    'below the wildcard %s, which removes the path from request.url, callbacks are answered',
    async (wildcard) => {
      for (const mount of ['use', 'all'] as const) {
        const subscriber = await mounted(
          ({ runtime }) => {
            const app = express();
            app[mount](wildcard.startsWith('/') ? wildcard : `/${wildcard}`, runtime.nodeHandler);
            app.use((incoming, response) => void response.end(`theirs: ${incoming.originalUrl}`));
            return app;
          },
          { publicPath: '/hooks' },
        );
        expect((await subscriber.post('news')).status).toBe(202);
        expect((await subscriber.sendGet(verification(subscriber.topic.url))).status).toBe(200);
        expect((await exchange(subscriber.port, request('GET', '/hooks/other'))).body).toBe('theirs: /hooks/other');
        const unknown = await exchange(subscriber.port, signedPost('/hooks/websub/unknown', 'news'));
        expect(fieldsOf(unknown)).toEqual({ reason: REASON.unknownCallback });
        expect(subscriber.logger.logged('callback.unknown')).toMatchObject([
          { level: 'warn', fields: { method: 'POST', path: '/hooks/websub/' } },
        ]);
      }
    },
  );

  test('after express.json() the bytes are gone: the answer is 500, and a log line names the remedy', async () => {
    const subscriber = await mounted(({ runtime }) => express().use(express.json(), runtime.nodeHandler));
    const answer = await subscriber.post('{"a":1}', { 'Content-Type': 'application/json' });
    expect(answer.status).toBe(500);
    expect(fieldsOf(answer)).toEqual({ reason: REASON.bodyConsumed });
    expect(subscriber.events).toEqual([]);
    const [line, ...furtherLines] = subscriber.logger.lines.filter(({ level }) => level === 'error');
    expect(line).toMatchObject({
      event: 'delivery.body-consumed',
      message: expect.stringContaining('request.rawBody'),
    });
    expect(furtherLines).toEqual([]);
    expect((await subscriber.post('<feed/>', { 'Content-Type': 'application/atom+xml' })).status).toBe(202);
    expect((await subscriber.post('', { 'Content-Type': 'application/json' })).status).toBe(202);
  });

  test('after express.raw(), or a parser that keeps the bytes, callbacks are answered', async () => {
    const jsonThatKeepsBytes = express.json({
      verify: (incoming, _response, bytes) => void Object.assign(incoming, { rawBody: bytes }),
    });
    const raw = express.raw({ type: '*/*', limit: 200_000 });
    for (const parser of [jsonThatKeepsBytes, raw]) {
      const subscriber = await mounted(({ runtime }) => express().use(parser, runtime.nodeHandler), {
        options: { security: { maxBodyBytes: 1000 } },
      });
      expect((await subscriber.post('{"a":1}', { 'Content-Type': 'application/json' })).status).toBe(202);
      expect(
        (await subscriber.post('{"a":2}', { 'Content-Type': 'application/json', 'X-Hub-Signature': 'sha1=00' })).status,
      ).toBe(403);
      const long = JSON.stringify({ long: 'x'.repeat(2000) });
      expect((await subscriber.post(long, { 'Content-Type': 'application/json' })).status).toBe(413);
      expect(subscriber.events.map((event) => event.text())).toEqual(['{"a":1}']);
    }
  });

  test('C6 an unsigned body that must be signed is refused before it arrives, and the connection is closed', async () => {
    const subscriber = await mounted(({ runtime }) => express().use(runtime.nodeHandler));
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'Content-Length': '1000000' }));
    expect(await wire.answer()).toMatchObject({ status: 403, headers: { connection: 'close' } });
    await wire.closed;
    expect((await subscriber.post('good news')).status).toBe(202);
  });

  test('after middleware that read a part of the body, the answer is 500, and nothing is delivered', async () => {
    const subscriber = await mounted(
      ({ runtime }) =>
        express().use((incoming, _response, next) => {
          if (incoming.method !== 'POST') {
            next();
            return;
          }
          incoming.once('data', () => {
            incoming.pause();
            next();
          });
        }, runtime.nodeHandler),
      { config: { secret: false } },
    );
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'Content-Length': '8' }));
    wire.send('half');
    expect((await wire.answer()).status).toBe(500);
    expect(subscriber.events).toEqual([]);
  });

  test('after slow middleware, a request that was aborted meanwhile has no effect', async () => {
    const releases: (() => void)[] = [];
    const subscriber = await mounted(({ runtime }) =>
      express().use((incoming, _response, next) => {
        if (incoming.headers['x-slow'] === undefined) next();
        else incoming.on('close', () => void releases.push(next));
      }, runtime.nodeHandler),
    );
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'X-Slow': '1', 'Content-Length': '8' }));
    wire.send('half');
    await expect.poll(async () => (await subscriber.post('news')).status).toBe(202);
    wire.socket.resetAndDestroy();
    await expect.poll(() => releases.length).toBe(1);
    for (const release of releases) release();
    expect((await subscriber.post('more')).status).toBe(202);
    expect(subscriber.logger.events('error')).toEqual([]);
    await subscriber.runtime.stop();
    expect(subscriber.events.map((event) => event.text())).toEqual(['news', 'more']);
  });

  test('after middleware that has already answered, the answer stays, and no error is logged', async () => {
    const subscriber = await mounted(({ runtime }) =>
      express().use((incoming, response, next) => {
        if (incoming.method === 'POST') response.status(418).end();
        next();
      }, runtime.nodeHandler),
    );
    expect((await subscriber.post('news')).status).toBe(418);
    expect(subscriber.logger.events('error')).toEqual([]);
  });

  test('after middleware that breaks the answer, the connection is closed, and later requests work', async () => {
    const subscriber = await mounted(({ runtime }) =>
      express().use((incoming, response, next) => {
        if (incoming.headers['x-break'] !== undefined) {
          response.writeHead = () => {
            throw new Error('broken');
          };
        }
        next();
      }, runtime.nodeHandler),
    );
    await expect(subscriber.post('news', { 'X-Break': '1' })).rejects.toThrow('the connection ended');
    expect(subscriber.logger.events('error')).toEqual(['answer.failed']);
    expect((await subscriber.post('news')).status).toBe(202);
  });
});

describe('in Hono', () => {
  const hono = (subscriber: Pick<Subscribed, 'runtime'>): Hono => {
    const app = new Hono();
    app.all('/websub/*', (context) => subscriber.runtime.fetch(context.req.raw));
    app.get('/', (context) => context.text('the app'));
    return app;
  };

  /** A runtime mounted in Hono, on a port that is known in advance. */
  async function inHono(options: SubscribedOptions = {}): Promise<Subscribed> {
    return mounted(
      async (subscriber) =>
        new Promise<RequestListener>((resolve) => {
          const server = serve({ fetch: hono(subscriber).fetch, port: 0, hostname: '127.0.0.1' }, () => {
            const [listener] = server.listeners('request');
            resolve((incoming, response) => void listener?.call(server, incoming, response));
          });
          onTestFinished(() => void server.close());
        }),
      options,
    );
  }

  test('callbacks are answered, and the app gets the rest', async () => {
    const subscriber = await inHono();
    const { post, port, path, events, topic } = subscriber;
    expect((await post('news')).status).toBe(202);
    expect((await post('news', { 'X-Hub-Signature': signatureOf('newt') })).status).toBe(403);
    expect((await post('')).status).toBe(202);
    expect(events.map((event) => event.text())).toEqual(['news', '']);
    expect(events[0]?.headers.get('x-hub-signature')).toBe(signatureOf('news'));
    const answer = await subscriber.sendGet(verification(topic.url));
    expect(answer).toMatchObject({ status: 200, body: 'c9+/=', headers: { 'x-content-type-options': 'nosniff' } });
    expect((await exchange(port, request('GET', '/'))).body).toBe('the app');
    expect((await exchange(port, request('PUT', path, {}, 'x'))).headers).toMatchObject({ allow: 'GET, HEAD, POST' });
    const query = new URLSearchParams(verification(topic.url)).toString();
    const head = async (suffix: string): Promise<number> =>
      (await exchange(port, request('HEAD', `${path}?${query}${suffix}`), { toHead: true })).status;
    expect([await head(''), await head('&hub.topic=other'), await head('&hub.mode=other')]).toEqual([200, 404, 400]);
    expect((await exchange(port, request('GET', '/websub/unknown'))).status).toBe(404);
  });

  test('C6 a body above the limit gets 413, with and without a Content-Length', async () => {
    const subscriber = await inHono({ options: { security: { maxBodyBytes: 100_000 } } });
    expect((await subscriber.post(Buffer.alloc(200_000))).status).toBe(413);
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Transfer-Encoding': 'chunked' }));
    wire.send(Buffer.concat([Buffer.from('30d40\r\n'), Buffer.alloc(200_000), Buffer.from('\r\n')]));
    expect((await wire.answer()).status).toBe(413);
    expect((await subscriber.post('good news')).status).toBe(202);
  });

  test('C6 an unsigned body that must be signed is refused before it arrives', async () => {
    const subscriber = await inHono();
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { 'Content-Length': '1000000' }));
    expect((await wire.answer()).status).toBe(403);
    expect((await subscriber.post('good news')).status).toBe(202);
  });

  test('C6 a body that stalls gets 408, and an aborted one is not delivered', async () => {
    const subscriber = await inHono({ options: { security: { bodyTimeoutMs: 100 } } });
    const wire = await openWire(subscriber.port);
    wire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': '10' }));
    wire.send('half');
    expect((await wire.answer()).status).toBe(408);
    const abortedWire = await openWire(subscriber.port);
    abortedWire.send(request('POST', subscriber.path, { ...SIGNED, 'Content-Length': '10' }));
    abortedWire.send('half');
    abortedWire.socket.resetAndDestroy();
    await abortedWire.closed;
    expect((await subscriber.post('good news')).status).toBe(202);
    expect(subscriber.events).toHaveLength(1);
  });
});

describe('through runtime.fetch()', () => {
  const post = (path: string, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Request =>
    new Request(`https://any.test${path}`, { method: 'POST', body, headers, duplex: 'half' });

  test('a callback request is answered, any other gets 404', async () => {
    const { runtime, path, events, topic } = await subscribed();
    const signed = { 'X-Hub-Signature': signatureOf('news') };
    const answer = await runtime.fetch(post(path, 'news', signed));
    expect([answer.status, await answer.text(), answer.headers.get('cache-control')]).toEqual([202, '', 'no-store']);
    expect((await runtime.fetch(post(`/a/proxy${path}/`, 'news', signed))).status).toBe(202);
    expect((await runtime.fetch(post('/websub/unknown', 'news', signed))).status).toBe(404);
    expect((await runtime.fetch(post('/', 'news', signed))).status).toBe(404);
    expect((await runtime.fetch(new Request('https://any.test/other', { method: 'HEAD' }))).status).toBe(404);
    expect((await runtime.fetch(new Request('https://any.test/websub/%'))).status).toBe(404);
    expect((await runtime.fetch(post(`/%zz${path}`, 'news', signed))).status).toBe(202);
    const query = new URLSearchParams(verification(topic.url)).toString();
    expect(await (await runtime.fetch(new Request(`https://any.test${path}?${query}`))).text()).toBe('c9+/=');
    expect(events).toHaveLength(3);
  });

  test('headers with several values are sent', async () => {
    const { runtime, path } = await subscribed({
      handlers: { onHubError: () => ({ headers: { 'x-seen': ['1', '2'] }, body: { a: 'ü' } }) },
    });
    const answer = await runtime.fetch(new Request(`https://any.test${path}?hub.mode=hub-error`));
    expect([answer.headers.get('x-seen'), await answer.text()]).toEqual(['1, 2', 'a=%C3%BC']);
  });

  test('a request whose body was read before gets 500, and an error is logged', async () => {
    const { runtime, path, logger } = await subscribed();
    const usedRequest = post(path, 'news', SIGNED);
    await usedRequest.text();
    // The request cannot be cloned after its body was read.
    expect((await runtime.fetch(usedRequest)).status).toBe(500);
    expect(logger.events('error')).toEqual(['delivery.body-consumed']);
  });

  test('C6 a body above the limit gets 413, and a stalled or aborted body gets 408', async () => {
    const { runtime, path, events } = await subscribed({
      options: { security: { maxBodyBytes: 10, bodyTimeoutMs: 50 } },
    });
    const stream = (...chunks: readonly string[]): ReadableStream<Uint8Array> => {
      const rest = [...chunks];
      return new ReadableStream({
        pull(controller) {
          const next = rest.shift();
          if (next === undefined) controller.close();
          else if (next === 'break') controller.error(new Error('broken'));
          else if (next !== 'stall') controller.enqueue(Buffer.from(next));
          return next === 'stall' ? new Promise(() => {}) : undefined;
        },
      });
    };
    const send = async (body: ReadableStream<Uint8Array> | string, headers = {}): Promise<number> =>
      (await runtime.fetch(post(path, body, { ...SIGNED, ...headers }))).status;
    expect(await send(stream('01234', '56789', 'x'))).toBe(413);
    expect(await send('x', { 'Content-Length': '11' })).toBe(413);
    expect(await send(stream('01', 'stall'))).toBe(408);
    expect(await send(stream('01', 'break'))).toBe(408);
    expect(events).toEqual([]);
    const signed = { 'X-Hub-Signature': signatureOf('0123456789') };
    expect(await send(stream('01234', '56789'), signed)).toBe(202);
    expect(Buffer.from(events[0]?.raw ?? []).toString()).toBe('0123456789');
  });
});

describe('on the application’s server', () => {
  const emitOf = (server: Server): unknown => Reflect.get(server, 'emit');
  const applicationListener: RequestListener = (incoming, response) => void response.end(`theirs: ${incoming.url}`);

  test('callbacks are answered, and the application’s listeners get the rest, even if they are added later', async () => {
    const server = createServer();
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server } });
    expect((await exchange(port, request('GET', '/other'))).status).toBe(404);
    server.on('request', applicationListener);
    let listenerCalls = 0;
    server.on('request', () => void (listenerCalls += 1));
    expect((await subscriber.post('news')).status).toBe(202);
    expect((await exchange(port, request('GET', '/websub/unknown'))).status).toBe(404);
    expect(listenerCalls).toBe(0);
    expect((await exchange(port, request('GET', '/other'))).body).toBe('theirs: /other');
    expect(listenerCalls).toBe(1);
    expect(subscriber.runtime.url).toBe(`http://localhost:${port}`);
  });

  test('the runtime restores the server when it stops', async () => {
    const server = createServer(applicationListener);
    const port = await listenForTest(server);
    const before = { emit: emitOf(server), own: Object.getOwnPropertyNames(server), listeners: server.eventNames() };
    const subscriber = await subscribed({ port, options: { server } });
    expect((await subscriber.post('news')).status).toBe(202);
    await subscriber.runtime.stop();
    await subscriber.hub.settled();
    expect(subscriber.hub.subscriptions[0]?.state).toBe('unsubscribed');
    expect({ emit: emitOf(server), own: Object.getOwnPropertyNames(server), listeners: server.eventNames() }).toEqual(
      before,
    );
    expect((await exchange(port, signedPost(subscriber.path, 'news'))).body).toBe(`theirs: ${subscriber.path}`);
    expect(server.listening).toBe(true);
  });

  test('a request for an unknown callback is logged once, without its last segment', async () => {
    const server = createServer(applicationListener);
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server } });
    for (const token of ['one', 'two']) await exchange(port, signedPost(`/websub/${token}`, 'news'));
    await subscriber.runtime.fetch(new Request('https://any.test/websub/three'));
    expect(subscriber.logger.logged('callback.unknown')).toMatchObject([
      { fields: { method: 'POST', path: '/websub/' } },
    ]);
  });

  test('the subscription becomes active if the server starts to listen later', async () => {
    const server = createServer(applicationListener);
    const reserved = createServer();
    const port = await listenForTest(reserved);
    reserved.close();
    await once(reserved, 'close');
    const starting = subscribed({ port, options: { server, publicUrl: `http://127.0.0.1:${port}` } });
    await expect.poll(() => Object.hasOwn(server, 'emit')).toBe(true);
    server.listen(port, '127.0.0.1');
    onTestFinished(() => void server.close());
    const subscriber = await starting;
    expect((await subscriber.post('news')).status).toBe(202);
  });

  test('callbacks are answered even if the server handles Expect itself', async () => {
    const server = createServer(applicationListener);
    server.on('checkContinue', (_request, response) => void response.writeHead(417).end());
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server } });
    const expecting = { Expect: '100-continue', 'Content-Length': '4', 'X-Hub-Signature': signatureOf('news') };
    const wire = await openWire(port);
    wire.send(request('POST', subscriber.path, expecting));
    expect((await wire.answer()).status).toBe(100);
    wire.send('news');
    expect((await wire.answer()).status).toBe(202);
    expect((await exchange(port, request('POST', '/other', expecting))).status).toBe(417);
  });

  test('an https server has an https callback', async () => {
    const server = createTlsServer(TLS, applicationListener);
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server }, hub: { ca: TLS.cert } });
    expect(subscriber.callback).toMatch(/^https:\/\/localhost:/);
    expect((await subscriber.topic.publish('news')).map(({ status }) => status)).toEqual([202]);
    await subscriber.runtime.stop();
  });

  test('without a base path, the application’s listeners get all other requests', async () => {
    const server = createServer(applicationListener);
    const port = await listenForTest(server);
    const subscriber = await subscribed({ port, options: { server, basePath: '/' } });
    expect(subscriber.path).toMatch(/^\/[\w-]{43}$/);
    expect((await subscriber.post('news')).status).toBe(202);
    expect((await exchange(port, request('GET', '/other'))).body).toBe('theirs: /other');
  });
});

describe('on the runtime’s server', () => {
  test('callbacks are answered over TLS', async () => {
    const subscriber = await subscribed({ options: { tls: TLS }, hub: { ca: TLS.cert } });
    expect(subscriber.callback).toMatch(/^https:\/\/localhost:\d+\/websub\/[\w-]{43}$/);
    const [delivery] = await subscriber.topic.publish('news');
    expect(delivery?.status).toBe(202);
    expect(subscriber.events.map((event) => event.text())).toEqual(['news']);
    await subscriber.runtime.stop();
  });

  test.each([
    ['is not PEM', { key: 'nonsense', cert: 'nonsense' }],
    ['lacks its certificate', { key: TLS.key }],
    ['is empty', {}],
  ])('a TLS option that %s is refused at the start', async (_what, tls) => {
    const starting = subscribed({ options: { tls } });
    await expect(starting).rejects.toThrow(ConfigurationError);
    await expect(starting).rejects.toThrow(/^startService: tls .*key and cert/);
  });

  test('a port in use is refused at the start', async () => {
    const port = await listenForTest(createServer());
    const starting = subscribed({ options: { port, host: '127.0.0.1' } });
    await expect(starting).rejects.toThrow(ListenerError);
    await expect(starting).rejects.toThrow(`Cannot listen on 127.0.0.1, port ${port}: the port is in use`);
  });

  test.each([
    ['/', /^\/[\w-]{43}$/],
    ['', /^\/[\w-]{43}$/],
    ['/a/b/', /^\/a\/b\/[\w-]{43}$/],
    ['c', /^\/c\/[\w-]{43}$/],
  ])('callbacks are answered with the base path %j', async (basePath, expected) => {
    const subscriber = await subscribed({ options: { basePath } });
    expect(subscriber.path).toMatch(expected);
    expect((await subscriber.post('news')).status).toBe(202);
    expect((await exchange(subscriber.port, signedPost('/unknown', 'news'))).status).toBe(404);
  });

  test('callbacks are answered behind a proxy that adds a prefix or strips the base path', async () => {
    const subscriber = await subscribed();
    for (const target of [
      `/prefix${subscriber.path}`,
      subscriber.path.replace('/websub', ''),
      subscriber.path.replace('websub', 'a/b'),
    ]) {
      expect((await exchange(subscriber.port, signedPost(target, 'news'))).status).toBe(202);
    }
    const forwarded = { 'X-Forwarded-Host': 'evil.test', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Prefix': '/evil' };
    const query = new URLSearchParams(verification(subscriber.topic.url)).toString();
    expect((await exchange(subscriber.port, request('GET', `${subscriber.path}?${query}`, forwarded))).status).toBe(
      200,
    );
    expect((await subscriber.snapshot()).callback).toBe(subscriber.callback);
  });

  test('callbacks are answered with a fixed service path', async () => {
    const subscriber = await subscribed({ config: { servicePath: 'news/of~today' } });
    expect(subscriber.path).toBe('/websub/news/of~today');
    expect((await subscriber.post('news')).status).toBe(202);
    expect((await exchange(subscriber.port, signedPost(subscriber.path.replace('~', '%7e'), 'news'))).status).toBe(202);
  });

  test('callbacks are answered with a literal callback, including its query', async () => {
    const callback = 'http://127.0.0.1:1/caf%C3%A9?id=42&hub.topic=http%3A%2F%2Fother.test%2F';
    const subscriber = await subscribed({ config: { callback }, hub: { verify: 'never' }, unverified: true });
    expect(subscriber.callback).toBe(callback);
    const query = new URLSearchParams(verification(subscriber.topic.url)).toString();
    const target = `${subscriber.path}?${new URL(callback).searchParams.toString()}&${query}`;
    expect(await exchange(subscriber.port, request('GET', target))).toMatchObject({ status: 200, body: 'c9+/=' });
    expect((await exchange(subscriber.port, signedPost('/caf%c3%a9', 'news'))).status).toBe(202);
  });

  test('callbacks are answered with a callback and appendServicePath', async () => {
    const config = { callback: 'http://127.0.0.1:1/hooks/', appendServicePath: true, servicePath: 'news' };
    const subscriber = await subscribed({ config, hub: { verify: 'never' }, unverified: true });
    expect(subscriber.callback).toBe('http://127.0.0.1:1/hooks/news');
    expect((await subscriber.post('news')).status).toBe(202);
  });
});

test('a mounted runtime.nodeHandler answers callbacks below the path of the public URL', async () => {
  const subscriber = await mounted(({ runtime }) => runtime.nodeHandler, { publicPath: '/public/path' });
  expect(subscriber.path).toMatch(/^\/public\/path\/websub\/[\w-]{43}$/);
  expect((await subscriber.post('news')).status).toBe(202);
  expect((await exchange(subscriber.port, request('GET', '/elsewhere'))).status).toBe(404);
});

test('a request with a URL rewritten by the application is matched by the new URL', async () => {
  const { callback, port } = await mounted(({ runtime }) => {
    const app = express();
    app.use((incoming, _response, next) => {
      incoming.url = incoming.url.replace(/^\/in\/([\w-]+)\/hub/, '/websub/$1');
      next();
    });
    app.use(runtime.nodeHandler);
    app.use((_incoming, response) => void response.end('theirs'));
    return app;
  });
  const token = callback.slice(callback.lastIndexOf('/') + 1);
  const statusOf = async (method: string, target: string): Promise<number> =>
    (await exchange(port, request(method, target))).status;
  expect(await statusOf('GET', `/in/${token}/hub`)).toBe(400);
  expect(await statusOf('PUT', `/in/${token}/hub?a=b`)).toBe(405);
  expect(await statusOf('GET', `/in/${token}/other`)).toBe(200);
});
