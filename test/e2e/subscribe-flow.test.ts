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
  type SubscriberRuntime,
  type Subscription,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { stubName } from '../kit/set-up/names.js';
import { FakeWorld } from '../kit/fake-world.js';
import { deadPort, failureOf, reader, until } from '../kit/world.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

async function only(runtime: SubscriberRuntime): Promise<Subscription> {
  const [first, ...others] = await runtime.subscriptions.find();
  if (first === undefined || others.length > 0) throw new Error(`there are ${others.length + 1}, or none`);
  return first;
}

function asked(hub: TestHub): number {
  return hub.requests.filter(({ method }) => method === 'POST').length;
}

describe('subscribe()', () => {
  it('wants a topic, and the same service and target are the same subscription', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service, got } = reader();
    await using runtime = await startService(service, QUIET);
    const first = await runtime.subscribe(service, { target: topic.url });
    expect(first).toMatchObject({ service: 'News', target: topic.url, declared: false, desired: 'subscribed' });
    await runtime.ready();
    const second = await runtime.subscribe(service, { target: topic.url });
    expect(second).toMatchObject({ id: first.id, state: 'active' });
    await topic.publish('news');
    expect(got).toEqual(['news']);
    expect(asked(hub)).toBe(1);
  });

  it('goes on by itself where the store failed right after the subscription was stored', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const store = new Map<string, unknown>();
    let writes = 0;
    const set = store.set.bind(store);
    store.set = (key, value) => {
      writes += key.includes(':subscription:') ? 1 : 0;
      if (writes === 2) throw new Error('the disk is full');
      return set(key, value);
    };
    const { service } = reader();
    const world = new FakeWorld();
    await using runtime = await world.start(service, { store: new Keyv({ store }) });
    await runtime.subscribe(service, { target: topic.url });
    // The request has not left, as that it leaves could not be stored.
    await until(() => world.logged('a hub could not be asked').length === 1);
    expect(asked(hub)).toBe(0);
    world.pass(60_000);
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ target: topic.url, state: 'active' });
  });

  it('gives the same subscription to calls at the same moment', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = reader();
    await using runtime = await startService(service, QUIET);
    const targets = [topic.url, topic.url, topic.url.toUpperCase().replace('/FEED', '/feed')];
    const found = await Promise.all(targets.map((target) => runtime.subscribe(service, { target })));
    expect(new Set(found.map(({ id }) => id)).size).toBe(1);
    await runtime.ready();
    expect(asked(hub)).toBe(1);
    expect(await runtime.subscriptions.count()).toBe(1);
  });

  const MOMENTS: readonly [when: string, reached: (hub: TestHub) => boolean][] = [
    ['at once', () => true],
    ['when the hub has been asked', (hub) => asked(hub) === 1],
    ['when the hub has verified', (hub) => hub.subscriptions.some(({ state }) => state === 'active')],
  ];
  it.each(MOMENTS)('asks a hub once when onStart calls it and returns %s', async (_when, reached) => {
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
    expect(asked(hub)).toBe(2);
    expect(hub.violations).toEqual([]);
  });

  it('asks for what it is told beyond the configuration, at once, and for that again at a renewal', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = reader({ leaseSeconds: 100, secret: 'the service’s' });
    const world = new FakeWorld();
    await using runtime = await world.start(service);
    await runtime.subscribe(service, { target: topic.url, leaseSeconds: 500, secret: 'its own' });
    await runtime.ready();
    await runtime.subscribe(service, { target: topic.url, leaseSeconds: 600 });
    await until(async () => (await only(runtime)).leaseSeconds === 600);
    world.pass(599_000);
    await hub.until(() => asked(hub) === 3);
    const forms = hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form);
    expect(forms.map((form) => form.get('hub.lease_seconds'))).toEqual(['500', '600', '600']);
    expect(forms[0]?.get('hub.secret')).toBe('its own');
  });

  it('refuses what is no service of the runtime, and a target that is none', async () => {
    const { service } = reader();
    await using runtime = await startService(service, QUIET);
    const other = reader({ name: 'Other' }).service;
    const failure = await failureOf(runtime.subscribe(other, { target: 'https://example.com/' }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/Service "Other" is not one of this runtime's services/);
    expect((await failureOf(runtime.subscribe(service, { target: 'feed' }))).message).toMatch(/target "feed"/);
  });

  it('subscribes a known hub and topic without discovery', async () => {
    await using hub = await TestHub.start();
    const { service } = reader();
    await using runtime = await startService(service, QUIET);
    await runtime.subscribe(service, { target: [hub.url, 'https://example.com/elsewhere'] });
    await runtime.ready();
    expect(hub.requests).toHaveLength(1);
    expect(await only(runtime)).toMatchObject({
      hub: hub.url,
      topic: 'https://example.com/elsewhere',
      state: 'active',
    });
  });
});

