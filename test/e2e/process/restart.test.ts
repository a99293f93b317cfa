import { Keyv } from 'keyv';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { startService, StoreError, type StartOptions, type SubscriberRuntime } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { runExample, type ExampleProcess } from '../../kit/example-process.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const LONG = 60_000;
let options: StartOptions & { readonly store: string };

beforeEach(async () => {
  const directory = temporaryDirectory();
  options = { store: `lmdb://${directory}`, port: await unusedPort(), logger: false, handleSignals: false };
});

function requestedModes(hub: TestHub): readonly (string | null)[] {
  return hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form.get('hub.mode'));
}

async function onlySubscription(
  runtime: SubscriberRuntime,
): Promise<{ id: string; callback: string | undefined; state: string }> {
  const [subscription, ...otherSubscriptions] = await runtime.subscriptions.find();
  if (subscription === undefined || otherSubscriptions.length > 0)
    throw new Error(`there are ${otherSubscriptions.length + 1}, or none`);
  return { id: subscription.id, callback: subscription.callback, state: subscription.state };
}

describe('a restart', () => {
  it('L4 restores subscriptions and callbacks, and sends no request while the lease runs', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
    const first = await startService(service, options);
    await first.ready();
    await topic.publish('one');
    const subscriptionBefore = await onlySubscription(first);
    await first.stop();

    await using second = await startService(service, options);
    await second.ready({ timeoutMs: 100 });
    expect(await onlySubscription(second)).toEqual(subscriptionBefore);
    expect((await topic.publish('two'))[0]?.status).toBe(202);
    expect(received).toEqual(['one', 'two']);
    expect(requestedModes(hub)).toEqual(['subscribe']);
    const [{ stats } = {}] = await second.subscriptions.find();
    expect(stats).toMatchObject({ received: 2, delivered: 2 });
  });

  it('subscribes again with the same callback after a stop that unsubscribed', async () => {
    await using hub = await TestHub.start();
    const [declared, dynamic] = [hub.topic('/declared'), hub.topic('/dynamic')];
    const { service, received } = recordingService({ target: declared.url });
    const first = await startService(service, options);
    await first.subscribe(service, { target: dynamic.url });
    await first.ready();
    const callbacks = async (runtime: SubscriberRuntime): Promise<string[]> =>
      (await runtime.subscriptions.find()).map(({ id, callback }) => `${id} ${callback}`).toSorted();
    const callbacksBefore = await callbacks(first);
    await first.stop();
    await hub.settled();
    expect(hub.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed', 'unsubscribed']);

    await using second = await startService(service, options);
    await second.ready();
    await hub.settled();
    expect(await callbacks(second)).toEqual(callbacksBefore);
    expect(hub.subscriptions.map(({ state }) => state)).toEqual(['active', 'active']);
    await Promise.all([declared.publish('declared'), dynamic.publish('dynamic')]);
    expect(received.toSorted()).toEqual(['declared', 'dynamic']);
    expect(hub.violations).toEqual([]);
  });

  it('subscribes again even if the hub never verified the unsubscription', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url });
    const first = await startService(service, { ...options, gracefulShutdownSeconds: 0.3 });
    await first.ready();
    const { callback } = await onlySubscription(first);
    topic.configure({ verify: 'never' });
    await first.stop();
    topic.configure({ verify: undefined });

    await using second = await startService(service, options);
    await hub.until(() => requestedModes(hub).length === 3);
    await hub.settled();
    expect(await onlySubscription(second)).toMatchObject({ callback, state: 'active' });
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('does not request a subscription that the user unsubscribed, until subscribe() is called', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService({ target: topic.url });
    const first = await startService(service, options);
    await first.ready();
    const { id } = await onlySubscription(first);
    await first.unsubscribe(id);
    await hub.unsubscribed(topic);
    await first.stop();

    await using second = await startService(service, options);
    await second.ready({ timeoutMs: 1_000 });
    expect(await onlySubscription(second)).toMatchObject({ state: 'unsubscribed' });
    await second.subscribe(service, { target: topic.url });
    await second.ready();
    expect(await onlySubscription(second)).toMatchObject({ id, state: 'active' });
    expect(requestedModes(hub)).toEqual(['subscribe', 'unsubscribe', 'subscribe']);
  });

  it('N2 keeps a denial and the time of the next request', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { deny: 'no' });
    const { service } = recordingService({ target: topic.url });
    const first = await startService(service, options);
    await failureOf(first.ready({ timeoutMs: 30_000 }));
    const [subscriptionBefore] = await first.subscriptions.find();
    await first.stop();
    await using second = await startService(service, options);
    expect((await failureOf(second.ready({ timeoutMs: 30_000 }))).message).toMatch(/is denied: no/);
    expect(requestedModes(hub)).toEqual(['subscribe']);
    expect((await second.subscriptions.find())[0]?.nextAttemptAt).toEqual(subscriptionBefore?.nextAttemptAt);
  });

  it('requests at once if the runtime was stopped during discovery', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { delayMs: { topic: 60_000 } });
    const world = new FakeWorld();
    const { service } = recordingService({ target: topic.url });
    const first = await world.start(service, options);
    await first.stopNow();
    expect(hub.requests).toHaveLength(1);
    topic.configure({ delayMs: 0 });
    await using second = await world.start(service, options);
    await second.ready({ timeoutMs: 2_000 });
    expect(requestedModes(hub)).toEqual(['subscribe']);
  }, 15_000);

  it('renews a lease whose renewal became due while the process was down', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { leaseSeconds: 1000 });
    const world = new FakeWorld();
    const { service } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
    const first = await world.start(service, options);
    await first.ready();
    await first.stop();
    world.advance(900_000);
    await using second = await world.start(service, options);
    const renewed = new Promise<void>((resolve) => void second.hooks.on('renewed', () => resolve()));
    world.advance(30_000);
    await renewed;
    expect(requestedModes(hub)).toEqual(['subscribe', 'subscribe']);
    expect(new Set(hub.requests.flatMap(({ form }) => form.get('hub.callback') ?? [])).size).toBe(1);
  });

  it('keeps subscriptions of a service that is no longer in the code, and answers their hubs with 503', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const first = await startService(
      recordingService({ name: 'Old', target: topic.url, unsubscribeOnShutdown: false }).service,
      options,
    );
    await first.ready();
    const { id } = await onlySubscription(first);
    await first.stop();

    const world = new FakeWorld();
    const { logger } = world;
    await using second = await world.start(recordingService({ name: 'New' }).service, { ...options, logger });
    await second.ready({ timeoutMs: 100 });
    expect(world.logged('service.not-started')).toMatchObject([{ level: 'warn', fields: { service: 'Old' } }]);
    expect(await topic.publish('news')).toMatchObject([{ status: 503 }]);
    for (const call of [() => second.renew(id), () => second.retry(id)]) {
      const failure = await failureOf(call());
      expect(failure).toMatchObject({ code: 'ERR_WEBSUB' });
      expect(failure.message).toMatch(new RegExp(`${id} .*"Old".* not running`));
    }
  });
});

