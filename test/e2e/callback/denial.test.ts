import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  InternalHubError,
  SubscriptionDeniedError,
  type SubscriberHandlers,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
import { TestHub, type HubFaults, type HubSubscription, type ReceivedRequest } from 'websub-subscriber/testing';
import { fieldsOf, SECRET, signedPost, subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle, untilSettled } from '../../kit/until-idle.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const isSubscribing = ({ method, form }: ReceivedRequest): boolean =>
  method === 'POST' && form.get('hub.mode') === 'subscribe';

/** The first subscription that a hub knows. */
function hubSubscription(hub: TestHub): HubSubscription {
  const [subscription] = hub.subscriptions;
  if (subscription === undefined) throw new Error('the hub knows no subscription');
  return subscription;
}

/** A subscription at a hub with these faults, in a world whose clock stands still. */
async function setUp(
  world: FakeWorld,
  faults: HubFaults,
  config: SubscriberServiceConfig = {},
  handlers: Partial<SubscriberHandlers> = {},
) {
  const hub = await startHub({ now: () => world.now, ...faults });
  const topic = hub.topic('/feed');
  const target = { hub: hub.url, topic: topic.url };
  const hookNames: string[] = [];
  const onStart = (runtime: SubscriberRuntime): void => {
    const names = ['requested', 'verified', 'renewed', 'denied', 'failed', 'expired', 'hub-error'] as const;
    for (const name of names) runtime.hooks.on(name, () => void hookNames.push(name));
  };
  const service = defineSubscriber(
    { name: 'News', target, secret: SECRET, unsubscribeOnShutdown: false, ...config },
    { onEventNotification() {}, onStart, ...handlers },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  const statuses = () => hub.deliveries.map(({ status }) => status);
  return { hub, topic, runtime, hookNames, statuses };
}

/** A subscription that was active, and then got an unsolicited denial. */
async function deniedSubscription(
  world: FakeWorld,
  handlers: Partial<SubscriberHandlers> = {},
  config: SubscriberServiceConfig = {},
) {
  const fixture = await setUp(world, {}, config, handlers);
  const { callback } = await fixture.hub.verified();
  await expect.poll(async () => (await onlySubscription(fixture.runtime)).state).toBe('active');
  const { port = 0 } = fixture.runtime;
  const path = new URL(callback).pathname;
  const ask = (parameters: Readonly<Record<string, string>>) =>
    exchange(port, request('GET', `${path}?${new URLSearchParams(parameters).toString()}`));
  expect((await ask(DENIED)).status).toBe(200);
  expect((await onlySubscription(fixture.runtime)).state).toBe('denied');
  return { ...fixture, callback, ask };
}

/** Advances the clock in small steps, so that due work and hubs keep up. */
async function passTo(world: FakeWorld, hub: TestHub, end: number): Promise<void> {
  const settle = (): Promise<void> => untilSettled(hub);
  await settle();
  while (world.now < end) {
    world.advance(Math.min(600_000, end - world.now));
    await settle();
  }
}

const DENIED = { 'hub.mode': 'denied', 'hub.reason': 'not you & not now' };

describe('N1 an unsolicited denial', () => {
  test('reaches the service; signed content is still accepted, and makes the subscription active again', async () => {
    const denials: SubscriptionDeniedError[] = [];
    const { sendGet, topic, snapshot, post, hub } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void denials.push(error) },
    });
    const answer = await sendGet({ ...DENIED, 'hub.topic': topic.url });
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'cache-control': 'no-store' } });
    expect(denials).toHaveLength(1);
    const [error] = denials;
    expect(error).toBeInstanceOf(SubscriptionDeniedError);
    expect(error).toMatchObject({
      message: 'not you & not now',
      code: 'ERR_WEBSUB_DENIED',
      topic: topic.url,
      grant: { state: 'denied', hub: hub.url },
    });
    expect(await snapshot()).toMatchObject({
      state: 'denied',
      lastError: { cause: 'denied', message: 'not you & not now', code: 'ERR_WEBSUB_DENIED' },
    });
    // Anyone could have sent unsigned content.
    expect((await post('news', { 'X-Hub-Signature': 'sha256=00' })).status).toBe(403);
    expect((await snapshot()).state).toBe('denied');
    expect((await post('news')).status).toBe(202);
    await expect.poll(async () => (await snapshot()).state).toBe('active');
  });

  test('causes one subscribe request with a fresh callback after 60 to 120 s, even after signed content', async () => {
    const world = new FakeWorld();
    const { hub, topic, callback, runtime } = await deniedSubscription(world);
    await topic.publish('signed content in between');
    expect(hub.requests.filter(isSubscribing)).toHaveLength(1);
    world.advance(59_000);
    await untilIdle();
    expect(hub.requests.filter(isSubscribing)).toHaveLength(1);
    world.advance(61_000);
    await hub.until(() => hub.requests.filter(isSubscribing).length === 2);
    await hub.until(() =>
      hub.subscriptions.some((each) => each.callback === callback && each.state === 'unsubscribed'),
    );
    const active = hub.subscriptions.filter(({ state }) => state === 'active');
    expect(active).toHaveLength(1);
    expect(active[0]?.callback).not.toBe(callback);
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', callback: active[0]?.callback });
    const deliveries = await topic.publish('to the fresh callback');
    expect(deliveries.map(({ status }) => status)).toEqual([202]);
    const { port = 0 } = runtime;
    expect((await exchange(port, signedPost(new URL(callback).pathname, 'late'))).status).toBe(410);
    world.advance(3_600_000);
    await untilIdle();
    expect(hub.requests.filter(isSubscribing)).toHaveLength(2);
  });

  test('that is repeated reaches the service at most once a minute, and delays no subscribe request', async () => {
    const world = new FakeWorld();
    const denials: unknown[] = [];
    const { hub, runtime, ask } = await deniedSubscription(world, {
      onSubscriptionValidationDenied: (error) => void denials.push(error),
    });
    for (let time = 0; time < 20; time += 1) expect((await ask(DENIED)).status).toBe(200);
    expect(denials).toHaveLength(1);
    world.advance(60_000);
    await ask(DENIED);
    expect(denials).toHaveLength(2);
    world.advance(60_000);
    await hub.until(() => hub.requests.filter(isSubscribing).length === 2);
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
  });

  test('ends the grant at the end of its lease if nothing disproves the denial: content then gets 410', async () => {
    const world = new FakeWorld();
    const { hub, ask, callback, runtime } = await deniedSubscription(world, {}, { leaseSeconds: 3_600 });
    hub.configure({ verify: 'never' });
    world.advance(120_000);
    await hub.until(() => hub.requests.filter(isSubscribing).length === 2);
    const { port = 0 } = runtime;
    const post = () =>
      exchange(port, signedPost(new URL(callback).pathname, 'news', { 'X-Hub-Signature': 'sha256=00' }));
    expect((await post()).status).toBe(403);
    world.advance(3_600_000);
    await expect.poll(async () => (await post()).status).toBe(410);
    expect((await ask(DENIED)).status).toBe(200);
    expect((await onlySubscription(runtime)).nextAttemptAt).toBeDefined();
  });

  test('of a fixed callback causes at most one subscribe request an hour, with the same callback', async () => {
    const world = new FakeWorld();
    const { hub, ask, callback } = await deniedSubscription(world, {}, { servicePath: 'the-only-one' });
    const requestCount = (): number => hub.requests.filter(isSubscribing).length;
    world.advance(120_000);
    await hub.until(() => requestCount() === 2);
    expect(hub.requests.filter(isSubscribing)[1]?.form.get('hub.callback')).toBe(callback);
    await hub.settled();
    await untilIdle();
    world.advance(60_000);
    expect((await ask(DENIED)).status).toBe(200);
    world.advance(1_800_000);
    await untilIdle();
    expect(requestCount()).toBe(2);
    world.advance(1_800_000);
    await hub.until(() => requestCount() === 3);
  });

  test('of a grant that is being unsubscribed changes nothing, and the unsubscription is still confirmed', async () => {
    const { hub, runtime, sendGet, snapshot, topic } = await subscribed({
      hub: { verify: { unsubscriptions: 'never' } },
    });
    const { id } = await snapshot();
    await runtime.unsubscribe(id);
    await hub.until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    expect((await sendGet({ ...DENIED, 'hub.topic': topic.url })).status).toBe(200);
    expect((await snapshot()).state).toBe('unsubscribing');
    expect(await hub.verify(hubSubscription(hub), { mode: 'unsubscribe' })).toMatchObject({ status: 200 });
    await expect.poll(async () => (await snapshot()).state).toBe('unsubscribed');
  });
});

