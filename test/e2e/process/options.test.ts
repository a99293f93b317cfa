import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Keyv } from 'keyv';
import { pino } from 'pino';
import { Agent, fetch } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import {
  ConfigurationError,
  container,
  defineSubscriber,
  Logger,
  startService,
  SubscriberRuntime,
  type HookName,
  type HookPayload,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { HOOK_NAMES } from '../../../src/delivery/hook-payloads.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import { start } from '../../../src/runtime/lifecycle/start-service.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { stubName } from '../../kit/set-up/names.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { unusedPort, portOf } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;
const seams = (env: NodeJS.ProcessEnv) => ({ now: Date.now, random: Math.random, engine: embeddedEngine, env });

const pem = (name: string): string => readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');

async function callbackOf(runtime: SubscriberRuntime): Promise<string> {
  const [{ callback } = {}] = await runtime.subscriptions.find();
  if (callback === undefined) throw new Error('nothing was asked for');
  return callback;
}

describe('the address', () => {
  it('has the environment’s PORT, and hubs get WEBSUB_PUBLIC_URL', async () => {
    await using hub = await TestHub.start({ verify: 'never' });
    const port = await unusedPort();
    const env = {
      PORT: String(port),
      WEBSUB_PUBLIC_URL: 'https://me.example.com/here/',
      WEBSUB_STORE: 'memory',
      LOG_LEVEL: 'silent',
    };
    const { service } = recordingService({ target: hub.topic('/feed').url });
    await using runtime = await start(service, { gracefulShutdownSeconds: 0, handleSignals: false }, seams(env));
    expect(runtime).toMatchObject({ port, url: 'https://me.example.com/here' });
    expect(await callbackOf(runtime)).toMatch(/^https:\/\/me\.example\.com\/here\/websub\/[\w-]{43}$/);
  });

  it('is limited to the option `host`', async () => {
    await using runtime = await startService(recordingService().service, { ...QUIET, host: '127.0.0.1' });
    expect((await fetch(`http://127.0.0.1:${runtime.port}/`)).status).toBe(404);
    await expect(fetch(`http://[::1]:${runtime.port}/`)).rejects.toThrow('fetch failed');
  });

  it('is localhost for hubs by default, with a warning', async () => {
    const logger = recordingLogger();
    await using runtime = await startService(recordingService().service, { ...QUIET, logger });
    expect(runtime.url).toBe(`http://localhost:${runtime.port}`);
    expect(logger.events('warn')).toEqual(['public-url.local']);
    expect(logger.logged('public-url.local')).toMatchObject([{ fields: { publicUrl: runtime.url } }]);
  });

  it('is HTTPS with tls', async () => {
    const [key, cert] = [pem('key'), pem('certificate')];
    await using hub = await TestHub.start({ ca: cert });
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    await using runtime = await startService(service, { ...QUIET, tls: { key, cert } });
    await runtime.ready();
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(await callbackOf(runtime)).toMatch(/^https:\/\/localhost:/);
    const agent = new Agent({ connect: { ca: cert } });
    expect((await fetch(runtime.url, { dispatcher: agent })).status).toBe(404);
    await agent.close();
  });

  it('is the URL of the tunnel for hubs, and the stop closes the tunnel', async () => {
    const port = await unusedPort();
    const close = vi.fn<() => void>();
    const tunnel = vi.fn<(address: string) => Promise<{ url: string; close(): void }>>(async () => ({
      url: `http://localhost:${port}/through/`,
      close,
    }));
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    const runtime = await startService(service, { ...QUIET, port, tunnel });
    await runtime.ready();
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(tunnel.mock.calls).toEqual([[`http://localhost:${port}`]]);
    expect(await callbackOf(runtime)).toMatch(new RegExp(`^http://localhost:${port}/through/websub/`));
    await runtime.stop();
    expect(close).toHaveBeenCalledOnce();
  });
});

describe('the application’s server', () => {
  it('answers our callbacks next to its own requests, and is restored at the end', async () => {
    await using applicationServer = await startHttpServer((_request, response) => void response.end('theirs'));
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    const runtime = await startService(service, { ...QUIET, server: applicationServer.server });
    await runtime.ready();
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(runtime.port).toBe(portOf(applicationServer.server));
    expect(await (await fetch(applicationServer.url)).text()).toBe('theirs');
    const callback = await callbackOf(runtime);
    await runtime.stop();
    await hub.unsubscribed(topic);
    expect(applicationServer.server.listening).toBe(true);
    expect(await (await fetch(callback, { method: 'POST' })).text()).toBe('theirs');
  });

  it('delays the first requests until it listens', async () => {
    const port = await unusedPort();
    const server = createServer();
    const countBefore = server.listenerCount('listening');
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    const runtime = await startService(service, { ...QUIET, server, publicUrl: `http://localhost:${port}` });
    expect((await failureOf(runtime.ready({ timeoutMs: 30 }))).message).toMatch(/begin when the given server listens/);
    expect(hub.requests).toEqual([]);
    const ready = runtime.ready();
    server.listen(port);
    await ready;
    await topic.publish('news');
    expect(received).toEqual(['news']);
    await runtime.stop();
    server.close();
    await once(server, 'close');
    expect(server.listenerCount('listening')).toBe(countBefore);
  });

  it('does not prevent a stop if it never listens', async () => {
    const server = createServer();
    const countBefore = server.listenerCount('listening');
    const { service } = recordingService({ target: 'https://example.com/never-asked' });
    const runtime = await startService(service, { ...QUIET, server, publicUrl: 'https://me.example.com' });
    await runtime.stop();
    expect(server.listenerCount('listening')).toBe(countBefore);
    expect(await runtime.subscriptions.count()).toBe(0);
  });
});

describe('a runtime with the option manual', () => {
  it('does not listen, and sends its first requests only after startService has resolved', async () => {
    let runtime: SubscriberRuntime | undefined;
    await using applicationServer = await startHttpServer((request, response) =>
      runtime?.nodeHandler(request, response),
    );
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    runtime = await startService(service, { ...QUIET, manual: true, publicUrl: applicationServer.url });
    expect(runtime.port).toBeUndefined();
    expect(hub.requests).toEqual([]);
    await runtime.ready();
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect((await runtime.fetch(new Request(`${runtime.url}/unknown`))).status).toBe(404);
    await runtime.stop();
    await hub.unsubscribed(topic);
  });

  it('sends no request if it is stopped at once', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const runtime = await startService(service, { ...QUIET, manual: true, publicUrl: 'https://me.example.com' });
    await runtime.stop();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(hub.requests).toEqual([]);
  });

  it('stops if the declared subscriptions cannot be stored', async () => {
    const logger = recordingLogger();
    const keyv = new Keyv();
    const { service } = recordingService({ target: 'https://example.com/feed' });
    const options = { ...QUIET, logger, store: keyv, manual: true, publicUrl: 'https://me.example.com' };
    const set = keyv.set.bind(keyv);
    vi.spyOn(keyv, 'set').mockImplementation(async (key, value) => !key.includes(':subscription:') && set(key, value));
    const runtime = await startService(service, options);
    expect((await failureOf(runtime.ready())).message).toMatch(/the runtime is stopping|Requests begin when/);
    await runtime.stop();
    expect(logger.events('fatal')).toEqual(['declared.not-stored']);
  });
});

