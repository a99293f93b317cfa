import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  WebSubError,
  type SubscriberRuntime,
  type Subscription,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
import { type HubFaults } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { failureOf } from '../../kit/failure-of.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

interface SetUpOptions {
  readonly config?: SubscriberServiceConfig;
  readonly faults?: HubFaults;
  /** Faults for the second topic. */
  readonly secondFaults?: HubFaults;
  /** Whether the service's handler accepts a subscription. */
  readonly accepts?: () => boolean;
}

async function setUp({ config = {}, faults = {}, secondFaults = {}, accepts = () => true }: SetUpOptions = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now, leaseSeconds: 1_000, ...faults });
  const topics = [hub.topic('/a'), hub.topic('/b', secondFaults)];
  const targets = topics.map(({ url }) => url);
  const service = defineSubscriber(
    { name: 'News', secret: false, targets, unsubscribeOnShutdown: false, ...config },
    {
      onEventNotification() {},
      onSubscriptionVerification() {
        if (!accepts()) throw new Error('not this one');
      },
    },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  const requestedTopics = (): string[] =>
    hub.requests.flatMap(({ method, form }) => (method === 'POST' ? (form.get('hub.topic')?.slice(-2) ?? '') : []));
  const subscriptionTo = async (path: string): Promise<Subscription> => {
    const all = await runtime.subscriptions.find();
    const subscription = all.find(({ target }) => typeof target === 'string' && target.endsWith(path));
    if (subscription === undefined) throw new Error(`there is no subscription to ${path}`);
    return subscription;
  };
  return { world, hub, runtime, topics, requestedTopics, subscriptionTo };
}

async function hookCalled(runtime: SubscriberRuntime, name: 'renewed', times: number): Promise<void> {
  let count = 0;
  await new Promise<void>((resolve) => {
    runtime.hooks.on(name, () => {
      count += 1;
      if (count === times) resolve();
    });
  });
}

describe('renew()', () => {
  it('D10 L1 renews only the given subscription, at once, with discovery and the same callback', async () => {
    const { world, hub, runtime, requestedTopics, subscriptionTo } = await setUp();
    await runtime.ready();
    await hub.settled();
    const before = await subscriptionTo('/a');
    world.advance(10_000);
    const discoveryCount = hub.requests.filter(({ method }) => method === 'GET').length;
    const renewed = hookCalled(runtime, 'renewed', 1);
    await expect(runtime.renew(before.id)).resolves.toBeUndefined();
    await renewed;
    const after = await subscriptionTo('/a');
    expect(after).toMatchObject({ id: before.id, state: 'active', callback: before.callback });
    expect(after.expiresAt?.getTime()).toBe(world.now + 1_000_000);
    expect(requestedTopics().toSorted()).toEqual(['/a', '/a', '/b']);
    expect(hub.requests.filter(({ method }) => method === 'GET')).toHaveLength(discoveryCount + 1);
    expect(hub.violations).toEqual([]);
  });

  it('refuses an unknown or inactive subscription, and names the remedy', async () => {
    const { hub, runtime, requestedTopics, subscriptionTo } = await setUp({ secondFaults: { verify: 'never' } });
    await hub.until(() => requestedTopics().length === 2);
    await until(async () => (await subscriptionTo('/a')).state === 'active');
    const { id } = await subscriptionTo('/b');
    const failure = await failureOf(runtime.renew(id));
    expect(failure).toBeInstanceOf(WebSubError);
    expect(failure.message).toMatch(new RegExp(`^Subscription ${id} is verifying, .*retry\\(id\\)`));
    expect((await failureOf(runtime.renew('no-such-id'))).message).toBe('There is no subscription no-such-id.');
    await runtime.stop();
    const { id: activeId } = await subscriptionTo('/a');
    expect((await failureOf(runtime.renew(activeId))).message).toMatch(/The runtime is stopping or has stopped/);
  });

  it('refuses a subscription that a handler refused, although it works until its lease ends', async () => {
    let accepts = true;
    const { hub, runtime, subscriptionTo } = await setUp({ accepts: () => accepts });
    await runtime.ready();
    await hub.settled();
    const { id } = await subscriptionTo('/a');
    accepts = false;
    await runtime.renew(id);
    await until(async () => (await subscriptionTo('/a')).gaveUp === true);
    expect(await subscriptionTo('/a')).toMatchObject({ state: 'active' });
    expect((await failureOf(runtime.renew(id))).message).toMatch(
      /is stopped \(handler-refused\), so there is nothing to renew/,
    );
  });
});

describe('resetCounters()', () => {
  const FAILING = { fail: { status: 503 } } as const;

  it.each(['with an id', 'without an id'])(
    'L2 %s resets the counts, and retries at once the subscriptions that wait for their backoff',
    async (which) => {
      const { world, hub, runtime, requestedTopics, subscriptionTo } = await setUp({ faults: FAILING });
      await until(async () => (await runtime.subscriptions.count({ state: 'failed' })) === 2);
      for (let failures = 2; failures <= 4; failures += 1) {
        world.advance(3_600_000);
        await until(
          async () =>
            (await subscriptionTo('/a')).attempts >= failures && (await subscriptionTo('/b')).attempts >= failures,
        );
      }
      const before = await subscriptionTo('/a');
      expect(before.failures).toMatchObject({ 'hub-error': { count: before.attempts } });
      hub.configure({ fail: false });
      const requestCount = requestedTopics().length;
      await runtime.resetCounters(which === 'with an id' ? before.id : undefined);
      await until(async () => (await subscriptionTo('/a')).state === 'active');
      expect(await subscriptionTo('/a')).toMatchObject({ attempts: 0, failures: {} });
      if (which === 'without an id') await until(async () => (await subscriptionTo('/b')).state === 'active');
      await hub.settled();
      expect(requestedTopics().slice(requestCount).toSorted()).toEqual(which === 'with an id' ? ['/a'] : ['/a', '/b']);
      expect((await subscriptionTo('/b')).state).toBe(which === 'with an id' ? 'failed' : 'active');
    },
  );

  it('resumes a subscription that gave up, and sends no request for an active subscription', async () => {
    const { hub, runtime, requestedTopics, subscriptionTo, topics } = await setUp({
      config: { maxAttempts: 1 },
      secondFaults: FAILING,
    });
    await until(
      async () => (await subscriptionTo('/b')).gaveUp === true && (await subscriptionTo('/a')).state === 'active',
    );
    topics[1]?.configure({ fail: false });
    await hub.settled();
    const requestCount = requestedTopics().length;
    await runtime.resetCounters();
    await until(async () => (await subscriptionTo('/b')).state === 'active');
    await hub.settled();
    expect(requestedTopics().slice(requestCount)).toEqual(['/b']);
  });

  it('refuses an unknown subscription', async () => {
    const { runtime } = await setUp();
    const failure = await failureOf(runtime.resetCounters('no-such-id'));
    expect(failure).toBeInstanceOf(WebSubError);
    expect(failure.message).toBe('There is no subscription no-such-id.');
  });
});