describe('unsubscribe() and retry()', () => {
  it('V3 end a subscription at its hub, and take it up again', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = reader({ target: topic.url });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    const { id } = await only(runtime);
    expect(await runtime.unsubscribe(id)).toMatchObject({ desired: 'unsubscribed', state: 'unsubscribing' });
    await hub.unsubscribed(topic);
    await until(async () => (await only(runtime)).state === 'unsubscribed');
    await runtime.ready();
    await runtime.retry(id);
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ desired: 'subscribed', state: 'active' });
  });

  it('C1 leave nothing behind of what was asked for at runtime, a month after it has ended', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const { service } = reader();
    const world = new FakeWorld();
    await using runtime = await world.start(service);
    const { id } = await runtime.subscribe(service, { target: topic.url });
    await runtime.ready();
    await runtime.unsubscribe(id);
    await until(async () => (await only(runtime)).state === 'unsubscribed');
    world.pass(31 * 86_400_000);
    world.turn('0 3 * * *');
    await until(async () => (await runtime.subscriptions.count()) === 0);
    const again = await runtime.subscribe(service, { target: topic.url });
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ id: again.id, state: 'active' });
    expect(again.id).not.toBe(id);
  });

  it('name a subscription that is not there', async () => {
    await using runtime = await startService(reader().service, QUIET);
    for (const call of [runtime.unsubscribe('no-such-id'), runtime.retry('no-such-id')]) {
      const failure = await failureOf(call);
      expect(failure).toBeInstanceOf(WebSubError);
      expect(failure.message).toBe('There is no subscription no-such-id.');
    }
  });

  it('retry() without an id tries all that was denied or failed', async () => {
    await using hub = await TestHub.start();
    const [denied, failing, good] = [
      hub.topic('/denied', { deny: 'no' }),
      hub.topic('/failing', { fail: { status: 500 } }),
      hub.topic('/good'),
    ];
    const { service } = reader({ targets: [denied.url, failing.url, good.url] });
    await using runtime = await startService(service, QUIET);
    await until(async () => (await runtime.subscriptions.count({ state: ['denied', 'failed'] })) === 2);
    denied.configure({ deny: false });
    failing.configure({ fail: false });
    const before = hub.requests.filter(({ form }) => form.get('hub.topic') === good.url).length;
    await runtime.retry();
    await runtime.ready();
    expect(await runtime.subscriptions.count({ state: 'active' })).toBe(3);
    expect(hub.requests.filter(({ form }) => form.get('hub.topic') === good.url)).toHaveLength(before);
  });
});