describe('startService', () => {
  it('puts the callback token directly after the public URL if basePath is `/`', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    await using runtime = await startService(service, { ...QUIET, basePath: '/' });
    await runtime.ready();
    await topic.publish('news');
    expect(await callbackOf(runtime)).toMatch(new RegExp(`^http://localhost:${runtime.port}/[\\w-]{43}$`));
    expect(received).toEqual(['news']);
  });

  it('takes a Keyv as the store, which stays open after the stop', async () => {
    await using hub = await TestHub.start();
    const keyv = new Keyv();
    const runtime = await startService(recordingService({ target: hub.topic('/feed').url }).service, {
      ...QUIET,
      store: keyv,
    });
    await runtime.ready();
    await runtime.stop();
    await keyv.set('still', 'open');
    expect(await keyv.get('still')).toBe('open');
  });

  it('refuses a store URL with an unknown scheme', async () => {
    const failure = await failureOf(startService(recordingService().service, { ...QUIET, store: 'mongodb://here' }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/mongodb/);
  });

  it('constructs a service with dependencies of the given container, the logger and the runtime', async () => {
    const givenContainer = container.createChildContainer();
    givenContainer.registerInstance('Archive', ['it']);
    class Injected {
      constructor(
        readonly archive: string[],
        readonly log: Logger,
        readonly runtime: SubscriberRuntime,
      ) {}
      onEventNotification(): void {}
      onStart(runtime: SubscriberRuntime): void {
        this.archive.push(String(runtime === this.runtime));
        this.log.info('injected');
      }
    }
    const logger = recordingLogger();
    const service = defineSubscriber({ inject: ['Archive', Logger, SubscriberRuntime] }, Injected);
    await using _runtime = await startService(service, { ...QUIET, container: givenContainer, logger });
    expect(givenContainer.resolve('Archive')).toEqual(['it', 'true']);
    expect(logger.lines).toContainEqual({ level: 'info', event: undefined, fields: {}, message: 'injected' });
  });

  it('S5 requests with a secret over plain HTTP only with security.allowInsecureSecret', async () => {
    stubName('hub.test');
    await using hub = await TestHub.start({ hostname: 'hub.test' });
    const topic = hub.topic('/feed');
    const dispatcher = new Agent({
      connect: { lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]) },
    });
    const { service } = recordingService({
      target: topic.url,
      secret: 'not over the wire',
      httpConfig: { dispatcher },
      discoveryConfig: { httpConfig: { dispatcher } },
    });
    const sentSecrets = (): string[] => hub.requests.flatMap(({ form }) => form.get('hub.secret') ?? []);
    const secureRuntime = await startService(service, QUIET);
    const [{ lastError } = {}] = await secureRuntime.subscriptions.find();
    expect(lastError).toMatchObject({ cause: 'configuration', message: expect.stringMatching(/plain HTTP/i) });
    expect(lastError?.message).not.toMatch(/not over the wire/);
    await secureRuntime.stop();
    expect(sentSecrets()).toEqual([]);
    await using insecureRuntime = await startService(service, { ...QUIET, security: { allowInsecureSecret: true } });
    await insecureRuntime.ready();
    expect(sentSecrets()).toEqual(['not over the wire']);
    await insecureRuntime.stop();
    await dispatcher.close();
  });
});