describe('N1 a denial that answers a request', () => {
  test('is reported at once, and fails the attempt at its deadline', async () => {
    const world = new FakeWorld();
    const { hub, runtime, hookNames } = await setUp(world, { deny: 'members only' });
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('denied');
    expect(await onlySubscription(runtime)).toMatchObject({
      attempts: 0,
      lastError: { cause: 'denied', message: 'members only' },
    });
    world.advance(60_000);
    await expect.poll(async () => (await onlySubscription(runtime)).attempts).toBe(1);
    expect(hookNames).toEqual(['requested', 'denied']);
    expect(hub.requests.filter(isSubscribing)).toHaveLength(1);
  });

  test('N2 is followed by requests after 60 to 120 s, then after half to all of 15 min, 30 min … 24 h', async () => {
    const world = new FakeWorld();
    const { hub, runtime } = await setUp(world, { deny: 'not yet' });
    const times = [world.now];
    for (let round = 0; round < 11; round += 1) {
      const countBefore = hub.requests.filter(isSubscribing).length;
      await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('denied');
      await hub.settled();
      while (hub.requests.filter(isSubscribing).length === countBefore) {
        world.advance(15_000);
        await untilIdle();
        await hub.settled();
        if (world.now > (times.at(-1) ?? 0) + 2 * DAY_MS) throw new Error('no subscribe request follows');
      }
      times.push(world.now);
    }
    const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    const ceilings = [120, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400, 86_400];
    for (const [index, wait] of waits.entries()) {
      const ceiling = (ceilings[index] ?? 0) * 1_000;
      expect(wait).toBeGreaterThanOrEqual(ceiling / 2 - 1_000);
      expect(wait).toBeLessThanOrEqual(ceiling + 30_000);
    }
    hub.configure({ deny: false });
    await runtime.retry((await onlySubscription(runtime)).id);
    await hub.verified();
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
  });

  test('V9 is overruled by a later verification', async () => {
    const world = new FakeWorld();
    const { hub, runtime } = await setUp(world, { deny: 'wait for an approval by hand' });
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('denied');
    await hub.settled();
    hub.configure({ deny: false });
    expect(await hub.verify(hubSubscription(hub))).toMatchObject({ status: 200 });
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active' });
    expect((await onlySubscription(runtime)).lastError).toBeUndefined();
  });

  test.each([
    // Some hubs send this for every renewal.
    'already subscribed',
    // A proxy answered the verification.
    'verification failed with status 502',
  ])('to renew does not end the subscription (reason: %s)', async (reason) => {
    const world = new FakeWorld();
    // The hub keeps delivering, whatever lease it named.
    const faults = { leaseSeconds: 'perpetual', announcedLease: 864_000 } as const;
    const { hub, runtime, topic, statuses } = await setUp(world, faults);
    await hub.verified();
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
    hub.configure({ deny: { reason, keep: true } });
    const { renewsAt, expiresAt } = await onlySubscription(runtime);
    world.advance((renewsAt?.getTime() ?? 0) - world.now + 1_000);
    await hub.until(() => hub.deliveries.some(({ kind }) => kind === 'denial'));
    await hub.settled();
    expect(await onlySubscription(runtime)).toMatchObject({
      state: 'active',
      attempts: 0,
      expiresAt,
      lastError: { message: reason },
    });
    expect((await topic.publish('while it is denied')).map(({ status }) => status)).toEqual([202]);
    world.advance(60_000);
    await untilIdle();
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active', attempts: 0 });
    world.advance(60_000);
    await hub.until(() => hub.requests.filter(isSubscribing).length === 3);
    // The hub still delivers after the lease has ended.
    await passTo(world, hub, (expiresAt?.getTime() ?? 0) + 3_600_000);
    expect((await topic.publish('after its lease has ended')).map(({ status }) => status)).toEqual([202]);
    expect(statuses()).not.toContain(410);
    hub.configure({ deny: false });
    await passTo(world, hub, world.now + DAY_MS);
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'active' });
  });

  test("N2 stops the subscription until retry(id) if afterDenial is 'stop'", async () => {
    const world = new FakeWorld();
    const { hub, runtime } = await setUp(world, { deny: 'no' }, { afterDenial: 'stop' });
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('denied');
    world.advance(60_000);
    await expect.poll(async () => (await onlySubscription(runtime)).nextAttemptAt).toBeUndefined();
    await passTo(world, hub, world.now + 3 * DAY_MS);
    expect(hub.requests.filter(isSubscribing)).toHaveLength(1);
    expect(await onlySubscription(runtime)).toMatchObject({ state: 'denied' });
    hub.configure({ deny: false });
    await runtime.retry((await onlySubscription(runtime)).id);
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
  });

  test('makes ready() reject at once if the next subscribe request is due after the timeout', async () => {
    const world = new FakeWorld();
    const { runtime } = await setUp(world, { deny: 'members only' });
    await expect(runtime.ready({ timeoutMs: 30_000 })).rejects.toThrow(
      /will not be requested again before .*members only/,
    );
  });
});