describe('the field `declared`', () => {
  it('tells whether the current code declares the target', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const declared: boolean[] = [];
    for (const target of [undefined, topic.url, undefined]) {
      const { service } = recordingService(target === undefined ? {} : { target });
      await using runtime = await startService(service, options);
      if (declared.length === 0) await runtime.subscribe(service, { target: topic.url });
      await runtime.ready();
      declared.push(...(await runtime.subscriptions.find()).map((subscription) => subscription.declared));
    }
    expect(declared).toEqual([false, true, false]);
  });
});

describe('a literal callback', () => {
  it('S6 is unsubscribed for its old target, and receives only content of its new target', async () => {
    await using hub = await TestHub.start();
    const [oldTopic, newTopic] = [hub.topic('/a'), hub.topic('/b')];
    const config = { callback: `http://localhost:${options.port}/in`, unsubscribeOnShutdown: false };
    const first = await startService(recordingService({ target: oldTopic.url, ...config }).service, options);
    await first.ready();
    await first.stop();

    const { service, received } = recordingService({ target: newTopic.url, ...config });
    await using second = await startService(service, options);
    await second.ready();
    await hub.settled();
    expect(hub.subscriptions.map(({ topic, state }) => `${topic} ${state}`)).toEqual([
      `${oldTopic.url} unsubscribed`,
      `${newTopic.url} active`,
    ]);
    await Promise.all([oldTopic.publish('for a'), newTopic.publish('for b')]);
    expect(received).toEqual(['for b']);
  });

  it('serves the target that is declared now, and no longer the previous target', async () => {
    await using hub = await TestHub.start();
    const [oldTopic, newTopic] = [hub.topic('/a'), hub.topic('/b')];
    const callback = `http://localhost:${options.port}/in`;
    const first = await startService(recordingService({ target: oldTopic.url, callback }).service, options);
    await first.ready();
    await first.stop();

    const world = new FakeWorld();
    const { service, received } = recordingService({ target: newTopic.url, callback });
    const second = await world.start(service, { ...options, logger: world.logger });
    await second.ready();
    expect(world.logged('declared.replaced')).toMatchObject([{ level: 'warn' }]);
    await newTopic.publish('for b');
    expect(received).toEqual(['for b']);
    expect(await second.subscriptions.count({ state: 'active' })).toBe(1);
    await second.stop();

    await using third = await startService(service, options);
    await third.ready();
    await newTopic.publish('again for b');
    expect(received).toEqual(['for b', 'again for b']);
    expect(hub.requests.filter(({ form }) => form.get('hub.topic') === oldTopic.url)).toHaveLength(2);
  });
});