describe('secrets', () => {
  it('are in no log line, hook error or snapshot of a runtime, from its start to its stop', async () => {
    const written: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line) => void written.push(line) });
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3', leaseSeconds: 2 });
    const topic = hub.topic('/feed');
    const directory = temporaryDirectory();
    const SECRETS = { secret: 'kept-quiet-1', bearer: 'kept-quiet-2', custom: 'kept-quiet-3' };
    const service = defineSubscriber(
      {
        name: 'Quiet',
        target: topic.url,
        protocol: 'pubsubhubbub-0.3',
        secret: SECRETS.secret,
        httpConfig: { auth: { bearer: SECRETS.bearer } },
        customHeaders: { 'x-key': SECRETS.custom },
        delivery: { ackAfterMs: 0 },
      },
      {
        onEventNotification() {
          throw new Error('the handler fails');
        },
      },
    );
    const seen: unknown[] = [];
    const runtime = await startService(service, { ...QUIET, logger, store: `lmdb://${directory}` });
    for (const name of HOOK_NAMES) {
      runtime.hooks.on(name, ({ error, ...rest }) =>
        seen.push({ ...rest, event: undefined }, error?.message, error?.stack),
      );
    }
    await runtime.ready();
    await topic.publish('news');
    topic.configure({ signature: 'wrong' });
    await topic.publish('forged');
    hub.fail(500, { times: 1 });
    await until(async () => (await runtime.subscriptions.find())[0]?.attempts === 1);
    await until(async () => (await runtime.subscriptions.find())[0]?.attempts === 0);
    hub.redirect(307, 'http://127.0.0.1:9/elsewhere');
    await runtime.retry();
    seen.push(...(await runtime.subscriptions.find()));
    await runtime.stop();
    seen.push(...(await runtime.subscriptions.find()));

    const tokens = hub.requests.flatMap(({ form }) => form.get('hub.verify_token') ?? []);
    expect(tokens.length).toBeGreaterThan(1);
    const everything = `${written.join('')}${JSON.stringify(seen)}`;
    expect(written.length).toBeGreaterThan(8);
    for (const secret of [...Object.values(SECRETS), ...tokens]) expect(everything).not.toContain(secret);
  }, 20_000);
});

/** The fields that the types promise for each hook. */
const PROMISED_FIELDS: Readonly<Record<HookName, readonly (keyof HookPayload)[]>> = {
  requested: ['grant'],
  verified: ['grant'],
  renewed: ['grant'],
  denied: ['grant', 'error'],
  expired: ['grant'],
  unsubscribed: [],
  failed: ['error'],
  'hub-moved': ['grant'],
  'topic-moved': ['grant'],
  'hub-silent': ['grant', 'error'],
  'hub-error': ['grant', 'error'],
  notification: ['grant', 'event'],
  rejected: ['grant', 'error'],
  delivered: ['grant', 'event'],
  'handler-error': ['grant', 'event', 'error'],
  'dead-letter': ['grant', 'event', 'error', 'cause'],
};

