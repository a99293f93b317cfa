import { readFileSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { Keyv } from 'keyv';
import { Agent } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import {
  ConfigurationError,
  defineSubscriber,
  ResourceDiscoveryFailedError,
  startService,
  SubscriptionInitiationError,
  WebSubError,
  type HookPayload,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { stubName } from '../../kit/set-up/names.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

function requestCountOf(hub: TestHub): number {
  return hub.requests.filter(({ method }) => method === 'POST').length;
}

describe('subscribe()', () => {
  it('subscribes to a topic; the same service and target give the same subscription', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, received } = recordingService();
    await using runtime = await startService(service, QUIET);
    const first = await runtime.subscribe(service, { target: topic.url });
    expect(first).toMatchObject({ service: 'News', target: topic.url, declared: false, desired: 'subscribed' });
    await runtime.ready();
    const second = await runtime.subscribe(service, { target: topic.url });
    expect(second).toMatchObject({ id: first.id, state: 'active' });
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(requestCountOf(hub)).toBe(1);
  });

  it('continues by itself if the store fails right after the subscription was stored', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const store = new Map<string, unknown>();
    let writes = 0;
    const originalSet = store.set.bind(store);
    store.set = (key, value) => {
      const isSubscription = key.includes(':subscription:');
      writes += isSubscription ? 1 : 0;
      if (isSubscription && writes === 2) throw new Error('the disk is full');
      return originalSet(key, value);
    };
    const { service } = recordingService();
    const world = new FakeWorld();
    await using runtime = await world.start(service, { store: new Keyv({ store }) });
    await runtime.subscribe(service, { target: topic.url });
    // The request was not sent, because it could not be stored before.
    await until(() => world.logged('task.failed').length === 1);
    expect(world.logged('task.failed')).toMatchObject([{ level: 'error', fields: { task: 'subscribe' } }]);
    expect(requestCountOf(hub)).toBe(0);
    world.advance(60_000);
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ target: topic.url, state: 'active' });
  });

  it('returns the same subscription to simultaneous calls', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const targets = [topic.url, topic.url, topic.url.toUpperCase().replace('/FEED', '/feed')];
    const found = await Promise.all(targets.map((target) => runtime.subscribe(service, { target })));
    expect(new Set(found.map(({ id }) => id)).size).toBe(1);
    await runtime.ready();
    expect(requestCountOf(hub)).toBe(1);
    expect(await runtime.subscriptions.count()).toBe(1);
  });

  const MOMENTS: readonly [when: string, reached: (hub: TestHub) => boolean][] = [
    ['at once', () => true],
    ['after the request to the hub', (hub) => requestCountOf(hub) === 1],
    ['after the verification by the hub', (hub) => hub.subscriptions.some(({ state }) => state === 'active')],
  ];
  it.each(MOMENTS)('sends one subscribe request if onStart calls it and returns %s', async (_when, reached) => {
    await using hub = await TestHub.start({ delayMs: { answer: 50 } });
    const topic = hub.topic('/feed');
    const service = defineSubscriber(
      { name: 'News', secret: false },
      {
        onEventNotification() {},
        async onStart(runtime) {
          await runtime.subscribe(service, { target: topic.url });
          await hub.until(() => reached(hub));
        },
      },
    );
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    await runtime.stop();
    expect(requestCountOf(hub)).toBe(2);
    expect(hub.violations).toEqual([]);
  });

  it('applies its overrides at once, and again at a renewal', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService({ leaseSeconds: 100, secret: 'the service’s' });
    const world = new FakeWorld();
    await using runtime = await world.start(service);
    await runtime.subscribe(service, { target: topic.url, leaseSeconds: 500, secret: 'its own' });
    await runtime.ready();
    await runtime.subscribe(service, { target: topic.url, leaseSeconds: 600 });
    await until(async () => (await onlySubscription(runtime)).leaseSeconds === 600);
    world.advance(599_000);
    await hub.until(() => requestCountOf(hub) === 3);
    const forms = hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form);
    expect(forms.map((form) => form.get('hub.lease_seconds'))).toEqual(['500', '600', '600']);
    expect(forms[0]?.get('hub.secret')).toBe('its own');
  });

  it('refuses a service that is not in the runtime, and an invalid target', async () => {
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    const other = recordingService({ name: 'Other' }).service;
    const failure = await failureOf(runtime.subscribe(other, { target: 'https://example.com/' }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/Service "Other" is not running in this runtime/);
    expect((await failureOf(runtime.subscribe(service, { target: 'feed' }))).message).toMatch(/target is "feed"/);
  });

  it('subscribes a known hub and topic without discovery', async () => {
    await using hub = await TestHub.start();
    const { service } = recordingService();
    await using runtime = await startService(service, QUIET);
    await runtime.subscribe(service, { target: [hub.url, 'https://example.com/elsewhere'] });
    await runtime.ready();
    expect(hub.requests).toHaveLength(1);
    expect(await onlySubscription(runtime)).toMatchObject({
      hub: hub.url,
      topic: 'https://example.com/elsewhere',
      state: 'active',
    });
  });
});