describe('subscriptions', () => {
  it('are found by id and by filter, counted, and gone through', async () => {
    await using hub = await TestHub.start();
    const [a, b] = [hub.topic('/a'), hub.topic('/b', { verify: 'never' })];
    const one = reader({ name: 'One', target: a.url }).service;
    const two = reader({ name: 'Two' }).service;
    await using runtime = await startService([one, two], { ...QUIET, gracefulShutdownSeconds: 1 });
    const second = await runtime.subscribe(two, { target: b.url });
    await hub.verified(a);
    await until(async () => (await runtime.subscriptions.get(second.id))?.state === 'verifying');
    const { subscriptions } = runtime;
    const services = async (filter: Parameters<typeof subscriptions.find>[0]): Promise<string[]> =>
      (await subscriptions.find(filter)).map(({ service }) => service);
    expect(await services({ service: 'One' })).toEqual(['One']);
    expect(await services({ state: 'active' })).toEqual(['One']);
    expect(await services({ state: ['active', 'verifying'] })).toEqual(['One', 'Two']);
    expect(await services({ topic: b.url })).toEqual(['Two']);
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
    const port = await deadPort();
    const { service } = reader({ targets: [good.url, bad.url] });
    const failure = await failureOf(startService(service, { ...QUIET, port, failFast: true }));
    expect(failure).toBeInstanceOf(ResourceDiscoveryFailedError);
    await hub.settled();
    expect(hub.subscriptions.filter(({ topic, state }) => topic === good.self && state === 'active')).toEqual([]);
    await (await startService(reader().service, { ...QUIET, port })).stop();
  });

  it('rejects with the first failure of a request', async () => {
    await using hub = await TestHub.start();
    hub.fail(400);
    const { service } = reader({ target: hub.topic('/feed').url });
    const failure = await failureOf(startService(service, { ...QUIET, failFast: true }));
    expect(failure).toBeInstanceOf(SubscriptionInitiationError);
    expect(failure).toMatchObject({ hub: hub.url, status: 400, reason: 'refused' });
  });

  it('D8 is content with the next hub, and with all that goes well', async () => {
    await using refusing = await TestHub.start({ fail: { status: 403 } });
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed', { hubs: [refusing, hub] });
    await using runtime = await startService(reader({ target: topic.url }).service, { ...QUIET, failFast: true });
    await runtime.ready();
    expect((await only(runtime)).hub).toBe(hub.url);
  });
});

describe('D8 failover to the next advertised hub', () => {
  const SPOILT: readonly [what: string, spoil: (hub: TestHub) => unknown][] = [
    ['refuses with a 4xx', (hub) => hub.fail(403)],
    ['is dead', (hub) => hub.close()],
    ['denies', (hub) => hub.configure({ deny: 'not here' })],
    ['never verifies', (hub) => hub.configure({ verify: 'never' })],
  ];
  it.each(SPOILT)('when the first %s', async (_what, spoil) => {
    await using first = await TestHub.start();
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    await spoil(first);
    const { service, got } = reader({ target: topic.url });
    const world = new FakeWorld();
    await using runtime = await world.start(service, { gracefulShutdownSeconds: 1 });
    await until(async () => {
      if ((await only(runtime)).state === 'active') return true;
      world.pass(5_000);
      return false;
    });
    await second.verified(topic);
    await runtime.ready();
    const subscription = await only(runtime);
    expect(subscription).toMatchObject({ hub: second.url, state: 'active' });
    await topic.publish('by the second');
    expect(got).toEqual(['by the second']);
    const callbacks = [...first.requests, ...second.requests].flatMap(({ form }) => form.get('hub.callback') ?? []);
    expect(subscription.callback).toBe(callbacks.at(-1));
    const atFirst = first.requests.flatMap(({ form }) => form.get('hub.callback') ?? []);
    expect(atFirst).not.toContain(subscription.callback);
  });

  it('with a service path gives each hub a callback of its own', async () => {
    await using first = await TestHub.start({ deny: 'no' });
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    const { service, got } = reader({ target: topic.url, servicePath: 'news' });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    const callbackAtFirst = first.requests[0]?.form.get('hub.callback');
    expect(callbackAtFirst).toBe(`${runtime.url}/websub/news`);
    expect((await only(runtime)).callback).toMatch(/\/news\/[\w-]{43}$/);
    await topic.publish('news');
    expect(got).toEqual(['news']);
  });

  it('with a literal callback hands it over to the next hub', async () => {
    await using first = await TestHub.start({ deny: 'no' });
    await using second = await TestHub.start();
    const topic = second.topic('/feed', { hubs: [first, second] });
    const port = await deadPort();
    const callback = `http://localhost:${port}/in?key=1`;
    const { service, got } = reader({ target: topic.url, callback });
    await using runtime = await startService(service, { ...QUIET, port });
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ hub: second.url, callback, state: 'active' });
    await topic.publish('news');
    expect(got).toEqual(['news']);
    expect(second.violations).toEqual([]);
  });
});