describe('N1 a denial', () => {
  test('is accepted without a topic and a reason', async () => {
    const denials: SubscriptionDeniedError[] = [];
    const { sendGet, snapshot } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void denials.push(error) },
    });
    expect((await sendGet({ 'hub.mode': 'denied' })).status).toBe(200);
    expect((await snapshot()).state).toBe('denied');
    expect(denials[0]?.topic).toBeUndefined();
    expect(denials[0]?.message).toBe('the hub gave no reason');
  });

  test('is accepted although its reason is not UTF-8', async () => {
    const { port, path, snapshot } = await subscribed();
    const answer = await exchange(port, request('GET', `${path}?hub.mode=denied&hub.reason=%FCber`));
    expect(answer.status).toBe(200);
    expect(await snapshot()).toMatchObject({ state: 'denied', lastError: { message: '\uFFFDber' } });
  });

  test('of another topic is rejected with 404, and changes nothing', async () => {
    const denials: unknown[] = [];
    const { sendGet, topic, snapshot, post, logger } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void denials.push(error) },
    });
    expect((await sendGet({ ...DENIED, 'hub.topic': `${topic.url}2` })).status).toBe(404);
    const [line, ...furtherLines] = logger.logged('callback.wrong-topic');
    expect(line).toMatchObject({ level: 'warn', fields: { topic: topic.url } });
    // The message quotes the topic and the reason of the request.
    expect(line?.message).toContain('hub.mode=denied');
    expect(line?.message).toContain(`"${topic.url}2"`);
    expect(line?.message).toContain('"not you & not now"');
    expect(furtherLines).toEqual([]);
    expect((await snapshot()).state).toBe('active');
    expect(denials).toEqual([]);
    expect((await post('news')).status).toBe(202);
  });

  test('V10 matches our topic even if the hub percent-encoded it twice', async () => {
    const { sendGet, topic, snapshot } = await subscribed({ topic: '/caf%c3%a9?q=a%2Fb' });
    expect((await sendGet({ ...DENIED, 'hub.topic': encodeURIComponent(topic.url) })).status).toBe(200);
    expect((await snapshot()).state).toBe('denied');
  });

  test('is answered with the headers and body that the service adds', async () => {
    const { sendGet } = await subscribed({
      handlers: {
        onSubscriptionValidationDenied: async () => ({
          headers: { 'x-seen': 'yes', location: '/' },
          body: { seen: 'ü & ö' },
        }),
      },
    });
    const answer = await sendGet(DENIED);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-seen': 'yes' });
    expect(answer.headers).not.toHaveProperty('location');
    expect(fieldsOf(answer)).toEqual({ seen: 'ü & ö' });
  });

  test('is answered 200 although the handler throws', async () => {
    const { sendGet, logger, snapshot } = await subscribed({
      handlers: {
        onSubscriptionValidationDenied: () => {
          throw new Error('broken');
        },
      },
    });
    expect(await sendGet(DENIED)).toMatchObject({ status: 200, body: '' });
    expect((await snapshot()).state).toBe('denied');
    expect(logger.events('error')).toEqual(['callback.handler-failed']);
  });

  test('reaches the service once if it is repeated within a minute', async () => {
    const denials: unknown[] = [];
    const { sendGet } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void denials.push(error) },
    });
    for (let time = 0; time < 3; time += 1) expect((await sendGet(DENIED)).status).toBe(200);
    expect(denials).toHaveLength(1);
  });

  test('of an ended subscription is ignored', async () => {
    const denials: unknown[] = [];
    const { sendGet, runtime, snapshot, hub, topic } = await subscribed({
      handlers: { onSubscriptionValidationDenied: (error) => void denials.push(error) },
    });
    await runtime.unsubscribe((await snapshot()).id);
    await hub.unsubscribed(topic);
    expect((await sendGet(DENIED)).status).toBe(200);
    expect(await snapshot()).toMatchObject({ state: 'unsubscribed' });
    expect(denials).toEqual([]);
  });
});