describe('unsubscribe() and retry()', () => {
  it('V3 end a subscription at its hub, and subscribe again', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService({ target: topic.url });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    const { id } = await onlySubscription(runtime);
    expect(await runtime.unsubscribe(id)).toMatchObject({ desired: 'unsubscribed', state: 'unsubscribing' });
    await hub.unsubscribed(topic);
    await until(async () => (await onlySubscription(runtime)).state === 'unsubscribed');
    await runtime.ready();
    await runtime.retry(id);
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ desired: 'subscribed', state: 'active' });
  });

  it('C1 leave nothing of a dynamic subscription a month after its end', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = recordingService();
    const world = new FakeWorld();
    await using runtime = await world.start(service);
    const { id } = await runtime.subscribe(service, { target: topic.url });
    await runtime.ready();
    await runtime.unsubscribe(id);
    await until(async () => (await onlySubscription(runtime)).state === 'unsubscribed');
    world.advance(31 * 86_400_000);
    world.runCron('0 3 * * *');
    await until(async () => (await runtime.subscriptions.count()) === 0);
    const again = await runtime.subscribe(service, { target: topic.url });
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ id: again.id, state: 'active' });
    expect(again.id).not.toBe(id);
  });

  it('reject for an unknown subscription, and name its id', async () => {
    await using runtime = await startService(recordingService().service, QUIET);
    for (const call of [runtime.unsubscribe('no-such-id'), runtime.retry('no-such-id')]) {
      const failure = await failureOf(call);
      expect(failure).toBeInstanceOf(WebSubError);
      expect(failure.message).toBe('There is no subscription no-such-id.');
    }
  });

  it('request all denied and failed subscriptions if retry() gets no id', async () => {
    await using hub = await TestHub.start();
    const [denied, failing, good] = [
      hub.topic('/denied', { deny: 'no' }),
      hub.topic('/failing', { fail: { status: 500 } }),
      hub.topic('/good'),
    ];
    const { service } = recordingService({ targets: [denied.url, failing.url, good.url] });
    await using runtime = await startService(service, QUIET);
    await until(async () => (await runtime.subscriptions.count({ state: ['denied', 'failed'] })) === 2);
    denied.configure({ deny: false });
    failing.configure({ fail: false });
    const requestCount = hub.requests.filter(({ form }) => form.get('hub.topic') === good.url).length;
    await runtime.retry();
    await runtime.ready();
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(3);
    expect(hub.requests.filter(({ form }) => form.get('hub.topic') === good.url)).toHaveLength(requestCount);
  });
});

describe('subscriptions', () => {
  it('are found by id and by filter, counted, and iterated', async () => {
    await using hub = await TestHub.start();
    const [topicA, topicB] = [hub.topic('/a'), hub.topic('/b', { verify: 'never' })];
    const firstService = recordingService({ name: 'One', target: topicA.url }).service;
    const secondService = recordingService({ name: 'Two' }).service;
    await using runtime = await startService([firstService, secondService], { ...QUIET, gracefulShutdownSeconds: 1 });
    const subscription = await runtime.subscribe(secondService, { target: topicB.url });
    await hub.verified(topicA);
    await until(async () => (await runtime.subscriptions.get(subscription.id))?.state === 'verifying');
    const { subscriptions } = runtime;
    const services = async (filter: Parameters<typeof subscriptions.find>[0]): Promise<string[]> =>
      (await subscriptions.find(filter)).map(({ service }) => service);
    expect(await services({ service: 'One' })).toEqual(['One']);
    expect(await services({ state: 'active' })).toEqual(['One']);
    expect(await services({ state: ['active', 'verifying'] })).toEqual(['One', 'Two']);
    expect(await services({ topic: topicB.url })).toEqual(['Two']);
    expect(await services({ hub: hub.url })).toEqual(['One', 'Two']);
    expect(await services({ hub: hub.url, declared: true })).toEqual(['One']);
    expect(await services({ declared: false })).toEqual(['Two']);
    expect(await subscriptions.count()).toBe(2);
    expect(await subscriptions.count({ topic: 'https://example.com/' })).toBe(0);
    expect(await subscriptions.get('no-such-id')).toBeUndefined();
    const all: string[] = [];
    for await (const { service } of subscriptions) all.push(service);
    expect(all).toEqual(['One', 'Two']);
  });
});

