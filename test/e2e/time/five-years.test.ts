import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import type { SubscriberDefinition } from 'websub-subscriber';
import type { HubTopic } from 'websub-subscriber/testing';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../kit/durations.js';
import { TimeTravel, waitsBetween, type HookCall } from '../../kit/time-travel.js';
import { portOf } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';

const YEAR_MS = 365 * DAY_MS;
const LEASE_MS = 10 * DAY_MS;
const SECRET = 'one that no log may hold';

/** A proxy in front of a hub. When it is cut, requests get no answer. After `refuse()` nothing listens. */
async function proxyTo({ hub, world }: TimeTravel) {
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
  const { server, url, ...proxy } = await startHttpServer((request, response) => void pass(request, response));
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const port = portOf(server);
  return Object.assign(line, {
    url: `${url}/hub`,
    async refuse() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async listen() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  });
}

class FiveYears {
  readonly service: SubscriberDefinition;
  readonly received: string[];
  readonly began: number;

  constructor(
    readonly travel: TimeTravel,
    readonly topic: HubTopic,
  ) {
    const config = { target: topic.url, secret: SECRET, unsubscribeOnShutdown: false };
    ({ service: this.service, received: this.received } = recordingService(config));
    this.began = travel.world.now;
  }

  start = async (): Promise<void> => void (await this.travel.start(this.service));

  /** Advances to one minute before the next renewal. */
  async untilRenewal(): Promise<void> {
    const { renewsAt } = await this.travel.subscription();
    await this.travel.advance(Math.max(1, (renewsAt?.getTime() ?? 0) - this.travel.world.now - MINUTE_MS));
  }

  /** Publishes once every `every` days. Returns how often each event arrived, at how many subscriptions. */
  async days(count: number, every = 1): Promise<readonly string[]> {
    const arrivals: string[] = [];
    for (let day = 0; day < count; day += every) {
      await this.travel.advance(every * DAY_MS);
      const content = `news of ${new Date(this.travel.world.now).toISOString()}`;
      await this.topic.publish(content);
      await this.travel.settle();
      const active = this.travel.hub.subscriptions.filter(({ state }) => state === 'active').length;
      arrivals.push(`${this.received.filter((one) => one === content).length} of ${active}`);
      for (const tick of ['*/10 * * * * *', '0 * * * *', '*/10 * * * *', '0 3 * * *']) this.travel.world.runCron(tick);
    }
    return arrivals;
  }

  /** The times of one hook since a moment. */
  heard(name: HookCall['name'], since = this.began): number[] {
    return this.travel.hookCalls.flatMap((one) => (one.name === name && one.at >= since ? one.at : []));
  }
}

const arrivedOnce = (count: number): readonly string[] => Array.from({ length: Math.ceil(count) }, () => '1 of 1');

test('L1 L2 L3 D10 a subscription with a lease of ten days survives five years, with outages of an hour, a day and a month', async () => {
  const travel = await TimeTravel.begin();
  const { world, hub } = travel;
  const line = await proxyTo(travel);
  const topic = hub.topic('/feed', { hubs: [line.url] });
  const life = new FiveYears(travel, topic);
  await life.start();
  const { id, callback, expiresAt } = await travel.subscription();
  expect(expiresAt?.getTime()).toBe(world.now + LEASE_MS);
  const healthy = { id, callback, state: 'active', attempts: 0 };

  // A year without failures: renewed between 70 and 90 % of each lease, at varying points, and no event is missed.
  expect(await life.days(365, 2)).toEqual(arrivedOnce(365 / 2));
  const gaps = waitsBetween([life.began, ...life.heard('renewed')]);
  expect(gaps.length).toBeGreaterThan(40);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.7 * LEASE_MS);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(0.9 * LEASE_MS + SECOND_MS);
  expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(0.1 * LEASE_MS);
  expect(life.heard('failed')).toEqual([]);
  expect(travel.requestTimes()).toHaveLength(gaps.length + 1);
  await life.start();

  // The hub fails for the hour in which a renewal is due. No event is lost.
  await life.untilRenewal();
  hub.fail(503);
  await travel.advance(HOUR_MS);
  expect(await travel.subscription()).toMatchObject({ state: 'active', lastError: { cause: 'hub-error' } });
  await topic.publish('during the hour');
  expect(life.received.filter((content) => content === 'during the hour')).toHaveLength(1);
  hub.configure({ fail: false });
  await travel.advance(2 * HOUR_MS);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await life.days(330, 2)).toEqual(arrivedOnce(330 / 2));
  await life.start();

  // The hub accepts requests for a day, and verifies none.
  await life.untilRenewal();
  hub.configure({ verify: 'never' });
  expect(await life.days(1)).toEqual(arrivedOnce(1));
  expect((await travel.subscription()).lastError?.cause).toBe('verification-missing');
  hub.configure({ verify: 'async' });
  await travel.advance(2 * HOUR_MS);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await life.days(330, 2)).toEqual(arrivedOnce(330 / 2));
  await life.start();

  // The hub is unreachable for a month: the lease expires, and it gets a request at least every hour. Then it
  // recovers.
  const renewals = life.heard('renewed').length;
  line.isCut = true;
  line.seen.length = 0;
  await travel.advance(30 * DAY_MS);
  expect(await travel.subscription()).toMatchObject({
    id,
    callback,
    state: 'expired',
    lastError: { cause: 'unreachable' },
  });
  expect(life.heard('expired')).toHaveLength(1);
  expect(hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
  const waits = waitsBetween(line.seen);
  expect(waits.length).toBeGreaterThan(700);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...waits)).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  line.isCut = false;
  await travel.advance(HOUR_MS + MINUTE_MS);
  expect(life.heard('renewed')).toHaveLength(renewals);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await life.days(150, 2)).toEqual(arrivedOnce(150 / 2));

  // The publisher's page fails for a month: the known hub is enough.
  topic.configure({ status: 500 });
  expect(await life.days(30)).toEqual(arrivedOnce(30));
  expect(await travel.subscription()).toMatchObject({ callback, state: 'active' });
  topic.configure({ status: undefined });
  expect(await life.days(120, 2)).toEqual(arrivedOnce(120 / 2));
  expect(await travel.subscription()).toMatchObject(healthy);
  await life.start();

  // Nothing listens at the hub's address for a day.
  await life.untilRenewal();
  await line.refuse();
  const refusedFrom = world.now;
  expect(await life.days(1)).toEqual(arrivedOnce(1));
  const attempts = life.heard('requested', refusedFrom);
  expect(attempts.length).toBeGreaterThan(24);
  expect(Math.min(...waitsBetween(attempts))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...waitsBetween(attempts))).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  await line.listen();
  await travel.advance(HOUR_MS + MINUTE_MS);
  expect(await travel.subscription()).toMatchObject(healthy);

  const remainingDays = Math.ceil((life.began + 5 * YEAR_MS - world.now) / DAY_MS);
  expect(remainingDays).toBeGreaterThan(300);
  expect(await life.days(remainingDays, 2)).toEqual(arrivedOnce(remainingDays / 2));
  expect(await travel.subscription()).toMatchObject(healthy);
  // The hub saw one callback only. The lease expired once, in the month of the outage.
  expect(hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
  expect(life.heard('expired')).toHaveLength(1);
  expect(hub.violations).toEqual([]);
  expect(travel.hasLogged('asking the hub')).toBe(true);
  expect(travel.hasLogged(SECRET)).toBe(false);
}, 120_000);