describe('N3 a hub error', () => {
  test('within a minute of a verification fails one attempt: a retry follows, and content is accepted', async () => {
    const world = new FakeWorld();
    const hubErrors: InternalHubError[] = [];
    const { hub, runtime, topic, hookNames } = await setUp(
      world,
      {},
      {},
      { onHubError: (error) => void hubErrors.push(error) },
    );
    await hub.verified();
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
    world.advance(30_000);
    const [delivery] = await hub.error('on fire');
    expect(delivery).toMatchObject({ status: 200, body: '' });
    await hub.error('on fire again');
    expect(hubErrors).toHaveLength(1);
    expect(hubErrors[0]).toBeInstanceOf(InternalHubError);
    expect(hubErrors[0]).toMatchObject({ message: 'on fire', code: 'ERR_WEBSUB_HUB_ERROR' });
    expect(hookNames.filter((name) => name === 'hub-error' || name === 'failed')).toEqual(['failed', 'hub-error']);
    expect(await onlySubscription(runtime)).toMatchObject({
      state: 'active',
      attempts: 1,
      lastError: { cause: 'hub-error', message: 'on fire' },
    });
    expect((await topic.publish('news')).map(({ status }) => status)).toEqual([202]);
    world.advance(2_000);
    await hub.until(() => hub.requests.filter(isSubscribing).length === 2);
    await hub.settled();
    await untilIdle();
    // The verification that followed does not reset the count.
    await hub.error('on fire once more');
    await expect.poll(async () => (await onlySubscription(runtime)).attempts).toBe(2);
  });

  test('more than a minute after the verification leaves the subscription unchanged', async () => {
    const world = new FakeWorld();
    const { hub, runtime, hookNames } = await setUp(world, {});
    await hub.verified();
    await expect.poll(async () => (await onlySubscription(runtime)).state).toBe('active');
    world.advance(61_000);
    const before = await onlySubscription(runtime);
    expect(await hub.error('on fire')).toMatchObject([{ status: 200 }]);
    expect(await onlySubscription(runtime)).toEqual(before);
    expect(hookNames.at(-1)).toBe('hub-error');
  });

  test('is answered 200 even if the handler throws or there is none', async () => {
    const withFailingHandler = await subscribed({
      handlers: { onHubError: () => Promise.reject(new Error('broken')) },
    });
    expect((await withFailingHandler.sendGet({ 'hub.mode': 'hub-error' })).status).toBe(200);
    const withoutHandler = await subscribed();
    expect((await withoutHandler.sendGet({ 'hub.mode': 'hub-error' })).status).toBe(200);
    const [line] = withoutHandler.logger.logged('hub.error');
    expect(line).toMatchObject({ level: 'warn', message: expect.stringContaining('the hub gave no reason') });
  });

  test('is answered with the headers and body that the service adds', async () => {
    const { sendGet } = await subscribed({
      handlers: { onHubError: () => ({ headers: { 'x-seen': ['1', '2'] }, body: { a: 'b' } }) },
    });
    const answer = await sendGet({ 'hub.mode': 'hub-error' });
    expect(answer).toMatchObject({ status: 200, body: 'a=b', headers: { 'x-seen': '1, 2' } });
  });

  test('of another topic is rejected with 404', async () => {
    const hubErrors: unknown[] = [];
    const { sendGet } = await subscribed({ handlers: { onHubError: (error) => void hubErrors.push(error) } });
    expect((await sendGet({ 'hub.mode': 'hub-error', 'hub.topic': 'http://127.0.0.1/other' })).status).toBe(404);
    expect(hubErrors).toEqual([]);
  });
});