describe('a store with an owner', () => {
  it('is no longer written to once another process has taken it over', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const keyv = new Keyv();
    const { service } = recordingService({ target: topic.url });
    vi.useFakeTimers({ toFake: ['setInterval'] });
    const world = new FakeWorld();
    const { logger } = world;
    const runtime = await world.start(service, { ...options, store: keyv, logger });
    await runtime.ready();
    await topic.publish('counted, but not written');
    const rows = new Map<string, unknown>();
    for await (const [key, value] of keyv.iterator?.({}) ?? []) rows.set(key, value);
    const ownerKey = [...rows.keys()].find((key) => key.includes('owner')) ?? '';
    await keyv.set(ownerKey, String(rows.get(ownerKey)).replaceAll(/"id":"[^"]+"/g, '"id":"another"'));
    const writes = vi.spyOn(keyv, 'set');
    const stopped = new Promise<void>((resolve) => runtime.onShutdown(resolve));
    vi.advanceTimersByTime(10_000);
    vi.useRealTimers();
    await stopped;
    await runtime.stop();
    expect(world.logged('store.taken-over')).toMatchObject([{ level: 'fatal' }]);
    expect(writes).not.toHaveBeenCalled();
    expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
  });

  it('refuses a second runtime in the same process, and names the process', async () => {
    const { service } = recordingService();
    await using _first = await startService(service, options);
    const failure = await failureOf(startService(service, { ...options, port: 0 }));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure).toMatchObject({ code: 'ERR_WEBSUB_STORE' });
    expect(failure.message).toMatch(new RegExp(`in use by this process .*\\b${process.pid}\\b`));
  });

  it('is free again after a failed start', async () => {
    const { service } = recordingService();
    await using _portOwner = await startService(service, { ...options, store: 'memory' });
    expect(await failureOf(startService(service, options))).toMatchObject({ code: 'ERR_WEBSUB_LISTENER' });
    await using _nextRuntime = await startService(service, { ...options, port: 0 });
  });

  it('leads to a StoreError if it cannot be opened', async () => {
    const failure = await failureOf(
      startService(recordingService().service, { ...options, store: 'lmdb:///dev/null/here' }),
    );
    expect(failure).toMatchObject({ code: 'ERR_WEBSUB_STORE', cause: expect.any(Error) });
    expect(failure.message).toContain('/dev/null/here');
  });

  it(
    'L4 refuses a second process, and is free at once after the first process was killed',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      const start = (): ExampleProcess =>
        runExample('../test/e2e/fixtures/service-process', {
          env: { TARGET: topic.url, OPTIONS: JSON.stringify({ store: options.store, port: options.port }) },
        });
      await using first = start();
      await first.printed('ready:');
      await using second = start();
      expect(await second.ended).toEqual({ code: 1, signal: null });
      expect(second.output()).toMatch(/StoreError: .* in use by another process .*\d/);

      const identity = /ready: .*/.exec(first.output())?.[0];
      first.kill('SIGKILL');
      await first.ended;
      await using third = start();
      await third.printed('ready:');
      expect(/ready: .*/.exec(third.output())?.[0]).toBe(identity);
      await topic.publish('after the crash');
      await third.printed('news: after the crash');
      expect(requestedModes(hub)).toEqual(['subscribe']);
    },
    LONG,
  );
});
