import type { ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, discover, type DeliveryConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { quiet } from '../kit/news-service.js';
import { atom } from '../kit/publisher.js';
import { failureOf, strangersServer, until } from '../kit/world.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A publisher whose page at /page and feed at /feed can each ask to be left alone, and a service subscribed to it. */
async function setUp(delivery: DeliveryConfig = {}, target = '/feed') {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const asked: string[] = [];
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
  const publisher = await strangersServer(({ url = '' }, response) => {
    asked.push(url);
    answer(url, response);
  });
  onTestFinished(() => publisher[Symbol.asyncDispose]());
  const store = new FaultyStore();
  const got: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url + target, secret: false, unsubscribeOnShutdown: false, delivery },
    { onEventNotification: (event) => void got.push(event.source) },
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
    for (let calm = 0, last = -1; calm < 3; calm = asked.length === last ? calm + 1 : 0) {
      last = asked.length;
      await quiet();
      await hub.settled();
    }
  };
  const pass = async (milliseconds: number, step = MINUTE): Promise<void> => {
    for (let left = milliseconds; left > 0; left -= step) {
      world.pass(Math.min(step, left));
      await settle();
    }
  };
  const refuse = (path: string, status: number, retryAfter: string): void => {
    refusals.set(path, { status, retryAfter });
  };
  const subscribes = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  return { world, hub, publisher, asked, refusals, refuse, store, got, start, settle, pass, subscribes };
}

describe('D13 Retry-After of a publisher', () => {
  it.each([
    ['429', 429, '3600'],
    ['503', 503, '3600'],
    ['429 with a date', 429, 'Tue, 01 Jan 2030 01:00:00 GMT'],
  ])('%s: discovery waits for it, through a restart, and says so', async (_what, status, retryAfter) => {
    const set = await setUp();
    set.refuse('/feed', status, retryAfter);
    const first = await set.start();
    await until(() => set.asked.length === 1);
    await set.settle();
    const end = new Date(set.world.now + HOUR);
    expect(await first.subscriptions.find()).toMatchObject([
      { state: 'failed', nextAttemptAt: end, lastError: { message: expect.stringContaining('wait 3600 s') } },
    ]);
    await set.pass(30 * MINUTE);
    await first.stop();
    const again = await set.start();
    set.world.turn('*/10 * * * *');
    set.world.turn('0 * * * *');
    await set.pass(29 * MINUTE);
    expect(set.asked).toEqual(['/feed']);
    set.refusals.clear();
    await set.pass(2 * MINUTE);
    await again.ready({ timeoutMs: 5_000 });
    expect(set.asked.length).toBeGreaterThan(1);
  });

  it('is not kept for longer than a day', async () => {
    const set = await setUp();
    set.refuse('/feed', 429, String(10 * 86_400));
    const runtime = await set.start();
    await until(async () => (await runtime.subscriptions.find({ state: 'failed' })).length === 1);
    const [subscription] = await runtime.subscriptions.find();
    expect(subscription?.nextAttemptAt).toEqual(new Date(set.world.now + DAY));
  });

  it('does not hold retry(id), nor the free discover()', async () => {
    const set = await setUp();
    set.refuse('/feed', 429, '3600');
    const runtime = await set.start();
    await until(() => set.asked.length === 1);
    await set.settle();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.retry();
    await set.settle();
    expect(set.asked).toHaveLength(1);
    expect(await failureOf(discover(`${set.publisher.url}/feed`))).toMatchObject({
      status: 429,
      retryAfterSeconds: 3600,
    });
    expect(set.asked).toHaveLength(2);
    set.refusals.clear();
    await runtime.retry(id);
    await runtime.ready({ timeoutMs: 5_000 });
    expect(set.asked).toHaveLength(3);
  });

  it('a renewal goes on without its discovery', async () => {
    const set = await setUp();
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    set.refuse('/feed', 503, '86400');
    const before = set.subscribes();
    const [{ id } = { id: '' }] = await runtime.subscriptions.find();
    await runtime.renew(id);
    await set.settle();
    expect([set.asked.length, set.subscribes()]).toEqual([2, before + 1]);
    await runtime.renew(id);
    await set.settle();
    expect([set.asked.length, set.subscribes()]).toEqual([2, before + 2]);
  });

  it('holds the poll of that URL, and nothing at another one of its host', async () => {
    const set = await setUp({ pollSeconds: 600 }, '/page');
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await set.settle();
    const fetched = (path: string): number => set.asked.filter((each) => each === path).length;
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

  it('holds catch-ups and thin pings, which come when that is over', async () => {
    const set = await setUp({ fetchThinPings: true });
    const runtime = await set.start();
    await runtime.ready({ timeoutMs: 5_000 });
    await set.settle();
    set.refuse('/feed', 429, '1800');
    const { length } = set.asked;
    await set.hub.distribute(`${set.publisher.url}/feed`, '');
    await until(() => set.asked.length === length + 1);
    for (let ping = 0; ping < 3; ping += 1) await set.hub.distribute(`${set.publisher.url}/feed`, '');
    await runtime.stop();
    set.world.pass(5 * MINUTE);
    const again = await set.start();
    await set.pass(20 * MINUTE);
    expect(set.asked).toHaveLength(length + 1);
    set.refusals.clear();
    await set.pass(10 * MINUTE);
    await until(() => set.got.length >= 4);
    expect(set.got.filter((source) => source === 'hub')).toHaveLength(4);
    expect(set.got).toContain('catch-up');
    await again.stop();
  });
});

it('D13 polls that fail wait longer each time, up to an hour', async () => {
  const set = await setUp({ pollSeconds: 60 });
  const runtime = await set.start();
  await runtime.ready({ timeoutMs: 5_000 });
  await set.settle();
  set.refuse('/feed', 500, '');
  const times: number[] = [];
  for (let minute = 0; minute < 8 * 60; minute += 1) {
    const { length } = set.asked;
    await set.pass(MINUTE);
    if (set.asked.length > length) times.push(minute);
  }
  const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(waits.length).toBeLessThan(20);
  expect(Math.max(...waits)).toBeLessThanOrEqual(61);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(30);
  set.refusals.clear();
  await set.pass(HOUR);
  const { length } = set.asked;
  await set.pass(10 * MINUTE);
  expect(set.asked.length).toBeGreaterThan(length + 7);
});