describe('failFast', () => {
  it('rejects with the first failure of discovery, and closes everything', async () => {
    await using hub = await TestHub.start();
    const [good, bad] = [hub.topic('/good'), hub.topic('/bad', { discovery: 'none' })];
    const port = await unusedPort();
    const { service } = recordingService({ targets: [good.url, bad.url] });
    const failure = await failureOf(startService(service, { ...QUIET, port, failFast: true }));
    expect(failure).toBeInstanceOf(ResourceDiscoveryFailedError);
    await hub.settled();
    expect(hub.subscriptions.filter(({ topic, state }) => topic === good.self && state === 'active')).toEqual([]);
    await (await startService(recordingService().service, { ...QUIET, port })).stop();
  });

  it('rejects with the first failure of a request', async () => {
    await using hub = await TestHub.start();
    hub.fail(400);
    const { service } = recordingService({ target: hub.topic('/feed').url });
    const failure = await failureOf(startService(service, { ...QUIET, failFast: true }));
    expect(failure).toBeInstanceOf(SubscriptionInitiationError);
    expect(failure).toMatchObject({ hub: hub.url, status: 400, reason: 'refused' });
  });

  it('D8 does not fail a start if the next hub accepts', async () => {
    await using refusing = await TestHub.start({ fail: { status: 403 } });
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { hubs: [refusing, hub] });
    await using runtime = await startService(recordingService({ target: topic.url }).service, {
      ...QUIET,
      failFast: true,
    });
    await runtime.ready();
    expect((await onlySubscription(runtime)).hub).toBe(hub.url);
  });
});

describe('D8 failover to the next advertised hub', () => {
  const HUB_FAILURES: readonly [what: string, fail: (hub: TestHub) => unknown][] = [
    ['refuses with a 4xx', (hub) => hub.fail(403)],
    ['is dead', (hub) => hub.close()],
    ['denies', (hub) => hub.configure({ deny: 'not here' })],
    ['never verifies', (hub) => hub.configure({ verify: 'never' })],
  ];
  it.each(HUB_FAILURES)('happens when the first hub %s', async (_what, fail) => {
    await using first = await TestHub.start();
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    await fail(first);
    const { service, received } = recordingService({ target: topic.url });
    const world = new FakeWorld();
    await using runtime = await world.start(service, { gracefulShutdownSeconds: 1 });
    await until(async () => {
      if ((await onlySubscription(runtime)).state === 'active') return true;
      world.advance(5_000);
      return false;
    });
    await second.verified(topic);
    await runtime.ready();
    const subscription = await onlySubscription(runtime);
    expect(subscription).toMatchObject({ hub: second.url, state: 'active' });
    await topic.publish('by the second');
    expect(received).toEqual(['by the second']);
    const callbacks = [...first.requests, ...second.requests].flatMap(({ form }) => form.get('hub.callback') ?? []);
    expect(subscription.callback).toBe(callbacks.at(-1));
    const callbacksAtFirst = first.requests.flatMap(({ form }) => form.get('hub.callback') ?? []);
    expect(callbacksAtFirst).not.toContain(subscription.callback);
  });

  it('with a service path gives each hub its own callback', async () => {
    await using first = await TestHub.start({ deny: 'no' });
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    const { service, received } = recordingService({ target: topic.url, servicePath: 'news' });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    const callbackAtFirst = first.requests[0]?.form.get('hub.callback');
    expect(callbackAtFirst).toBe(`${runtime.url}/websub/news`);
    expect((await onlySubscription(runtime)).callback).toMatch(/\/news\/[\w-]{43}$/);
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('with a literal callback moves the callback to the next hub', async () => {
    await using first = await TestHub.start({ deny: 'no' });
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    const port = await unusedPort();
    const callback = `http://localhost:${port}/in?key=1`;
    const { service, received } = recordingService({ target: topic.url, callback });
    await using runtime = await startService(service, { ...QUIET, port });
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ hub: second.url, callback, state: 'active' });
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(second.violations).toEqual([]);
  });
});

