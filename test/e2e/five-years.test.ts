import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Keyv } from 'keyv';
import { expect, onTestFinished, test } from 'vitest';
import type { HookName, Subscription, SubscriberRuntime } from 'websub-subscriber';
import { TestHub, type HubTopic } from 'websub-subscriber/testing';
import { FakeWorld } from './fake-world.js';
import { DAY_MS, quiet } from './news-service.js';
import { deadPort, reader, strangersServer } from './world.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const YEAR_MS = 365 * DAY_MS;
const LEASE_MS = 10 * DAY_MS;
const SECRET = 'one that no log may hold';

/** A hub behind a line that can be cut, and a publisher that advertises it. */
async function hubBehindALine(world: FakeWorld) {
  const hub = await TestHub.start({ now: () => world.now });
  const line = { isCut: false, seen: [] as number[] };
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    line.seen.push(world.now);
    if (line.isCut) {
      request.socket.destroy();
      return;
    }
    const body = await text(request);
    const headers = { 'content-type': request.headers['content-type'] ?? '', 'user-agent': 'line' };
    const answer = await fetch(hub.url, { method: 'POST', body, headers });
    response.writeHead(answer.status).end(await answer.text());
  };
  const proxy = await strangersServer((request, response) => void pass(request, response));
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    await hub.close();
  });
  const topic = hub.topic('/feed', { hubs: [`${proxy.url}/hub`] });
  return { hub, topic, line };
}

class FiveYears {
  readonly got: string[] = [];
  readonly heard: { readonly name: HookName; readonly at: number }[] = [];
  readonly renewals: number[] = [];
  #runtime: SubscriberRuntime | undefined;
  readonly #rows = new Map<string, unknown>();
  #port = 0;

  constructor(
    readonly world: FakeWorld,
    readonly hub: TestHub,
    readonly topic: HubTopic,
  ) {}

