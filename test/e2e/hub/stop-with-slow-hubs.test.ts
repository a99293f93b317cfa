import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, startService, type StartOptions } from 'websub-subscriber';
import { TestHub, type HubFaults, type ReceivedRequest } from 'websub-subscriber/testing';
import { recordingLogger } from '../../kit/recording-logger.js';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHub } from '../../kit/start-hub.js';

const OPTIONS = { port: 0, store: 'memory', handleSignals: false } as const;

const unsubscribeRequests = (hub: TestHub): ReceivedRequest[] =>
  hub.requests.filter(({ form }) => form.get('hub.mode') === 'unsubscribe');

async function activeSubscription(faults: HubFaults = {}, options: StartOptions = {}) {
  const hub = await startHub(faults);
  const topic = hub.topic('/feed');
  const logger = recordingLogger();
  const runtime = await startService(recordingService({ target: topic.url }).service, {
    ...OPTIONS,
    logger,
    ...options,
  });
  onTestFinished(() => runtime.stopNow());
  await runtime.ready();
  await hub.settled();
  /** Stops the runtime. Resolves to the elapsed milliseconds. */
  const stop = async (): Promise<number> => {
    const startedAt = performance.now();
    await runtime.stop();
    return performance.now() - startedAt;
  };
  return { hub, topic, logger, runtime, stop };
}

describe('L8 a stop', () => {
  it('does not abort an unsubscribe request if its verification came first', async () => {
    const { hub, stop } = await activeSubscription({ verify: 'sync' });
    const release = hub.holdBack('answer');
    const stopping = stop();
    await hub.unsubscribed();
    let hasStopped = false;
    void stopping.then(() => (hasStopped = true));
    await untilIdle();
    expect(hasStopped).toBe(false);
    release();
    await stopping;
    expect(unsubscribeRequests(hub)).toHaveLength(1);
  });

  it('gives the verification the grace period, however short the lease', async () => {
    const world = new FakeWorld();
    const hub = await startHub({ leaseSeconds: 20, now: () => world.now });
    const topic = hub.topic('/feed');
    const runtime = await world.start(recordingService({ target: topic.url }).service);
    onTestFinished(() => runtime.stopNow());
    await runtime.ready();
    const release = hub.holdBack('verification');
    const stopping = runtime.stop();
    await hub.until(() => unsubscribeRequests(hub).length === 1);
    // A subscribe request would have to be verified within a tenth of the lease: two seconds.
    world.advance(3_000);
    await untilIdle();
    release();
    await stopping;
    await hub.unsubscribed();
    expect(world.logged('shutdown.hub-not-verified')).toEqual([]);
  });

  it('retries a failed unsubscribe request once, after a second', async () => {
    const { hub, stop } = await activeSubscription({ fail: { status: 503, only: 'unsubscriptions', times: 1 } });
    expect(await stop()).toBeGreaterThan(900);
    expect(unsubscribeRequests(hub)).toHaveLength(2);
    await hub.unsubscribed();

    const failing = await activeSubscription({ fail: { status: 503, only: 'unsubscriptions' } });
    expect(await failing.stop()).toBeLessThan(5_000);
    expect(unsubscribeRequests(failing.hub)).toHaveLength(2);
    expect(failing.logger.logged('shutdown.hub-not-verified')).toMatchObject([
      { level: 'warn', fields: { hub: failing.hub.url, expiresAt: expect.any(String) } },
    ]);
    expect(failing.logger.events('warn')).toContain('subscription.failed');
    expect(failing.logger.lines.filter(({ fields }) => 'nextAttemptAt' in fields)).toEqual([]);
  });

  it('ends early if nothing is open', async () => {
    const { stop } = await activeSubscription();
    expect(await stop()).toBeLessThan(1_000);
  });

  it('waits for handlers and hubs at the same time', async () => {
    const handlerHold = deferred();
    const hub = await startHub();
    const topic = hub.topic('/feed');
    const service = defineSubscriber(
      { name: 'News', target: topic.url, secret: false, delivery: { ackAfterMs: 50 } },
      { onEventNotification: () => handlerHold.promise },
    );
    const runtime = await startService(service, { ...OPTIONS, logger: false });
    onTestFinished(() => runtime.stopNow());
    await runtime.ready();
    await topic.publish('news');
    const startedAt = performance.now();
    const stopping = runtime.stop();
    await hub.unsubscribed();
    // The hub has verified. The stop waits only for the handler.
    handlerHold.resolve();
    await stopping;
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  it('still accepts content while it waits for the hub', async () => {
    const { hub, topic, stop } = await activeSubscription();
    const release = hub.holdBack('verification');
    const stopping = stop();
    await hub.until(() => unsubscribeRequests(hub).length === 1);
    expect((await topic.publish('the last news')).map(({ status }) => status)).toEqual([202]);
    release();
    await stopping;
  });

  it('waits for a hub that hangs until a request and its retry a second later have timed out', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const hub = await startHub();
    const topic = hub.topic('/feed');
    const { service } = recordingService({ target: topic.url, httpConfig: { timeoutMs: 300 } });
    const runtime = await startService(service, { ...OPTIONS, logger: false });
    onTestFinished(() => runtime.stopNow());
    await runtime.ready();
    await hub.settled();
    hub.redirect(307, `http://127.0.0.1:${port}/`);
    const startedAt = performance.now();
    await runtime.stop();
    const elapsedMs = performance.now() - startedAt;
    expect(elapsedMs).toBeGreaterThan(1_500);
    expect(elapsedMs).toBeLessThan(8_000);
  });
});
