import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  startService,
  SubscriptionDeletedError,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const formsAt = (hub: TestHub): URLSearchParams[] =>
  hub.requests.flatMap(({ method, form }) => (method === 'POST' ? [form] : []));

describe('S3 a hub that answers 400 without hub.verify', () => {
  it('gets hub.verify in a second request and in all later ones', async () => {
    const world = new FakeWorld();
    const hub = await startHub({ protocol: 'pubsubhubbub-0.3', now: () => world.now });
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url, secret: 'a shared one' });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    await runtime.ready({ timeoutMs: 5_000 });
    await topic.publish('news');
    expect(received).toEqual(['news']);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({ state: 'active', attempts: 0, failures: {} });
    await runtime.renew(subscription?.id ?? '');
    await until(() => formsAt(hub).length === 3);
    await hub.settled();
    await runtime.stop();
    expect(formsAt(hub).map((form) => [form.get('hub.mode'), form.getAll('hub.verify')])).toEqual([
      ['subscribe', []],
      ['subscribe', ['async']],
      ['subscribe', ['async']],
      ['unsubscribe', ['async']],
    ]);
    expect(new Set(formsAt(hub).flatMap((form) => form.get('hub.secret') ?? []))).toEqual(new Set(['a shared one']));
  });
});

describe('S4 a PubSubHubbub 0.3 hub that answers 204', () => {
  const config = { protocol: 'pubsubhubbub-0.3', leaseSeconds: 3_600 } as const;

  it('makes the subscription active without a verification, which is logged once', async () => {
    const world = new FakeWorld();
    const { url, ...server } = await startHttpServer((_request, response) => void response.writeHead(204).end());
    onTestFinished(() => server[Symbol.asyncDispose]());
    const { service } = recordingService({ target: { hub: url, topic: 'https://example.com/feed' }, ...config });
    const runtime = await world.start(service);
    await runtime.ready({ timeoutMs: 5_000 });
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({ state: 'active', leaseSeconds: 3_600 });
    const renewed = new Promise((resolve) => runtime.hooks.on('renewed', resolve));
    await runtime.renew(subscription?.id ?? '');
    await renewed;
    expect(world.logged('subscription.unverified')).toMatchObject([{ level: 'warn' }]);
    await runtime.stop();
    expect((await runtime.subscriptions.find())[0]?.state).toBe('unsubscribed');
    expect(world.logged('shutdown.hub-not-verified')).toEqual([]);
  });

  it('grants the lease of its verification if it sent one', async () => {
    const hub = await startHub({ protocol: 'pubsubhubbub-0.3', verify: 'sync', leaseSeconds: 600 });
    const topic = hub.topic('/feed');
    const { service } = recordingService({ target: topic.url, ...config });
    const runtime = await startService(service, { port: 0, store: 'memory', logger: false, handleSignals: false });
    onTestFinished(() => runtime.stopNow());
    await runtime.ready({ timeoutMs: 5_000 });
    await hub.settled();
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({ state: 'active', leaseSeconds: 600 });
    expect(hub.violations).toEqual([]);
  });
});

describe('S3 an unsubscription', () => {
  const deletingService = (config: SubscriberServiceConfig) =>
    defineSubscriber(
      { name: 'News', secret: false, ...config },
      {
        onEventNotification() {
          throw new SubscriptionDeletedError('no more');
        },
      },
    );

  it.each([400, 403, 404])('that gets %i after our 410 is complete, without a warning', async (status) => {
    const world = new FakeWorld();
    const hub = await startHub({ now: () => world.now });
    const topic = hub.topic('/feed');
    const runtime = await world.start(deletingService({ target: topic.url }));
    onTestFinished(() => runtime.stopNow());
    await runtime.ready({ timeoutMs: 5_000 });
    hub.fail(status);
    const [delivery] = await topic.publish('news');
    expect(delivery?.status).toBe(410);
    await until(async () => (await runtime.subscriptions.find())[0]?.state === 'unsubscribed');
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({ desired: 'unsubscribed', attempts: 0 });
    expect(subscription).not.toHaveProperty('nextAttemptAt');
    await runtime.stop();
    expect(formsAt(hub).filter((form) => form.get('hub.mode') === 'unsubscribe')).toHaveLength(1);
    expect(world.logged('shutdown.hub-not-verified')).toEqual([]);
  });

  it('that gets 400 without a 410 of ours is logged, because content may still come', async () => {
    const world = new FakeWorld();
    const hub = await startHub({ now: () => world.now });
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const runtime = await world.start(service);
    await runtime.ready({ timeoutMs: 5_000 });
    hub.fail(400);
    await runtime.stop();
    expect(world.logged('shutdown.hub-not-verified')).toHaveLength(1);
  });
});