  get runtime(): SubscriberRuntime {
    if (this.#runtime === undefined) throw new Error('it is not running');
    return this.#runtime;
  }

  /** Starts the service, anew where it runs already: another process on the same store, as it were. */
  async start(): Promise<void> {
    await this.#runtime?.stop();
    this.#port ||= await deadPort();
    const { service, got } = reader({ target: this.topic.url, secret: SECRET, unsubscribeOnShutdown: false });
    got.push = (...news) => this.got.push(...news);
    const runtime = await this.world.start(service, { port: this.#port, store: new Keyv({ store: this.#rows }) });
    this.#runtime = runtime;
    onTestFinished(() => runtime.stopNow());
    for (const name of ['verified', 'renewed', 'failed', 'expired', 'requested'] as const) {
      runtime.hooks.on(name, () => void this.heard.push({ name, at: this.world.now }));
    }
    await this.settle();
  }

  async seen(): Promise<Subscription> {
    const [subscription] = await this.runtime.subscriptions.find();
    if (subscription === undefined) throw new Error('there is no subscription');
    return subscription;
  }

  /** What is under way in this process is done: hub, subscriber and the line between them share it. */
  async settle(): Promise<void> {
    const marks = (): string => [this.hub.requests.length, this.heard.length, this.hub.deliveries.length].join();
    for (let calm = 0, last = marks(); calm < 4; calm += 1) {
      await quiet();
      await this.hub.settled();
      if (marks() !== last) calm = -1;
      last = marks();
    }
  }

  /** Lets time pass from one thing that comes due to the next. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.world.now + milliseconds;
    while (this.world.now < end) {
      const { state, expiresAt, renewsAt, nextAttemptAt } = await this.seen();
      const times = [state === 'active' ? renewsAt : undefined, nextAttemptAt, expiresAt]
        .flatMap((date) => (date === undefined ? [] : date.getTime()))
        .filter((time) => time > this.world.now);
      const { heard } = this;
      // A request that is open tells of no time: the hub gets a minute.
      const isOpen = heard.at(-1)?.name === 'requested' || heard.at(-1)?.name === 'expired';
      const next = Math.min(end, ...times, isOpen ? this.world.now + MINUTE_MS : Infinity);
      this.world.pass(Math.max(1_000, next - this.world.now));
      await this.settle();
    }
  }

  async publish(): Promise<string> {
    const news = `news of ${new Date(this.world.now).toISOString()}`;
    await this.topic.publish(news);
    await this.settle();
    return news;
  }

  /** Publishes each day, and says what arrived how often. */
  async days(count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (let day = 0; day < count; day += 1) {
      await this.pass(DAY_MS);
      const news = await this.publish();
      times.push(this.got.filter((one) => one === news).length);
    }
    return times;
  }
}

const arrivedOnce = (count: number): readonly number[] => Array.from({ length: count }, () => 1);

test('L1 L2 L3 a subscription with a lease of ten days lives for five years, through outages of an hour, a day and a month', async () => {
  const world = new FakeWorld(Date.parse('2030-01-01T00:00:00Z'));
  const began = world.now;
  const { hub, topic, line } = await hubBehindALine(world);
  const life = new FiveYears(world, hub, topic);
  await life.start();
  const { id, callback, expiresAt } = await life.seen();
  expect(expiresAt?.getTime()).toBe(world.now + LEASE_MS);

  // A year of peace: renewed between 70 and 90 % of each lease, and nothing is missed.
  expect(await life.days(365)).toEqual(arrivedOnce(365));
  const renewed = [began, ...life.heard.filter(({ name }) => name === 'renewed').map(({ at }) => at)];
  const gaps = renewed.slice(1).map((at, index) => at - (renewed[index] ?? 0));
  expect(gaps.length).toBeGreaterThan(40);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.7 * LEASE_MS);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(0.9 * LEASE_MS + 1_000);
  expect(life.heard.filter(({ name }) => name === 'failed')).toEqual([]);
  await life.start();

  // The hub is out of order for the hour in which a renewal comes due: nobody notices.
  await life.pass(Math.max(0, ((await life.seen()).renewsAt?.getTime() ?? 0) - world.now - MINUTE_MS));
  hub.fail(503);
  await life.pass(HOUR_MS);
  expect(await life.seen()).toMatchObject({ state: 'active', lastError: { cause: 'hub-error' } });
  const duringTheHour = await life.publish();
  expect(life.got.filter((news) => news === duringTheHour)).toHaveLength(1);
  hub.configure({ fail: false });
  await life.pass(2 * HOUR_MS);
  expect(await life.seen()).toMatchObject({ state: 'active', attempts: 0, callback });
  expect(await life.days(330)).toEqual(arrivedOnce(330));
  await life.start();

  // It takes requests for a day, and verifies none.
  await life.pass(Math.max(0, ((await life.seen()).renewsAt?.getTime() ?? 0) - world.now - MINUTE_MS));
  hub.configure({ verify: 'never' });
  expect(await life.days(1)).toEqual([1]);
  expect((await life.seen()).lastError?.cause).toBe('verification-missing');
  hub.configure({ verify: 'async' });
  await life.pass(2 * HOUR_MS);
  expect(await life.seen()).toMatchObject({ state: 'active', attempts: 0, callback });
  expect(await life.days(330)).toEqual(arrivedOnce(330));
  await life.start();

  // It is away for a month: the lease runs out, it is asked at least every hour, and then all is as before.
  line.isCut = true;
  line.seen.length = 0;
  await life.pass(30 * DAY_MS);
  expect(await life.seen()).toMatchObject({ state: 'expired', lastError: { cause: 'unreachable' } });
  expect(hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
  const waits = line.seen.slice(1).map((at, index) => at - (line.seen[index] ?? 0));
  expect(waits.length).toBeGreaterThan(700);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(HOUR_MS + 1_000);
  line.isCut = false;
  await life.pass(HOUR_MS + MINUTE_MS);
  expect(await life.seen()).toMatchObject({ id, callback, state: 'active', attempts: 0 });
  expect(await life.days(300)).toEqual(arrivedOnce(300));
  await life.start();

  const left = Math.ceil((began + 5 * YEAR_MS - world.now) / DAY_MS);
  expect(await life.days(left)).toEqual(arrivedOnce(left));
  expect(world.now - began).toBeGreaterThanOrEqual(5 * YEAR_MS);
  expect(await life.seen()).toMatchObject({ id, callback, state: 'active', attempts: 0 });
  // One subscription at the hub, under the one callback it ever heard of.
  expect(hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
  expect(hub.violations).toEqual([]);
  expect(JSON.stringify(world.lines)).not.toContain(SECRET);
}, 120_000);
