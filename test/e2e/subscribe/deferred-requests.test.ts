import { createServer } from 'node:http';
import { Keyv } from 'keyv';
import { describe, expect, it } from 'vitest';
import {
  defineSubscriber,
  startService,
  SubscriptionInitiationError,
  type SubscriberDefinition,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';

const QUIET = { port: 0, store: 'memory', logger: false, deferRequests: true } as const;

/** The state that an earlier runtime leaves: an active subscription to `target`, in the store and at the hub. */
async function leaveActive(hub: TestHub): Promise<{
  readonly service: SubscriberDefinition;
  readonly target: string;
  readonly options: { readonly port: number; readonly store: Keyv };
}> {
  const { service } = recordingService();
  const target = hub.topic('/kept').url;
  // The hub knows the callback with this port.
  const options = { port: await unusedPort(), store: new Keyv({ store: new Map() }) };
  const runtime = await startService(service, { ...options, logger: false });
  await runtime.subscribe(service, { target });
  await runtime.ready();
  await runtime.stop({ unsubscribe: false });
  return { service, target, options };
}

describe('deferRequests', () => {
  it('sends no request before begin(), so that an application may listen long after the start', async () => {
    await using hub = await TestHub.start();
    const [declared, added] = [hub.topic('/declared'), hub.topic('/added')];
    const { service, received } = recordingService({ target: declared.url });
    const port = await unusedPort();
    const publicUrl = `http://localhost:${port}`;
    await using runtime = await startService(service, { ...QUIET, manual: true, publicUrl });
    const subscription = await runtime.subscribe(service, { target: added.url });
    expect(subscription.state).toBe('requested');
    // Longer than the mounting time that `manual` alone allows.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(hub.requests).toEqual([]);
    const server = createServer(runtime.nodeHandler);
    await new Promise<void>((resolve) => void server.listen(port, resolve));
    await runtime.begin();
    expect(hub.requests.length).toBeGreaterThan(0);
    await runtime.ready({ timeoutMs: 5_000 });
    await declared.publish('one');
    await added.publish('two');
    expect(received).toEqual(['one', 'two']);
    const requestCount = hub.requests.length;
    await Promise.all([runtime.begin(), runtime.begin()]);
    expect(hub.requests).toHaveLength(requestCount);
    await runtime.stop();
    server.close();
  });

  it('works with the runtime’s own listener', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService({ target: hub.topic('/feed').url });
    await using runtime = await startService(service, QUIET);
    const message = 'Not ready: no subscribe request has been sent yet. Requests begin when runtime.begin() is called.';
    expect((await failureOf(runtime.ready({ timeoutMs: 30 }))).message).toBe(message);
    await runtime.subscribe(service, { target: hub.topic('/added').url });
    expect((await failureOf(runtime.ready({ timeoutMs: 30 }))).message).toBe(message);
    expect(hub.requests).toEqual([]);
    await runtime.begin();
    await runtime.ready();
  });

  it.each([
    ['with manual', { manual: true }, 'the short delay for mounting the callbacks is over'],
    ['with a server', { server: createServer() }, 'the given server listens'],
  ])(
    'set to false lets ready() name the event that the first requests wait for (%s)',
    async (_, options, awaitedEvent) => {
      const publicUrl = 'http://localhost:1';
      await using runtime = await startService(recordingService().service, {
        ...QUIET,
        ...options,
        publicUrl,
        deferRequests: false,
      });
      const failure = await failureOf(runtime.ready({ timeoutMs: 0 }));
      expect(failure.message).toContain(`Requests begin when ${awaitedEvent}.`);
    },
  );

  it('sends no unsubscribe request before begin(), because nobody could answer its verification', async () => {
    await using hub = await TestHub.start();
    const { service, target, options } = await leaveActive(hub);
    await using runtime = await startService(service, { ...QUIET, ...options });
    const requestCount = hub.requests.length;
    const { state } = await runtime.unsubscribe(service, target);
    expect(state).toBe('unsubscribing');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(hub.requests).toHaveLength(requestCount);
    await runtime.begin();
    await hub.until(() => hub.subscriptions[0]?.state === 'unsubscribed');
  });

  it('lets a stop before begin() send the request of a subscription that is already unsubscribing', async () => {
    await using hub = await TestHub.start();
    const { service, target, options } = await leaveActive(hub);
    const runtime = await startService(service, { ...QUIET, ...options });
    await runtime.unsubscribe(service, target);
    await runtime.stop();
    await hub.settled();
    expect(hub.subscriptions[0]?.state).toBe('unsubscribed');
    expect(hub.requests.filter(({ form }) => form.get('hub.mode') === 'unsubscribe')).toHaveLength(1);
  });

  it('sends no subscribe request if the runtime stops before begin(), and begin() then rejects', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService({ target: hub.topic('/declared').url });
    const runtime = await startService(service, QUIET);
    await runtime.subscribe(service, { target: hub.topic('/added').url });
    await runtime.stop();
    expect(hub.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    expect((await failureOf(runtime.begin())).message).toContain('has stopped');
  });

  it('lets begin() reject with the first failure if failFast is set, and the runtime has stopped', async () => {
    await using hub = await TestHub.start({ fail: { status: 400 } });
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const publicUrl = 'http://localhost:1';
    const runtime = await startService(service, { ...QUIET, manual: true, publicUrl, failFast: true });
    expect(await failureOf(runtime.begin())).toBeInstanceOf(SubscriptionInitiationError);
    expect((await failureOf(runtime.renew('any'))).message).toContain('has stopped');
  });

  it('lets begin() in onStart reject with an error that says when to call begin()', async () => {
    const failures: unknown[] = [];
    const service = defineSubscriber(
      { name: 'Early' },
      { onEventNotification() {}, onStart: async (runtime) => void failures.push(await failureOf(runtime.begin())) },
    );
    await using _runtime = await startService(service, QUIET);
    expect(failures).toEqual([expect.objectContaining({ message: expect.stringMatching(/once your server listens/) })]);
  });
});