describe('a configured callback', () => {
  it('that is literal serves one subscription, and refuses a second', async () => {
    await using hub = await TestHub.start();
    const [topicA, topicB] = [hub.topic('/a'), hub.topic('/b')];
    const port = await unusedPort();
    const { service, received } = recordingService({ callback: `http://localhost:${port}/in` });
    await using runtime = await startService(service, { ...QUIET, port });
    const attempts = await Promise.allSettled(
      [topicA, topicB].map(({ url }) => runtime.subscribe(service, { target: url })),
    );
    expect(attempts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const failure = await failureOf(runtime.subscribe(service, { target: topicB.url }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/callback .* already serves http.*\/a\. Set appendServicePath/);
    await runtime.ready();
    const { id } = await onlySubscription(runtime);
    await runtime.unsubscribe(id);
    await hub.unsubscribed(topicA);
    await runtime.subscribe(service, { target: topicB.url });
    await runtime.ready();
    await topicB.publish('for b');
    expect(received).toEqual(['for b']);
  });

  it('that is literal does not serve an earlier subscription again while it serves another', async () => {
    await using hub = await TestHub.start();
    const [topicA, topicB] = [hub.topic('/a'), hub.topic('/b')];
    const port = await unusedPort();
    const { service } = recordingService({ callback: `http://localhost:${port}/in` });
    await using runtime = await startService(service, { ...QUIET, port });
    const { id } = await runtime.subscribe(service, { target: topicA.url });
    await runtime.ready();
    await runtime.unsubscribe(id);
    await runtime.subscribe(service, { target: topicB.url });
    for (const resuming of [runtime.subscribe(service, { target: topicA.url }), runtime.retry(id)]) {
      const failure = await failureOf(resuming);
      expect(failure).toBeInstanceOf(ConfigurationError);
      expect(failure.message).toMatch(/callback .* already serves http.*\/b\./);
    }
    await runtime.ready();
    expect(await runtime.subscriptions.find({ state: 'active' })).toMatchObject([{ target: topicB.url }]);
  });

  it('with appendServicePath is followed by the service path, and for a second target also by a token', async () => {
    await using hub = await TestHub.start();
    const [topicA, topicB] = [hub.topic('/a'), hub.topic('/b')];
    const port = await unusedPort();
    const callback = `http://localhost:${port}/behind/a/proxy`;
    const { service, received } = recordingService({
      target: topicA.url,
      callback,
      appendServicePath: true,
      servicePath: 'news',
    });
    await using runtime = await startService(service, { ...QUIET, port });
    await runtime.subscribe(service, { target: topicB.url });
    await runtime.ready();
    const callbacks = (await runtime.subscriptions.find()).map((subscription) => subscription.callback);
    expect(callbacks).toEqual([`${callback}/news`, expect.stringMatching(/\/behind\/a\/proxy\/news\/[\w-]{43}$/)]);
    await topicA.publish('a');
    await topicB.publish('b');
    expect(received).toEqual(['a', 'b']);
  });

  it('is refused before anything is opened if two services would share its path', async () => {
    const services = ['One', 'Two'].map((name) => recordingService({ name, servicePath: 'news' }).service);
    const failure = await failureOf(startService(services, { ...QUIET, store: 'lmdb:///dev/null/never' }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/Services "One" and "Two" both have callbacks that end in "news"/);
  });
});

describe('over time', () => {
  it('L1 the lease is renewed before its end, with the same callback', async () => {
    await using hub = await TestHub.start({ leaseSeconds: 1000 });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(recordingService({ target: topic.url }).service);
    await runtime.ready();
    const { renewsAt, callback, expiresAt } = await onlySubscription(runtime);
    const renewed: HookPayload[] = [];
    runtime.hooks.on('renewed', (payload) => void renewed.push(payload));
    world.advance(690_000);
    expect(requestCountOf(hub)).toBe(1);
    world.advance((renewsAt?.getTime() ?? 0) - world.now);
    await until(() => renewed.length === 1);
    expect(renewed[0]).toMatchObject({ grant: { callback, state: 'active' } });
    expect((await onlySubscription(runtime)).expiresAt?.getTime()).toBeGreaterThan(expiresAt?.getTime() ?? Infinity);
    expect(hub.violations).toEqual([]);
  });

  it('L2 a failed request is retried at nextAttemptAt, and not before', async () => {
    await using hub = await TestHub.start({ fail: { status: 503, times: 2 } });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(recordingService({ target: topic.url }).service);
    for (const attempts of [1, 2]) {
      await until(async () => (await onlySubscription(runtime)).attempts === attempts);
      const { nextAttemptAt } = await onlySubscription(runtime);
      world.advance((nextAttemptAt?.getTime() ?? 0) - world.now - 1);
      expect(requestCountOf(hub)).toBe(attempts);
      world.advance(1);
    }
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', attempts: 0 });
    expect((await onlySubscription(runtime)).lastError).toBeUndefined();
  });

  it('L3 an expired lease is reported, and the topic is subscribed again', async () => {
    await using hub = await TestHub.start({ leaseSeconds: 1000 });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(recordingService({ target: topic.url }).service);
    await runtime.ready();
    const payloads: string[] = [];
    runtime.hooks.on('expired', () => void payloads.push('expired'));
    runtime.hooks.on('verified', ({ subscription }) => void payloads.push(`verified ${subscription.state}`));
    world.advance(1_000_000);
    await until(() => payloads.length === 2);
    expect(payloads).toEqual(['expired', 'verified active']);
  });
});

describe('S4 PubSubHubbub 0.3', () => {
  it('subscribes and unsubscribes with hub.verify and its own token', async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const topic = hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url, protocol: 'pubsubhubbub-0.3' });
    const runtime = await startService(service, QUIET);
    await runtime.ready();
    await topic.publish('news');
    await runtime.stop();
    await hub.unsubscribed(topic);
    expect(received).toEqual(['news']);
    const forms = hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form);
    expect(forms.map((form) => [form.get('hub.mode'), form.getAll('hub.verify').length > 0])).toEqual([
      ['subscribe', true],
      ['unsubscribe', true],
    ]);
    expect(forms[0]?.get('hub.verify_token')).toMatch(/^[\w-]{20,}$/);
    expect(hub.violations).toEqual([]);
  });

  it('S3 need not be configured for a hub that requires only hub.verify of it', async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const { service } = recordingService({ target: hub.topic('/feed').url });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', attempts: 0, failures: {} });
    expect(hub.violations.map(({ code }) => code)).toEqual(['missing-verify']);
  });
});

