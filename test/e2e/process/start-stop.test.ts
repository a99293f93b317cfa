import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { Keyv } from 'keyv';
import { describe, expect, it, vi } from 'vitest';
import {
  ConfigurationError,
  defineSubscriber,
  ListenerError,
  startService,
  StoreError,
  SubscriptionVerificationError,
  WebSubError,
  type StartOptions,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { unusedPort, portOf } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';

const sockets = new EventEmitter();
const QUIET = { port: 0, store: 'memory', logger: false } as const;

describe('startService', () => {
  it('resolves once callbacks are answered and the first requests were sent', async () => {
    await using hub = await TestHub.start({ verify: 'never' });
    const topic = hub.topic('/feed');
    await using runtime = await startService(recordingService({ target: topic.url }).service, {
      ...QUIET,
      gracefulShutdownSeconds: 0,
    });
    expect(hub.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /feed', 'POST /hub']);
    const [subscription] = await runtime.subscriptions.find();
    expect((await fetch(subscription?.callback ?? '', { method: 'HEAD' })).status).toBe(400);
  });

  it('succeeds if a hub is down, and plans another request', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { hubs: [`http://127.0.0.1:${await unusedPort()}/`] });
    await using runtime = await startService(recordingService({ target: topic.url }).service, QUIET);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({
      state: 'failed',
      attempts: 1,
      nextAttemptAt: expect.any(Date),
      lastError: {
        cause: 'unreachable',
        code: 'ERR_WEBSUB_INITIATION',
        message: expect.stringMatching(/ECONNREFUSED/),
      },
    });
  });

  const BAD_TARGETS: readonly [what: string, serve: Parameters<typeof startHttpServer>[0], message: RegExp][] = [
    ['answers 404', (_, response) => void response.writeHead(404).end(), /\b404\b/],
    ['answers 406', (_, response) => void response.writeHead(406).end(), /\b406\b.*discoveryConfig\.accept/],
    ['answers 500', (_, response) => void response.writeHead(500).end(), /\b500\b/],
    ['answers nothing', () => {}, /within 150 ms/],
    ['redirects forever', (_, response) => void response.writeHead(302, { location: '/' }).end(), /redirect/],
    ['closes the connection', ({ socket }) => void socket.destroy(), /other side closed|ECONNRESET/],
    [
      'answers 100 MB',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        const chunk = Buffer.alloc(1024 * 1024, ' ');
        let remaining = 100;
        const write = (): void => {
          while (remaining > 0 && !response.destroyed) {
            remaining -= 1;
            if (!response.write(chunk)) return void response.once('drain', write);
          }
          response.end();
        };
        write();
      },
      /5242880 bytes/,
    ],
  ];
  it.each(BAD_TARGETS)(
    'succeeds if a target %s, reports the failure, and plans another discovery',
    async (_what, serve, message) => {
      await using targetServer = await startHttpServer(serve);
      await using hub = await TestHub.start();
      const topic = hub.topic('/good');
      const { service, received } = recordingService({
        targets: [targetServer.url, topic.url],
        discoveryConfig: { httpConfig: { timeoutMs: message.source.includes('150') ? 150 : 5_000 } },
      });
      await using runtime = await startService(service, QUIET);
      await hub.verified(topic);
      const subscription = await until(async () => (await runtime.subscriptions.find({ state: 'failed' }))[0]);
      expect(subscription).toMatchObject({
        target: targetServer.url,
        nextAttemptAt: expect.any(Date),
        lastError: { cause: 'discovery', code: 'ERR_WEBSUB_DISCOVERY', message: expect.stringMatching(message) },
      });
      await topic.publish('the other one works');
      expect(received).toEqual(['the other one works']);
    },
  );

  it('rejects with the error of onStart, and closes everything', async () => {
    const closed: string[] = [];
    const first = defineSubscriber(
      { name: 'First' },
      { onEventNotification() {}, onStart() {}, onShutdown: () => void closed.push('First') },
    );
    const broken = defineSubscriber(
      { name: 'Broken' },
      {
        onEventNotification() {},
        onStart(runtime) {
          runtime.onShutdown(() => closed.push('what it had opened'));
          throw new TypeError('no database');
        },
        onShutdown: () => void closed.push('Broken'),
      },
    );
    const port = await unusedPort();
    const starting = startService([first, broken], { ...QUIET, port });
    expect(await failureOf(starting)).toMatchObject({ name: 'TypeError', message: 'no database' });
    expect(closed).toEqual(['First', 'what it had opened']);
    await using nextRuntime = await startService(first, { ...QUIET, port });
    expect(nextRuntime.port).toBe(port);
  });

  it('rejects if onStart stops the runtime', async () => {
    const service = defineSubscriber(
      { name: 'Fickle' },
      { onEventNotification() {}, onStart: (runtime) => runtime.stop() },
    );
    const port = await unusedPort();
    const failure = await failureOf(startService(service, { ...QUIET, port }));
    expect(failure).toMatchObject({ code: 'ERR_WEBSUB', message: expect.stringContaining('stopped before') });
    await (await startService(recordingService().service, { ...QUIET, port })).stop();
  });

  it('delivers no content before onStart has ended, and then answers the delivery', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const order: string[] = [];
    const publishing: Promise<unknown>[] = [];
    const service = defineSubscriber(
      { name: 'Slow', secret: false },
      {
        onEventNotification: () => void order.push('content'),
        async onStart(runtime) {
          await runtime.subscribe(service, { target: topic.url });
          await hub.verified(topic);
          publishing.push(topic.publish('early'));
          await hub.until(() => runtime.subscriptions.count({ state: 'active' }));
          order.push('started');
        },
      },
    );
    await using runtime = await startService(service, QUIET);
    expect(await publishing[0]).toMatchObject([{ status: 202 }]);
    expect(order).toEqual(['started', 'content']);
    await runtime.stop();
  });

  it.each([
    ['a hub that refuses, with failFast', { failFast: true }],
    ['a tunnel that cannot be opened', { tunnel: () => Promise.reject(new Error('no tunnel')) }],
    ['a tunnel without a URL', { tunnel: async () => ({ url: 'nowhere', close() {} }) }],
  ] as const)('leaves no port bound, no store owned and no signal handled after %s', async (_what, options) => {
    await using hub = await TestHub.start({ fail: { status: 400 } });
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const keyv = new Keyv();
    const port = await unusedPort();
    const countsBefore = ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
    expect(await failureOf(startService(service, { ...QUIET, ...options, port, store: keyv }))).toBeInstanceOf(
      WebSubError,
    );
    expect(['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal))).toEqual(countsBefore);
    const requestCount = hub.requests.length;
    await using nextRuntime = await startService(recordingService().service, { ...QUIET, port, store: keyv });
    expect(nextRuntime.port).toBe(port);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hub.requests).toHaveLength(requestCount);
  });

  it('rejects with a ListenerError if the port is in use', async () => {
    await using portOwner = await startHttpServer(() => {});
    const port = portOf(portOwner.server);
    const failure = await failureOf(startService(recordingService().service, { ...QUIET, port }));
    expect(failure).toBeInstanceOf(ListenerError);
    expect(failure).toMatchObject({ code: 'ERR_WEBSUB_LISTENER', cause: { code: 'EADDRINUSE' } });
    expect(failure.message).toContain(String(port));
  });

  it('closes the tunnel if a service cannot be constructed', async () => {
    const close = vi.fn<() => void>();
    const Broken = class {
      constructor() {
        throw new Error('no');
      }
      onEventNotification(): void {}
    };
    const service = defineSubscriber({ name: 'Broken' }, Broken);
    const port = await unusedPort();
    const tunnel = async (): Promise<{ url: string; close: () => void }> => ({ url: 'https://me.example.com', close });
    const failure = await failureOf(startService(service, { ...QUIET, port, tunnel }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(close).toHaveBeenCalledOnce();
    await (await startService(recordingService().service, { ...QUIET, port })).stop();
  });
});

describe('a store that fails', () => {
  it('makes the start reject if the declared subscriptions cannot be stored, and closes everything', async () => {
    const keyv = new Keyv();
    const port = await unusedPort();
    const service = defineSubscriber(
      { name: 'News', target: 'https://example.com/never-asked' },
      { onEventNotification() {}, onStart: () => void vi.spyOn(keyv, 'set').mockResolvedValue(false) },
    );
    const countBefore = process.listenerCount('SIGTERM');
    const failure = await failureOf(startService(service, { ...QUIET, port, store: keyv }));
    expect(failure).toBeInstanceOf(StoreError);
    expect(process.listenerCount('SIGTERM')).toBe(countBefore);
    await (await startService(recordingService().service, { ...QUIET, port })).stop();
  });

  it('does not prevent a stop, which logs the failures', async () => {
    await using hub = await TestHub.start();
    const keyv = new Keyv();
    const logger = recordingLogger();
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const runtime = await startService(service, { ...QUIET, logger, store: keyv });
    await runtime.ready();
    vi.spyOn(keyv, 'set').mockResolvedValue(false);
    await runtime.stop();
    expect(logger.events('error')).toContain('shutdown.unsubscribe-not-stored');
    expect(logger.events('info').at(-1)).toBe('runtime.stopped');
  });
});

describe('ready()', () => {
  it('resolves once every wanted subscription has a grant', async () => {
    await using hub = await TestHub.start({ delayMs: { verification: 100 } });
    const topics = [hub.topic('/a'), hub.topic('/b')];
    await using runtime = await startService(
      recordingService({ targets: topics.map(({ url }) => url) }).service,
      QUIET,
    );
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(0);
    await runtime.ready();
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(2);
  });

  it('rejects at its timeout, and names the subscriptions without a grant and the reasons', async () => {
    await using hub = await TestHub.start();
    const [good, slow] = [hub.topic('/good'), hub.topic('/slow', { verify: 'never' })];
    const { service } = recordingService({ targets: [good.url, slow.url] });
    await using runtime = await startService(service, { ...QUIET, gracefulShutdownSeconds: 1 });
    const failure = await failureOf(runtime.ready({ timeoutMs: 200 }));
    expect(failure).toMatchObject({ code: 'ERR_WEBSUB' });
    expect(failure.message).toContain('200 ms');
    expect(failure.message).toMatch(/\/slow for News is verifying: the hub has not verified it yet/);
    expect(failure.message).not.toMatch(/\/good/);
    expect(failure.message).toContain(`Hubs must reach ${runtime.url}/websub/… (publicUrl with basePath)`);
    expect(failure.message).toContain(`must lead to this process, port ${runtime.port}`);
    expect(failure.message).toMatch(/Await ready\(\) again, or call stop\(\)\.$/);
    // The runtime is unchanged: the hub verifies later, and the runtime is ready.
    slow.configure({ verify: 'async' });
    await hub.verify({
      topic: slow.url,
      callback: (await runtime.subscriptions.find({ topic: slow.url }))[0]?.callback ?? '',
    });
    await runtime.ready({ timeoutMs: 5_000 });
  });

  it('names the mount that hubs must reach', async () => {
    const mounts: readonly [StartOptions, RegExp][] = [
      [{ manual: true }, /must lead to runtime\.nodeHandler or runtime\.fetch, mounted in your application before/],
      [{ server: createServer() }, /must lead to the given server/],
    ];
    for (const [options, mount] of mounts) {
      await using hub = await TestHub.start({ verify: 'never' });
      await using runtime = await startService(recordingService({ target: hub.topic('/feed').url }).service, {
        ...QUIET,
        ...options,
        publicUrl: 'https://me.example.com/app',
        gracefulShutdownSeconds: 0,
        deferRequests: true,
      });
      await runtime.begin();
      const failure = await failureOf(runtime.ready({ timeoutMs: 10 }));
      expect(failure.message).toContain('https://me.example.com/app/websub/…');
      expect(failure.message).toMatch(mount);
    }
  });

  it('N2 rejects at once if the next request comes only after the timeout, and names its time', async () => {
    await using hub = await TestHub.start();
    const [denied, failing] = [
      hub.topic('/denied', { deny: 'members only' }),
      hub.topic('/failing', { fail: { status: 503, retryAfter: 3_600 } }),
    ];
    await using runtime = await startService(recordingService({ target: denied.url }).service, QUIET);
    const failure = await failureOf(runtime.ready({ timeoutMs: 30_000 }));
    expect(failure.message).toMatch(
      /1 subscription will not be requested again before \d{4}-.*Z or retry\(\); .*is denied: members only/,
    );
    expect((await failureOf(runtime.ready({ timeoutMs: 30_000 }))).message).toBe(failure.message);
    await using otherRuntime = await startService(recordingService({ target: failing.url }).service, QUIET);
    expect((await failureOf(otherRuntime.ready())).message).toMatch(/will not be requested again before .*503/);
  });

  it('V7 rejects at once if the service itself refused the verification', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const service = defineSubscriber(
      { name: 'Picky', target: topic.url, secret: false },
      {
        onEventNotification() {},
        onSubscriptionVerification() {
          throw new SubscriptionVerificationError('not this one');
        },
      },
    );
    await using runtime = await startService(service, QUIET);
    expect((await failureOf(runtime.ready())).message).toMatch(/is failed: not this one/);
  });

  it('rejects when the runtime stops, and after the stop', async () => {
    await using hub = await TestHub.start({ verify: 'never' });
    const runtime = await startService(recordingService({ target: hub.topic('/feed').url }).service, {
      ...QUIET,
      gracefulShutdownSeconds: 1,
    });
    const waiting = failureOf(runtime.ready());
    await runtime.stop();
    expect((await waiting).message).toMatch(/^Not ready, because the runtime is stopping; .*\/feed for /);
    expect((await failureOf(runtime.ready())).message).toMatch(/the runtime is stopping/);
  });

  it('accepts an infinite timeout', async () => {
    await using hub = await TestHub.start({ delayMs: { verification: 50 } });
    await using runtime = await startService(recordingService({ target: hub.topic('/feed').url }).service, QUIET);
    await runtime.ready({ timeoutMs: Infinity });
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(1);
  });
});

