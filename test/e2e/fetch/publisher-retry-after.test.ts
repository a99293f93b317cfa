import type { ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, discover, type DeliveryConfig } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { untilIdle } from '../../kit/until-idle.js';
import { failureOf } from '../../kit/failure-of.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';
import { atom } from '../../kit/publisher.js';
import { startHub } from '../../kit/start-hub.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A publisher with a page at /page and a feed at /feed, which can each send a Retry-After, and a subscribed service. */
async function setUp(delivery: DeliveryConfig = {}, target = '/feed') {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const requestedPaths: string[] = [];
  const refusals = new Map<string, { readonly status: number; readonly retryAfter: string }>();
  const answer = (path: string, response: ServerResponse): void => {
    const refusal = refusals.get(path);
    if (refusal !== undefined) {
      response.writeHead(refusal.status, { 'retry-after': refusal.retryAfter }).end();
      return;
    }
    const link = `<${hub.url}>; rel="hub", <${publisher.url}/feed>; rel="self"`;
    response.writeHead(200, { 'content-type': 'application/atom+xml', link }).end(atom([{ id: 'a', at: world.now }]));
  };
  const publisher = await startHttpServer(({ url = '' }, response) => {
    requestedPaths.push(url);
    answer(url, response);
  });
  onTestFinished(() => publisher[Symbol.asyncDispose]());
  const store = new FaultyStore();
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url + target, secret: false, unsubscribeOnShutdown: false, delivery },
    { onEventNotification: (event) => void received.push(event.source) },
  );
  let port = 0;
  const start = async () => {
    const runtime = await world.start(service, { store: store.keyv, port });
    onTestFinished(() => runtime.stopNow());
    port = runtime.port ?? 0;
    await settle();
    return runtime;
  };
  const settle = async (): Promise<void> => {
    for (let calm = 0, last = -1; calm < 3; calm = requestedPaths.length === last ? calm + 1 : 0) {
      last = requestedPaths.length;
      await untilIdle();
      await hub.settled();
    }
  };
  const pass = async (milliseconds: number, step = MINUTE): Promise<void> => {
    for (let remaining = milliseconds; remaining > 0; remaining -= step) {
      world.advance(Math.min(step, remaining));
      await settle();
    }
  };
  const refuse = (path: string, status: number, retryAfter: string): void => {
    refusals.set(path, { status, retryAfter });
  };
  const subscribeCount = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  return {
    world,
    hub,
    publisher,
    requestedPaths,
    refusals,
    refuse,
    store,
    received,
    start,
    settle,
    pass,
    subscribeCount,
  };
}