describe('a callback as the service configures it', () => {
  it('literal, serves one subscription and refuses a second one', async () => {
    await using hub = await TestHub.start();
    const [a, b] = [hub.topic('/a'), hub.topic('/b')];
    const port = await deadPort();
    const { service, got } = reader({ callback: `http://localhost:${port}/in` });
    await using runtime = await startService(service, { ...QUIET, port });
    const attempts = await Promise.allSettled([a, b].map(({ url }) => runtime.subscribe(service, { target: url })));
    expect(attempts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const failure = await failureOf(runtime.subscribe(service, { target: b.url }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/callback is taken literally and serves http.*\/a already; set appendServicePath/);
    await runtime.ready();
    const { id } = await only(runtime);
    await runtime.unsubscribe(id);
    await hub.unsubscribed(a);
    await runtime.subscribe(service, { target: b.url });
    await runtime.ready();
    await b.publish('for b');
    expect(got).toEqual(['for b']);
  });

  it('literal, takes up an earlier subscription only when it serves no other', async () => {
    await using hub = await TestHub.start();
    const [a, b] = [hub.topic('/a'), hub.topic('/b')];
    const port = await deadPort();
    const { service } = reader({ callback: `http://localhost:${port}/in` });
    await using runtime = await startService(service, { ...QUIET, port });
    const { id } = await runtime.subscribe(service, { target: a.url });
    await runtime.ready();
    await runtime.unsubscribe(id);
    await runtime.subscribe(service, { target: b.url });
    for (const again of [runtime.subscribe(service, { target: a.url }), runtime.retry(id)]) {
      const failure = await failureOf(again);
      expect(failure).toBeInstanceOf(ConfigurationError);
      expect(failure.message).toMatch(/callback is taken literally and serves http.*\/b already/);
    }
    await runtime.ready();
    expect(await runtime.subscriptions.find({ state: 'active' })).toMatchObject([{ target: b.url }]);
  });

  it('with appendServicePath, gets path and token behind it', async () => {
    await using hub = await TestHub.start();
    const [a, b] = [hub.topic('/a'), hub.topic('/b')];
    const port = await deadPort();
    const callback = `http://localhost:${port}/behind/a/proxy`;
    const { service, got } = reader({ target: a.url, callback, appendServicePath: true, servicePath: 'news' });
    await using runtime = await startService(service, { ...QUIET, port });
    await runtime.subscribe(service, { target: b.url });
    await runtime.ready();
    const callbacks = (await runtime.subscriptions.find()).map((one) => one.callback);
    expect(callbacks).toEqual([`${callback}/news`, expect.stringMatching(/\/behind\/a\/proxy\/news\/[\w-]{43}$/)]);
    await a.publish('a');
    await b.publish('b');
    expect(got).toEqual(['a', 'b']);
  });

  it('is refused where two services would share it, before anything is opened', async () => {
    const services = ['One', 'Two'].map((name) => reader({ name, servicePath: 'news' }).service);
    const failure = await failureOf(startService(services, { ...QUIET, store: 'lmdb:///dev/null/never' }));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(/Services "One" and "Two" both have callbacks that end in "news"/);
  });
});

describe('time', () => {
  it('L1 renews before the lease ends, under the same callback', async () => {
    await using hub = await TestHub.start({ leaseSeconds: 1000 });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(reader({ target: topic.url }).service);
    await runtime.ready();
    const { renewsAt, callback, expiresAt } = await only(runtime);
    const renewed: HookPayload[] = [];
    runtime.hooks.on('renewed', (payload) => void renewed.push(payload));
    world.pass(690_000);
    expect(asked(hub)).toBe(1);
    world.pass((renewsAt?.getTime() ?? 0) - world.now);
    await until(() => renewed.length === 1);
    expect(renewed[0]).toMatchObject({ grant: { callback, state: 'active' } });
    expect((await only(runtime)).expiresAt?.getTime()).toBeGreaterThan(expiresAt?.getTime() ?? Infinity);
    expect(hub.violations).toEqual([]);
  });

  it('L2 asks again after a failure, later each time', async () => {
    await using hub = await TestHub.start({ fail: { status: 503, times: 2 } });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(reader({ target: topic.url }).service);
    for (const attempts of [1, 2]) {
      await until(async () => (await only(runtime)).attempts === attempts);
      const { nextAttemptAt } = await only(runtime);
      world.pass((nextAttemptAt?.getTime() ?? 0) - world.now - 1);
      expect(asked(hub)).toBe(attempts);
      world.pass(1);
    }
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ state: 'active', attempts: 0 });
    expect((await only(runtime)).lastError).toBeUndefined();
  });

  it('L3 says that a lease ran out, and subscribes again', async () => {
    await using hub = await TestHub.start({ leaseSeconds: 1000 });
    const topic = hub.topic('/feed');
    const world = new FakeWorld();
    await using runtime = await world.start(reader({ target: topic.url }).service);
    await runtime.ready();
    const heard: string[] = [];
    runtime.hooks.on('expired', () => void heard.push('expired'));
    runtime.hooks.on('verified', ({ subscription }) => void heard.push(`verified ${subscription.state}`));
    world.pass(1_000_000);
    await until(() => heard.length === 2);
    expect(heard).toEqual(['expired', 'verified active']);
  });
});