describe('stop()', () => {
  it('S6 unsubscribes, and answers callbacks until the hub has verified', async () => {
    await using hub = await TestHub.start({ delayMs: { verification: 100 } });
    const topic = hub.topic('/feed');
    const runtime = await startService(recordingService({ target: topic.url }).service, QUIET);
    await runtime.ready();
    const [stopping, secondStop] = [runtime.stop(), runtime.stop()];
    expect(secondStop).toBe(stopping);
    await stopping;
    await hub.settled();
    expect(hub.subscriptions).toMatchObject([{ state: 'unsubscribed' }]);
    expect(hub.violations).toEqual([]);
    await expect(fetch(runtime.url)).rejects.toThrow('fetch failed');
    expect(runtime.stop()).toBe(stopping);
  });

  const BAD_HUBS: readonly [behavior: string, spoil: (hub: TestHub) => unknown][] = [
    ['never verifies', (hub) => hub.configure({ verify: 'never' })],
    ['is dead', (hub) => hub.close()],
    ['does not answer', (hub) => hub.configure({ delayMs: 60_000 })],
    ['answers 500', (hub) => hub.fail(500)],
    ['denies', (hub) => hub.configure({ deny: 'no' })],
    ['verifies with another topic', (hub) => hub.configure({ verify: 'wrong-topic' })],
  ];
  it.each(BAD_HUBS)('ends in time if a hub %s, and still runs onShutdown', async (behavior, spoil) => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const logger = recordingLogger();
    let hasCleanedUp = false;
    const service = defineSubscriber(
      { name: 'News', target: topic.url, secret: false },
      {
        onEventNotification() {},
        async onShutdown() {
          await new Promise((resolve) => setTimeout(resolve, 50));
          hasCleanedUp = true;
        },
      },
    );
    const runtime = await startService(service, { ...QUIET, logger, gracefulShutdownSeconds: 1 });
    await runtime.ready();
    await spoil(hub);
    const stoppedAt = performance.now();
    await runtime.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(1_500);
    expect(hasCleanedUp).toBe(true);
    expect(logger.events('error')).toEqual([]);
    expect(logger.logged('shutdown.hub-not-verified')).toHaveLength(behavior === 'denies' ? 0 : 1);
  });

  it('waits for the verification even after a failed renewal', async () => {
    await using hub = await TestHub.start({ delayMs: { verification: 50 } });
    const topic = hub.topic('/feed');
    const runtime = await startService(recordingService({ target: topic.url, leaseSeconds: 2 }).service, QUIET);
    await runtime.ready();
    hub.fail(503, { times: 1 });
    await until(async () => (await runtime.subscriptions.find())[0]?.attempts === 1);
    await runtime.stop();
    await hub.settled();
    expect(hub.subscriptions).toMatchObject([{ state: 'unsubscribed' }]);
  });

  it('also ends a subscription that the hub verifies only during the stop', async () => {
    await using hub = await TestHub.start();
    const [earlyTopic, lateTopic] = [
      hub.topic('/early', { delayMs: { verification: 0 } }),
      hub.topic('/late', { verify: 'never' }),
    ];
    const runtime = await startService(recordingService({ targets: [earlyTopic.url, lateTopic.url] }).service, QUIET);
    await hub.verified(earlyTopic);
    earlyTopic.configure({ delayMs: { answer: 200 } });
    const stopping = runtime.stop();
    const pending = hub.subscriptions.find(({ topic }) => topic === lateTopic.url);
    if (pending === undefined) throw new Error('the late topic was not requested');
    lateTopic.configure({ verify: 'async' });
    await hub.verify(pending);
    await stopping;
    await hub.settled();
    expect(hub.subscriptions).toMatchObject([{ state: 'unsubscribed' }, { state: 'unsubscribed' }]);
  });

  it('aborts a running discovery', async () => {
    const requested = once(sockets, 'request');
    await using targetServer = await startHttpServer(({ socket }) => void sockets.emit('request', socket));
    let runtime: SubscriberRuntime | undefined;
    const service = defineSubscriber(
      { name: 'News', target: targetServer.url },
      { onEventNotification() {}, onStart: (started) => void (runtime = started) },
    );
    const starting = startService(service, QUIET);
    const [socket] = await requested;
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(4_000) });
    await runtime?.stop();
    await closed;
    expect(await starting).toBe(runtime);
    const [subscription] = await starting.then(({ subscriptions }) => subscriptions.find());
    expect(subscription).toMatchObject({ attempts: 0, state: 'requested' });
  });

  it('does not unsubscribe with `unsubscribe: false`, or `unsubscribeOnShutdown: false` of a service', async () => {
    await using hub = await TestHub.start();
    const [firstTopic, secondTopic] = [hub.topic('/a'), hub.topic('/b')];
    const optionRuntime = await startService(recordingService({ target: firstTopic.url }).service, QUIET);
    const configRuntime = await startService(
      recordingService({ target: secondTopic.url, unsubscribeOnShutdown: false }).service,
      QUIET,
    );
    await Promise.all([optionRuntime.ready(), configRuntime.ready()]);
    await hub.settled();
    await Promise.all([optionRuntime.stop({ unsubscribe: false }), configRuntime.stop()]);
    expect(hub.subscriptions.map(({ state }) => state)).toEqual(['active', 'active']);
  });

  it('unsubscribes with `unsubscribe: true`, even if the service has `unsubscribeOnShutdown: false`', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const runtime = await startService(
      recordingService({ target: topic.url, unsubscribeOnShutdown: false }).service,
      QUIET,
    );
    await runtime.ready();
    await runtime.stop({ unsubscribe: true });
    await expect(hub.unsubscribed(topic)).resolves.toMatchObject({ topic: topic.url });
  });

  it('is sped up by stopNow(), which aborts the signals of running handlers', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const abortedSignals: boolean[] = [];
    const service = defineSubscriber(
      { name: 'Slow', target: topic.url, secret: false, delivery: { ackAfterMs: 0 } },
      {
        onEventNotification: (event) =>
          new Promise((resolve) => {
            event.signal.addEventListener('abort', () => {
              abortedSignals.push(event.signal.aborted);
              resolve();
            });
          }),
      },
    );
    const logger = recordingLogger();
    const runtime = await startService(service, { ...QUIET, logger });
    await runtime.ready();
    expect(await topic.publish('news')).toMatchObject([{ status: 202 }]);
    const stopping = runtime.stop({ unsubscribe: false });
    const stoppedNowAt = performance.now();
    expect(runtime.stopNow()).toBe(stopping);
    await stopping;
    expect(performance.now() - stoppedNowAt).toBeLessThan(2_000);
    expect(abortedSignals).toEqual([true]);
    expect(logger.events('warn')).toContain('shutdown.handlers-running');
  });

  it('does not unsubscribe if stopNow() is called first', async () => {
    await using hub = await TestHub.start();
    const runtime = await startService(recordingService({ target: hub.topic('/feed').url }).service, QUIET);
    await runtime.ready();
    await hub.settled();
    await runtime.stopNow();
    expect(hub.requests.flatMap(({ form }) => form.get('hub.mode') ?? [])).toEqual(['subscribe']);
    expect(await runtime.subscriptions.find()).toMatchObject([{ state: 'active' }]);
  });

  it.each([
    [0, 'stop()'],
    [1, 'stopNow()'],
  ])(
    'logs no warning if nothing takes time, with gracefulShutdownSeconds: %i and a call of %s',
    async (gracefulShutdownSeconds, _call) => {
      const logger = recordingLogger();
      const options = { ...QUIET, logger, publicUrl: 'https://me.example.com', gracefulShutdownSeconds };
      const runtime = await startService(recordingService().service, options);
      runtime.onShutdown(() => {});
      await (gracefulShutdownSeconds === 0 ? runtime.stop() : runtime.stopNow());
      expect(logger.events('warn')).toEqual([]);
    },
  );

  it('runs the shutdown listeners in order, even if listeners throw', async () => {
    const order: string[] = [];
    const logger = recordingLogger();
    const failingService = (name: string): ReturnType<typeof defineSubscriber> =>
      defineSubscriber(
        { name },
        {
          onEventNotification() {},
          onShutdown(runtime) {
            order.push(`${name} ${runtime.url.startsWith('http')}`);
            throw new Error(`${name} fails`);
          },
        },
      );
    const runtime = await startService([failingService('A'), failingService('B')], { ...QUIET, logger });
    runtime.onShutdown(async () => Promise.reject(new Error('so does this')));
    runtime.onShutdown(() => order.push('last'));
    await runtime[Symbol.asyncDispose]();
    expect(order).toEqual(['A true', 'B true', 'last']);
    expect(logger.lines.filter(({ level }) => level === 'error')).toMatchObject(
      ['A fails', 'B fails', 'so does this'].map((message) => ({
        event: 'shutdown.step-failed',
        fields: { step: 'shutdown listener', err: { message } },
      })),
    );
  });

  it('ends in time even if a shutdown listener and the tunnel never end', async () => {
    const never = (): Promise<void> => new Promise(() => {});
    const tunnel = async (): Promise<{ url: string; close: () => Promise<void> }> => ({
      url: 'https://me.example.com',
      close: never,
    });
    const logger = recordingLogger();
    const options = { ...QUIET, logger, tunnel, gracefulShutdownSeconds: 0.2 };
    const runtime = await startService(recordingService().service, options);
    runtime.onShutdown(never);
    const stoppedAt = performance.now();
    await runtime.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(3_000);
    expect(logger.events('warn')).toEqual(['shutdown.listener-slow']);
  });

  it('makes subscribe, unsubscribe and retry reject from then on', async () => {
    const { service } = recordingService();
    const runtime = await startService(service, QUIET);
    await runtime.stop();
    for (const call of [
      runtime.subscribe(service, { target: 'https://example.com/feed' }),
      runtime.unsubscribe('some'),
      runtime.retry(),
    ]) {
      expect(await failureOf(call)).toMatchObject({
        code: 'ERR_WEBSUB',
        message: expect.stringContaining('has stopped'),
      });
    }
  });

  it('works in the middle of a start, logs no error, and closes the port', async () => {
    await using hub = await TestHub.start({ delayMs: { answer: 300 } });
    const targets = Array.from({ length: 20 }, (_, index) => hub.topic(`/${index}`).url);
    let started: SubscriberRuntime | undefined;
    const stops: Promise<void>[] = [];
    const service = defineSubscriber(
      { name: 'News', targets, secret: false },
      { onEventNotification() {}, onStart: (runtime) => void (started = runtime) },
    );
    const logger = recordingLogger();
    const starting = startService(service, { ...QUIET, logger });
    await hub.until(() => hub.requests.length > 3);
    if (started !== undefined) stops.push(started.stop());
    await Promise.all(stops);
    expect(await starting).toBe(started);
    expect(logger.events('error')).toEqual([]);
    await expect(fetch(started?.url ?? '')).rejects.toThrow('fetch failed');
  });
});