describe('D13 Retry-After of a publisher', () => {
  it.each([
    ['429', 429, '3600'],
    ['503', 503, '3600'],
    ['429 with a date', 429, 'Tue, 01 Jan 2030 01:00:00 GMT'],
  ])('%s: discovery waits for it, even through a restart, and reports it', async (_what, status, retryAfter) => {
    const set = await setUp();
    set.refuse('/feed', status, retryAfter);
    const first = await set.start();
    await until(() => set.requestedPaths.length === 1);
    await set.settle();
    const end = new Date(set.world.now + HOUR);
    expect(await first.subscriptions.find()).toMatchObject([
      { state: 'failed', nextAttemptAt: end, lastError: { message: expect.stringContaining('wait 3600 s') } },
    ]);
    await set.pass(30 * MINUTE);
    await first.stop();
    const again = await set.start();
    set.world.runCron('*/10 * * * *');
    set.world.runCron('0 * * * *');
    await set.pass(29 * MINUTE);
    expect(set.requestedPaths).toEqual(['/feed']);
    set.refusals.clear();
    await set.pass(2 * MINUTE);
    await again.ready({ timeoutMs: 5_000 });
    expect(set.requestedPaths.length).toBeGreaterThan(1);
  });

  it('counts for at most a day', async () => {
    const set = await setUp();
    set.refuse('/feed', 429, String(10 * 86_400));
    const runtime = await set.start();
    await until(async () => (await runtime.subscriptions.find({ state: 'failed' })).length === 1);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.nextAttemptAt).toEqual(new Date(set.world.now + DAY));
  });

  it('does not delay retry(id) or the standalone discover()', async () => {
    const set = await setUp();
    set.refuse('/feed', 429, '3600');
    const runtime = await set.start();
    await until(() => set.requestedPaths.length === 1);
    await set.settle();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.retry();
    await set.settle();
    expect(set.requestedPaths).toHaveLength(1);
    expect(await failureOf(discover(`${set.publisher.url}/feed`))).toMatchObject({
      status: 429,
      retryAfterSeconds: 3600,
    });
    expect(set.requestedPaths).toHaveLength(2);
    set.refusals.clear();
    await runtime.retry(id);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(set.requestedPaths).toHaveLength(3);
  });

  it('does not delay a renewal, which skips its discovery', async () => {
    const set = await setUp();
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    set.refuse('/feed', 503, '86400');
    const before = set.subscribeCount();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.renew(id);
    await set.settle();
    expect([set.requestedPaths.length, set.subscribeCount()]).toEqual([2, before + 1]);
    await runtime.renew(id);
    await set.settle();
    expect([set.requestedPaths.length, set.subscribeCount()]).toEqual([2, before + 2]);
  });

  it('delays polls of that URL, and of no other URL of the host', async () => {
    const set = await setUp({ pollSeconds: 600 }, '/page');
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await set.settle();
    const fetched = (path: string): number => set.requestedPaths.filter((each) => each === path).length;
    set.refuse('/feed', 429, '7200');
    const [pages, feeds] = [fetched('/page'), fetched('/feed')];
    await set.pass(30 * MINUTE);
    expect(fetched('/feed')).toBe(feeds + 1);
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.renew(id);
    await set.settle();
    expect(fetched('/page')).toBe(pages + 1);
    await set.pass(HOUR);
    expect(fetched('/feed')).toBe(feeds + 1);
    set.refusals.clear();
    await set.pass(HOUR);
    expect(fetched('/feed')).toBeGreaterThan(feeds + 1);
  });

  it('delays catch-ups and thin pings until it is over', async () => {
    const set = await setUp({ fetchThinPings: true });
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await set.settle();
    set.refuse('/feed', 429, '1800');
    const { length } = set.requestedPaths;
    await set.hub.distribute(`${set.publisher.url}/feed`, '');
    await until(() => set.requestedPaths.length === length + 1);
    for (let ping = 0; ping < 3; ping += 1) await set.hub.distribute(`${set.publisher.url}/feed`, '');
    await runtime.stop();
    set.world.advance(5 * MINUTE);
    const again = await set.start();
    await set.pass(20 * MINUTE);
    expect(set.requestedPaths).toHaveLength(length + 1);
    set.refusals.clear();
    await set.pass(10 * MINUTE);
    await until(() => set.received.length >= 4);
    expect(set.received.filter((source) => source === 'hub')).toHaveLength(4);
    expect(set.received).toContain('catch-up');
    await again.stop();
  });
});

it('D13 failed polls wait longer each time, up to an hour', async () => {
  const set = await setUp({ pollSeconds: 60 });
  const runtime = await set.start();
  await runtime.ready({ timeoutMs: 5_000 });
  await set.settle();
  set.refuse('/feed', 500, '');
  const times: number[] = [];
  for (let minute = 0; minute < 8 * 60; minute += 1) {
    const { length } = set.requestedPaths;
    await set.pass(MINUTE);
    if (set.requestedPaths.length > length) times.push(minute);
  }
  const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(waits.length).toBeLessThan(20);
  expect(Math.max(...waits)).toBeLessThanOrEqual(61);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(30);
  set.refusals.clear();
  await set.pass(HOUR);
  const { length } = set.requestedPaths;
  await set.pass(10 * MINUTE);
  expect(set.requestedPaths.length).toBeGreaterThan(length + 7);
});