describe('hooks', () => {
  it('report each kind of change except `hub-silent`, with the fields that the types promise', async () => {
    await using advertisedHub = await TestHub.start();
    // A secret is sent to another origin only over https.
    const [key, cert] = [pem('key'), pem('certificate')];
    await using hub = await TestHub.start({ leaseSeconds: 1000, tls: { key, cert } });
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    advertisedHub.redirect(308, hub.url);
    const topic = advertisedHub.topic('/feed');
    const hookCalls: (HookPayload & { readonly name: HookName })[] = [];
    const service = defineSubscriber(
      { name: 'News', target: topic.url, secret: 'shh', httpConfig: { dispatcher }, delivery: { retryForSeconds: 0 } },
      {
        onEventNotification(event) {
          if (event.text() === 'bad') throw new Error('the handler fails');
        },
        onStart({ hooks }) {
          for (const name of HOOK_NAMES) hooks.on(name, (payload) => void hookCalls.push({ name, ...payload }));
        },
      },
    );
    const world = new FakeWorld();
    await using runtime = await world.start(service);
    const hookCalled = (name: HookName, times = 1): Promise<true> =>
      until(() => hookCalls.filter((call) => call.name === name).length >= times);
    await runtime.ready();
    await hub.distribute(topic.url, 'news');
    await hub.distribute(topic.url, 'bad');
    hub.configure({ signature: 'wrong' });
    await hub.distribute(topic.url, 'forged');
    await hub.error('a hiccup');
    world.advance(899_000);
    await hookCalled('renewed');
    topic.configure({ self: advertisedHub.topic('/moved').url });
    world.advance(899_000);
    await hookCalled('verified', 2);
    await hookCalled('unsubscribed');
    world.advance(1_000_000);
    await hookCalled('verified', 3);
    hub.fail(500, { times: 1 });
    await runtime.subscribe(service, { target: { hub: hub.url, topic: 'https://example.com/other' } });
    await hookCalled('failed');
    const [activeSubscription] = await runtime.subscriptions.find({ state: 'active' });
    await runtime.unsubscribe(activeSubscription?.id ?? '');
    await hookCalled('unsubscribed', 2);
    hub.configure({ deny: 'over' });
    await runtime.retry(activeSubscription?.id ?? '');
    await hookCalled('denied');

    const payloads = new Map(hookCalls.map(({ name, ...payload }) => [name, payload]));
    // hub-silent has its own test, with polling.
    const expectedNames = HOOK_NAMES.filter((name) => name !== 'hub-silent');
    expect([...payloads.keys()].toSorted()).toEqual(expectedNames.toSorted());
    for (const [name, payload] of payloads) {
      expect({ name, ...payload }).toMatchObject({
        at: new Date(payload.at),
        subscription: { service: 'News', id: expect.any(String) },
        grant: { hub: expect.any(String) },
      });
    }
    for (const { name, ...payload } of hookCalls) {
      for (const field of PROMISED_FIELDS[name]) expect(payload).toHaveProperty(field, expect.anything());
    }
    const events = ['notification', 'delivered', 'handler-error', 'dead-letter'] as const;
    expect(events.map((name) => hookCalls.find((call) => call.name === name)?.event?.text())).toEqual([
      'news',
      'news',
      'bad',
      'bad',
    ]);
    const errors = hookCalls.flatMap(({ name, error }) => (error === undefined ? [] : `${name}: ${error.name}`));
    expect(errors).toEqual([
      'handler-error: Error',
      'dead-letter: Error',
      'rejected: SignatureError',
      'failed: InternalHubError',
      'hub-error: InternalHubError',
      'failed: SubscriptionInitiationError',
      'denied: SubscriptionDeniedError',
    ]);
    const hubMoved = hookCalls.find(({ name }) => name === 'hub-moved');
    expect(hubMoved?.grant).toMatchObject({ advertisedHub: advertisedHub.url, hub: hub.url });
  });

  it('log an error of a listener, which has no other effect', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const logger = recordingLogger();
    const received: string[] = [];
    const listeningService = defineSubscriber(
      { name: 'Listening', target: hub.topic('/b').url, secret: false },
      {
        onEventNotification() {},
        onStart({ hooks }) {
          hooks.on('requested', () => {
            throw new Error('a listener fails');
          });
          hooks.on('verified', ({ subscription }) => void received.push(subscription.state));
        },
      },
    );
    await using runtime = await startService([service, listeningService], { ...QUIET, logger });
    await runtime.ready();
    expect(received).toEqual(['active', 'active']);
    expect(logger.events('error')).toEqual(['hook.failed', 'hook.failed']);
    const fields = { hook: 'requested', err: { message: 'a listener fails' } };
    expect(logger.logged('hook.failed')).toMatchObject([{ fields }, { fields }]);
  });
});