describe('S7 a hub with an http URL', () => {
  const pem = (name: string): string =>
    readFileSync(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
  const lookup: LookupFunction = (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);
  const dispatcher = new Agent({ connect: { ca: pem('certificate'), servername: 'hub.test', lookup } });
  afterAll(() => dispatcher.close());

  it('is requested over https first, gets a generated secret, and its https URL is stored', async () => {
    stubName('hub.test');
    await using hub = await TestHub.start({
      hostname: 'hub.test',
      tls: { key: pem('key'), cert: pem('certificate') },
      leaseSeconds: 1000,
    });
    const advertised = hub.url.replace('https:', 'http:');
    const topic = hub.topic('/feed', { hubs: [advertised] });
    const world = new FakeWorld();
    const { service, received } = recordingService({
      target: topic.url,
      secret: undefined,
      httpConfig: { dispatcher },
      discoveryConfig: { httpConfig: { dispatcher } },
    });
    await using runtime = await world.start(service);
    await runtime.ready();
    expect((await onlySubscription(runtime)).grants).toMatchObject([{ advertisedHub: advertised, hub: hub.url }]);
    expect(await topic.publish('signed')).toMatchObject([{ status: 202 }]);
    expect(received).toEqual(['signed']);
    world.advance(999_000);
    await hub.until(() => requestCountOf(hub) === 2);
    const secrets = hub.requests.flatMap(({ form }) => form.get('hub.secret') ?? []);
    expect(secrets).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), secrets[0]]);
    await runtime.stop();
    expect(hub.violations).toEqual([]);
  });

  it('is requested over http if nothing answers over https', async () => {
    stubName('hub.test');
    await using hub = await TestHub.start({ hostname: 'hub.test' });
    const topic = hub.topic('/feed');
    const { service } = recordingService({
      target: topic.url,
      httpConfig: { dispatcher },
      discoveryConfig: { httpConfig: { dispatcher } },
    });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    expect((await onlySubscription(runtime)).hub).toBe(hub.url);
  });
});