describe('S4 PubSubHubbub 0.3', () => {
  it('subscribes and unsubscribes with hub.verify and a token of its own', async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const topic = hub.topic('/feed');
    const { service, got } = reader({ target: topic.url, protocol: 'pubsubhubbub-0.3' });
    const runtime = await startService(service, QUIET);
    await runtime.ready();
    await topic.publish('news');
    await runtime.stop();
    await hub.unsubscribed(topic);
    expect(got).toEqual(['news']);
    const forms = hub.requests.filter(({ method }) => method === 'POST').map(({ form }) => form);
    expect(forms.map((form) => [form.get('hub.mode'), form.getAll('hub.verify').length > 0])).toEqual([
      ['subscribe', true],
      ['unsubscribe', true],
    ]);
    expect(forms[0]?.get('hub.verify_token')).toMatch(/^[\w-]{20,}$/);
    expect(hub.violations).toEqual([]);
  });

  it('S3 is not needed for a hub that insists on hub.verify alone', async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const { service } = reader({ target: hub.topic('/feed').url });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    expect(await only(runtime)).toMatchObject({ state: 'active', attempts: 0, failures: {} });
    expect(hub.violations.map(({ code }) => code)).toEqual(['missing-verify']);
  });
});

describe('S7 a hub given as http', () => {
  const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
  const lookup: LookupFunction = (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]);
  const dispatcher = new Agent({ connect: { ca: pem('certificate'), servername: 'hub.test', lookup } });
  afterAll(() => dispatcher.close());

  it('is asked over https first, which is remembered, and gets a secret of its own accord', async () => {
    stubName('hub.test');
    await using hub = await TestHub.start({
      hostname: 'hub.test',
      tls: { key: pem('key'), cert: pem('certificate') },
      leaseSeconds: 1000,
    });
    const advertised = hub.url.replace('https:', 'http:');
    const topic = hub.topic('/feed', { hubs: [advertised] });
    const world = new FakeWorld();
    const { service, got } = reader({
      target: topic.url,
      secret: undefined,
      httpConfig: { dispatcher },
      discoveryConfig: { httpConfig: { dispatcher } },
    });
    await using runtime = await world.start(service);
    await runtime.ready();
    expect((await only(runtime)).grants).toMatchObject([{ advertisedHub: advertised, hub: hub.url }]);
    expect(await topic.publish('signed')).toMatchObject([{ status: 202 }]);
    expect(got).toEqual(['signed']);
    world.pass(999_000);
    await hub.until(() => asked(hub) === 2);
    const secrets = hub.requests.flatMap(({ form }) => form.get('hub.secret') ?? []);
    expect(secrets).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), secrets[0]]);
    await runtime.stop();
    expect(hub.violations).toEqual([]);
  });

  it('is asked over http where nothing answers over https', async () => {
    stubName('hub.test');
    await using hub = await TestHub.start({ hostname: 'hub.test' });
    const topic = hub.topic('/feed');
    const { service } = reader({
      target: topic.url,
      httpConfig: { dispatcher },
      discoveryConfig: { httpConfig: { dispatcher } },
    });
    await using runtime = await startService(service, QUIET);
    await runtime.ready();
    expect((await only(runtime)).hub).toBe(hub.url);
  });
});
