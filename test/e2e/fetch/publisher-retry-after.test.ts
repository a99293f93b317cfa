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

/** A publisher of /page and /feed, which can each answer with a Retry-After, and a subscribed service. */
async function setUp(delivery: DeliveryConfig = {}, target = '/feed') {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const requestedPaths: string[] = [];
  const failures = new Map<string, { readonly status: number; readonly retryAfter: string }>();
  const answer = (path: string, response: ServerResponse): void => {
    const failure = failures.get(path);
    if (failure !== undefined) {
      response.writeHead(failure.status, { 'retry-after': failure.retryAfter }).end();
      return;
    }
    const link = `<${hub.url}>; rel="hub", <${publisher.url}/feed>; rel="self"`;
    response
      .writeHead(200, { 'content-type': 'application/atom+xml', link })
      .end(atom([{ id: 'a', publishedAt: world.now }]));
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
  const failWith = (path: string, status: number, retryAfter: string): void => {
    failures.set(path, { status, retryAfter });
  };
  const subscribeCount = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  return {
    world,
    hub,
    publisher,
    requestedPaths,
    failures,
    failWith,
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
    ['status 429', 429, '3600'],
    ['status 503', 503, '3600'],
    ['status 429 and a date', 429, 'Tue, 01 Jan 2030 01:00:00 GMT'],
  ])('with %s delays discovery, even through a restart, and is reported', async (_what, status, retryAfter) => {
    const fixture = await setUp();
    fixture.failWith('/feed', status, retryAfter);
    const firstRuntime = await fixture.start();
    await until(() => fixture.requestedPaths.length === 1);
    await fixture.settle();
    const retryAt = new Date(fixture.world.now + HOUR);
    expect(await firstRuntime.subscriptions.find()).toMatchObject([
      { state: 'failed', nextAttemptAt: retryAt, lastError: { message: expect.stringContaining('wait 3600 s') } },
    ]);
    await fixture.pass(30 * MINUTE);
    await firstRuntime.stop();
    const restarted = await fixture.start();
    fixture.world.runCron('*/10 * * * *');
    fixture.world.runCron('0 * * * *');
    await fixture.pass(29 * MINUTE);
    expect(fixture.requestedPaths).toEqual(['/feed']);
    fixture.failures.clear();
    await fixture.pass(2 * MINUTE);
    await restarted.ready({ timeoutMs: 5_000 });
    expect(fixture.requestedPaths.length).toBeGreaterThan(1);
  });

  it('delays discovery by at most a day', async () => {
    const fixture = await setUp();
    fixture.failWith('/feed', 429, String(10 * 86_400));
    const runtime = await fixture.start();
    await until(async () => (await runtime.subscriptions.find({ state: 'failed' })).length === 1);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.nextAttemptAt).toEqual(new Date(fixture.world.now + DAY));
  });

  it('does not delay retry(id) or the standalone discover()', async () => {
    const fixture = await setUp();
    fixture.failWith('/feed', 429, '3600');
    const runtime = await fixture.start();
    await until(() => fixture.requestedPaths.length === 1);
    await fixture.settle();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.retry();
    await fixture.settle();
    expect(fixture.requestedPaths).toHaveLength(1);
    expect(await failureOf(discover(`${fixture.publisher.url}/feed`))).toMatchObject({
      status: 429,
      retryAfterSeconds: 3600,
    });
    expect(fixture.requestedPaths).toHaveLength(2);
    fixture.failures.clear();
    await runtime.retry(id);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(fixture.requestedPaths).toHaveLength(3);
  });

  it('does not delay a renewal, which skips its discovery', async () => {
    const fixture = await setUp();
    const runtime = await fixture.start();
    await runtime.ready({ timeoutMs: 5_000 });
    fixture.failWith('/feed', 503, '86400');
    const countBefore = fixture.subscribeCount();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.renew(id);
    await fixture.settle();
    expect([fixture.requestedPaths.length, fixture.subscribeCount()]).toEqual([2, countBefore + 1]);
    await runtime.renew(id);
    await fixture.settle();
    expect([fixture.requestedPaths.length, fixture.subscribeCount()]).toEqual([2, countBefore + 2]);
  });

  it('delays polls of its own URL, but no discovery at another URL of the host', async () => {
    const fixture = await setUp({ pollSeconds: 600 }, '/page');
    const runtime = await fixture.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await fixture.settle();
    const fetchCount = (path: string): number => fixture.requestedPaths.filter((each) => each === path).length;
    fixture.failWith('/feed', 429, '7200');
    const [pageCount, feedCount] = [fetchCount('/page'), fetchCount('/feed')];
    await fixture.pass(30 * MINUTE);
    expect(fetchCount('/feed')).toBe(feedCount + 1);
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.renew(id);
    await fixture.settle();
    expect(fetchCount('/page')).toBe(pageCount + 1);
    await fixture.pass(HOUR);
    expect(fetchCount('/feed')).toBe(feedCount + 1);
    fixture.failures.clear();
    await fixture.pass(HOUR);
    expect(fetchCount('/feed')).toBeGreaterThan(feedCount + 1);
  });

  it('delays catch-ups and thin pings until its end', async () => {
    const fixture = await setUp({ fetchThinPings: true });
    const runtime = await fixture.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await fixture.settle();
    fixture.failWith('/feed', 429, '1800');
    const { length } = fixture.requestedPaths;
    await fixture.hub.distribute(`${fixture.publisher.url}/feed`, '');
    await until(() => fixture.requestedPaths.length === length + 1);
    for (let ping = 0; ping < 3; ping += 1) await fixture.hub.distribute(`${fixture.publisher.url}/feed`, '');
    await runtime.stop();
    fixture.world.advance(5 * MINUTE);
    const restarted = await fixture.start();
    await fixture.pass(20 * MINUTE);
    expect(fixture.requestedPaths).toHaveLength(length + 1);
    fixture.failures.clear();
    await fixture.pass(10 * MINUTE);
    await until(() => fixture.received.length >= 4);
    expect(fixture.received.filter((source) => source === 'hub')).toHaveLength(4);
    expect(fixture.received).toContain('catch-up');
    await restarted.stop();
  });
});

it('D13 polls wait longer after repeated failures, up to an hour', async () => {
  const fixture = await setUp({ pollSeconds: 60 });
  const runtime = await fixture.start();
  await runtime.ready({ timeoutMs: 5_000 });
  await fixture.settle();
  fixture.failWith('/feed', 500, '');
  const times: number[] = [];
  for (let minute = 0; minute < 8 * 60; minute += 1) {
    const { length } = fixture.requestedPaths;
    await fixture.pass(MINUTE);
    if (fixture.requestedPaths.length > length) times.push(minute);
  }
  const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(waits.length).toBeLessThan(20);
  expect(Math.max(...waits)).toBeLessThanOrEqual(61);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(30);
  fixture.failures.clear();
  await fixture.pass(HOUR);
  const { length } = fixture.requestedPaths;
  await fixture.pass(10 * MINUTE);
  expect(fixture.requestedPaths.length).toBeGreaterThan(length + 7);
});