describe('stop() of a runtime on a server of the application', () => {
  async function startOnServer(hub: TestHub): Promise<{
    readonly server: ReturnType<typeof createServer>;
    readonly logger: ReturnType<typeof recordingLogger>;
    readonly runtime: Awaited<ReturnType<typeof startService>>;
  }> {
    const server = createServer();
    const logger = recordingLogger();
    await new Promise<void>((resolve) => void server.listen(0, resolve));
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const runtime = await startService(service, { store: 'memory', logger, server });
    await runtime.ready();
    return { server, logger, runtime };
  }

  it('sends no unsubscribe request after the server is closed, and logs advice', async () => {
    await using hub = await TestHub.start();
    const { server, logger, runtime } = await startOnServer(hub);
    server.close();
    const requestCount = hub.requests.length;
    await runtime.stop();
    expect(hub.requests).toHaveLength(requestCount);
    expect(logger.logged('shutdown.server-closed')).toMatchObject([{ level: 'warn', fields: { isWaiting: false } }]);
  });

  it('logs no advice if nothing is unsubscribed', async () => {
    await using hub = await TestHub.start();
    const { server, logger, runtime } = await startOnServer(hub);
    server.close();
    await runtime.stop({ unsubscribe: false });
    expect(logger.logged('shutdown.server-closed')).toEqual([]);
  });

  it('stops waiting for hubs when the server closes during the stop', async () => {
    await using hub = await TestHub.start();
    const { server, logger, runtime } = await startOnServer(hub);
    hub.configure({ verify: 'never' });
    const stopping = runtime.stop();
    await hub.until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    const startedAt = performance.now();
    server.close();
    await stopping;
    expect(performance.now() - startedAt).toBeLessThan(10_000); // The grace period is 20 s.
    expect(logger.logged('shutdown.server-closed')).toMatchObject([{ level: 'warn', fields: { isWaiting: true } }]);
  });

  it('unsubscribes and logs no advice before the server is closed', async () => {
    await using hub = await TestHub.start();
    const { server, logger, runtime } = await startOnServer(hub);
    await runtime.stop();
    server.close();
    await hub.settled();
    expect(hub.subscriptions[0]?.state).toBe('unsubscribed');
    expect(logger.logged('shutdown.server-closed')).toEqual([]);
  });

  it('sends no request and does not wait if the server never listened', async () => {
    await using hub = await TestHub.start();
    const { service, options } = await leaveActive(hub);
    const requestCount = hub.requests.length;
    const logger = recordingLogger();
    const { port, store } = options;
    const startOptions = { store, logger, server: createServer(), publicUrl: `http://localhost:${port}` };
    const runtime = await startService(service, startOptions);
    const startedAt = performance.now();
    await runtime.stop();
    expect(performance.now() - startedAt).toBeLessThan(10_000); // The grace period is 20 s.
    expect(hub.requests).toHaveLength(requestCount);
    expect(logger.logged('shutdown.server-closed')).toMatchObject([{ level: 'warn', fields: { isWaiting: false } }]);
  });

  it('logs no advice if no hub has a subscription', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, resolve));
    const logger = recordingLogger();
    const runtime = await startService(recordingService().service, { store: 'memory', logger, server });
    server.close();
    await runtime.stop();
    expect(logger.logged('shutdown.server-closed')).toEqual([]);
  });
});
