import { afterEach, expect, test } from 'vitest';
import {
  defineSubscriber,
  startService,
  SubscriptionVerificationError,
  type HookName,
  type Subscription,
  type SubscriberDefinition,
  type SubscriberHandlers,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

const openResources: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of openResources.splice(0).toReversed()) await resource[Symbol.asyncDispose]();
});

async function startHub(options: Parameters<typeof TestHub.start>[0] = {}): Promise<TestHub> {
  const hub = await TestHub.start(options);
  openResources.push(hub);
  return hub;
}

const subscriber = (handlers: Partial<SubscriberHandlers> = {}): SubscriberDefinition =>
  defineSubscriber({ name: 'News', secret: false }, { onEventNotification: () => {}, ...handlers });

async function start(service: SubscriberDefinition): Promise<SubscriberRuntime> {
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false, handleSignals: false });
  openResources.push(runtime);
  return runtime;
}

const nextHook = (runtime: SubscriberRuntime, name: HookName): Promise<Subscription> =>
  new Promise((resolve) => {
    const removeListener = runtime.hooks.on(name, ({ subscription }) => {
      removeListener();
      resolve(subscription);
    });
  });

const requestedModes = (hub: TestHub): readonly (string | null)[] =>
  hub.requests
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => new URLSearchParams(body.toString()).get('hub.mode'));

test('D8 S8 the second hub is requested under another callback when the first hub refuses', async () => {
  const [first, second] = [await startHub(), await startHub()];
  first.fail(403);
  const topic = first.topic('/feed', { body: 'news', hubs: [first, second] });
  const service = subscriber();
  const runtime = await start(service);
  await runtime.subscribe(service, { target: topic.url });
  await runtime.ready({ timeoutMs: 5_000 });
  const [subscription] = await runtime.subscriptions.find();
  expect(subscription).toMatchObject({ state: 'active', hub: second.url, attempts: 0 });
  const callbacks = [first, second].map((hub) =>
    new URLSearchParams(hub.requests.at(-1)?.body.toString()).get('hub.callback'),
  );
  expect(new Set(callbacks).size).toBe(2);
});

test('N1 N2 the second hub is requested at once after a denial, and a retry starts at the first hub', async () => {
  const [first, second] = [await startHub({ deny: 'not you' }), await startHub({ deny: 'nor here' })];
  const topic = first.topic('/feed', { body: 'news', hubs: [first, second] });
  const service = subscriber();
  const runtime = await start(service);
  let denials = 0;
  const secondDenial = new Promise<Subscription>((resolve) => {
    runtime.hooks.on('denied', ({ subscription }) => {
      denials += 1;
      if (denials === 2) resolve(subscription);
    });
  });
  const { id } = await runtime.subscribe(service, { target: topic.url });
  expect(await secondDenial).toMatchObject({ state: 'denied', lastError: { cause: 'denied', message: 'nor here' } });
  expect([requestedModes(first), requestedModes(second)]).toEqual([['subscribe'], ['subscribe']]);
  const { nextAttemptAt } = (await runtime.subscriptions.get(id)) ?? {};
  expect(Number(nextAttemptAt) - Date.now()).toBeGreaterThan(50_000);
  expect(Number(nextAttemptAt) - Date.now()).toBeLessThanOrEqual(120_000);
  for (const hub of [first, second]) hub.configure({ deny: false });
  await runtime.retry(id);
  await runtime.ready({ timeoutMs: 5_000 });
  expect(requestedModes(first)).toEqual(['subscribe', 'subscribe']);
  expect(requestedModes(second)).toEqual(['subscribe']);
});

test('S3 the unsubscribe request goes to the new URL of a hub that moved permanently', async () => {
  const [first, second] = [await startHub(), await startHub({ verify: 'sync' })];
  first.redirect(308, second.url);
  const service = subscriber();
  const runtime = await start(service);
  const hubMovedHook = nextHook(runtime, 'hub-moved');
  const { id } = await runtime.subscribe(service, { target: first.topic('/feed', { body: 'news' }).url });
  expect(await hubMovedHook).toMatchObject({ hub: second.url });
  await runtime.ready({ timeoutMs: 5_000 });
  const unsubscribedHook = nextHook(runtime, 'unsubscribed');
  await runtime.unsubscribe(id);
  expect((await unsubscribedHook).state).toBe('unsubscribed');
  expect(requestedModes(first)).toEqual(['subscribe']);
  expect(requestedModes(second)).toEqual(['subscribe', 'unsubscribe']);
  expect(second.violations).toEqual([]);
});

test('V7 a subscription that the handler refused during the open request can be retried at once', async () => {
  const hub = await startHub({ verify: 'sync' });
  let refusals = 1;
  const service = subscriber({
    onSubscriptionVerification: () => {
      refusals -= 1;
      if (refusals >= 0) throw new SubscriptionVerificationError('not yet');
    },
  });
  const runtime = await start(service);
  const failedHook = nextHook(runtime, 'failed');
  const { id } = await runtime.subscribe(service, { target: hub.topic('/feed', { body: 'news' }).url });
  expect(await failedHook).toMatchObject({ state: 'failed', gaveUp: true, lastError: { cause: 'handler-refused' } });
  await runtime.retry(id);
  await runtime.ready({ timeoutMs: 5_000 });
  expect(requestedModes(hub)).toEqual(['subscribe', 'subscribe']);
});

test('V1 a subscription unsubscribed during its request is not confirmed, and can be subscribed again', async () => {
  const hub = await startHub({ delayMs: { answer: 100 } });
  const service = subscriber();
  const runtime = await start(service);
  const target = hub.topic('/feed', { body: 'news' }).url;
  const { id } = await runtime.subscribe(service, { target });
  await hub.until(() => requestedModes(hub).length === 1);
  const unsubscribedHook = nextHook(runtime, 'unsubscribed');
  await runtime.unsubscribe(id);
  expect(await unsubscribedHook).toMatchObject({ desired: 'unsubscribed', state: 'unsubscribed' });
  await runtime.subscribe(service, { target });
  await runtime.ready({ timeoutMs: 5_000 });
  await hub.settled();
  expect(hub.subscriptions.map(({ state }) => state).toSorted()).toEqual(['active', 'refused']);
});

test('V4 a late verification is accepted after the service gave up', async () => {
  const hub = await startHub({ verify: 'never' });
  const service = defineSubscriber(
    { name: 'News', secret: false, verifyTimeoutSeconds: 0.5, maxAttempts: 1, unsubscribeOnShutdown: false },
    { onEventNotification: () => {} },
  );
  const runtime = await start(service);
  const failedHook = nextHook(runtime, 'failed');
  const { id } = await runtime.subscribe(service, { target: hub.topic('/feed', { body: 'news' }).url });
  expect(await failedHook).toMatchObject({
    state: 'failed',
    gaveUp: true,
    lastError: { cause: 'verification-missing' },
  });
  const [pending] = hub.subscriptions;
  if (pending === undefined) throw new Error('the hub got no request');
  expect((await hub.verify(pending)).status).toBe(200);
  expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'active', attempts: 0 });
});

test('L1 a lease of ten seconds is renewed before it ends, under the same callback', { timeout: 12_000 }, async () => {
  const hub = await startHub({ leaseSeconds: 10 });
  const service = subscriber();
  const runtime = await start(service);
  const renewedHook = nextHook(runtime, 'renewed');
  const { id } = await runtime.subscribe(service, { target: hub.topic('/feed', { body: 'news' }).url });
  await runtime.ready({ timeoutMs: 5_000 });
  const { callback, verifiedAt } = (await runtime.subscriptions.get(id)) ?? {};
  const renewedSubscription = await renewedHook;
  expect(renewedSubscription.callback).toBe(callback);
  expect(Number(renewedSubscription.verifiedAt) - Number(verifiedAt)).toBeLessThan(9_000);
  expect(hub.subscriptions).toHaveLength(1);
});
