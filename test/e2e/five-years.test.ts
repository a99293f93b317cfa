import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import type { SubscriberDefinition } from 'websub-subscriber';
import type { HubTopic } from 'websub-subscriber/testing';
import { DAY_MS } from '../kit/news-service.js';
import { HOUR_MS, MINUTE_MS, SECOND_MS, Travel, waitsBetween, type Heard } from '../kit/time-travel.js';
import { portOf, reader, strangersServer } from '../kit/world.js';

const YEAR_MS = 365 * DAY_MS;
const LEASE_MS = 10 * DAY_MS;
const SECRET = 'one that no log may hold';

/** The line to a hub: it can be cut, so that requests get no answer, and nothing can listen at its end. */
async function lineTo({ hub, world }: Travel) {
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
  const { server, url, ...proxy } = await strangersServer((request, response) => void pass(request, response));
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
  readonly got: string[];
  readonly began: number;

  constructor(
    readonly travel: Travel,
    readonly topic: HubTopic,
  ) {
    const config = { target: topic.url, secret: SECRET, unsubscribeOnShutdown: false };
    ({ service: this.service, got: this.got } = reader(config));
    this.began = travel.world.now;
  }

  start = async (): Promise<void> => void (await this.travel.start(this.service));

  /** Waits for the next renewal to be near. */
  async untilRenewal(): Promise<void> {
    const { renewsAt } = await this.travel.seen();
    await this.travel.pass(Math.max(1, (renewsAt?.getTime() ?? 0) - this.travel.world.now - MINUTE_MS));
  }

  /** Publishes once every so many days, and says how often each piece of news arrived, at how many subscriptions. */
  async days(count: number, every = 1): Promise<readonly string[]> {
    const times: string[] = [];
    for (let day = 0; day < count; day += every) {
      await this.travel.pass(every * DAY_MS);
      const news = `news of ${new Date(this.travel.world.now).toISOString()}`;
      await this.topic.publish(news);
      await this.travel.settle();
      const active = this.travel.hub.subscriptions.filter(({ state }) => state === 'active').length;
      times.push(`${this.got.filter((one) => one === news).length} of ${active}`);
      for (const turn of ['*/10 * * * * *', '0 * * * *', '*/10 * * * *', '0 3 * * *']) this.travel.world.turn(turn);
    }
    return times;
  }

  /** What was heard of one kind since some moment. */
  heard(name: Heard['name'], since = this.began): number[] {
    return this.travel.heard.flatMap((one) => (one.name === name && one.at >= since ? one.at : []));
  }
}

const arrivedOnce = (count: number): readonly string[] => Array.from({ length: Math.ceil(count) }, () => '1 of 1');

test('L1 L2 L3 D10 a subscription with a lease of ten days lives for five years, through outages of an hour, a day and a month', async () => {
  const travel = await Travel.begin();
  const { world, hub } = travel;
  const line = await lineTo(travel);
  const topic = hub.topic('/feed', { hubs: [line.url] });
  const life = new FiveYears(travel, topic);
  await life.start();
  const { id, callback, expiresAt } = await travel.seen();
  expect(expiresAt?.getTime()).toBe(world.now + LEASE_MS);
  const sound = { id, callback, state: 'active', attempts: 0 };

  // A year of peace: renewed between 70 and 90 % of each lease, not always at the same point, and nothing is missed.
  expect(await life.days(365, 2)).toEqual(arrivedOnce(365 / 2));
  const gaps = waitsBetween([life.began, ...life.heard('renewed')]);
  expect(gaps.length).toBeGreaterThan(40);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0.7 * LEASE_MS);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(0.9 * LEASE_MS + SECOND_MS);
  expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(0.1 * LEASE_MS);
  expect(life.heard('failed')).toEqual([]);
  expect(travel.asked()).toHaveLength(gaps.length + 1);
  await life.start();

  // The hub is out of order for the hour in which a renewal comes due: nobody notices.
  await life.untilRenewal();
  hub.fail(503);
  await travel.pass(HOUR_MS);
  expect(await travel.seen()).toMatchObject({ state: 'active', lastError: { cause: 'hub-error' } });
  await topic.publish('during the hour');
  expect(life.got.filter((news) => news === 'during the hour')).toHaveLength(1);
  hub.configure({ fail: false });
  await travel.pass(2 * HOUR_MS);
  expect(await travel.seen()).toMatchObject(sound);
  expect(await life.days(330, 2)).toEqual(arrivedOnce(330 / 2));
  await life.start();

  // It takes requests for a day, and verifies none.
  await life.untilRenewal();
  hub.configure({ verify: 'never' });
  expect(await life.days(1)).toEqual(arrivedOnce(1));
  expect((await travel.seen()).lastError?.cause).toBe('verification-missing');
  hub.configure({ verify: 'async' });
  await travel.pass(2 * HOUR_MS);
  expect(await travel.seen()).toMatchObject(sound);
  expect(await life.days(330, 2)).toEqual(arrivedOnce(330 / 2));
  await life.start();

  // It is away for a month: the lease runs out, it is asked at least every hour, and then all is as before.
  const renewals = life.heard('renewed').length;
  line.isCut = true;
  line.seen.length = 0;
  await travel.pass(30 * DAY_MS);
  expect(await travel.seen()).toMatchObject({ id, callback, state: 'expired', lastError: { cause: 'unreachable' } });
  expect(life.heard('expired')).toHaveLength(1);
  expect(hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
  const waits = waitsBetween(line.seen);
  expect(waits.length).toBeGreaterThan(700);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...waits)).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  line.isCut = false;
  await travel.pass(HOUR_MS + MINUTE_MS);
  expect(life.heard('renewed')).toHaveLength(renewals);
  expect(await travel.seen()).toMatchObject(sound);
  expect(await life.days(150, 2)).toEqual(arrivedOnce(150 / 2));

  // The publisher's page is gone for a month: the hub that is known does.
  topic.configure({ status: 500 });
  expect(await life.days(30)).toEqual(arrivedOnce(30));
  expect(await travel.seen()).toMatchObject({ callback, state: 'active' });
  topic.configure({ status: undefined });
  expect(await life.days(120, 2)).toEqual(arrivedOnce(120 / 2));
  expect(await travel.seen()).toMatchObject(sound);
  await life.start();

  // Nothing listens where the hub was, for a day.
  await life.untilRenewal();
  await line.refuse();
  const refusedFrom = world.now;
  expect(await life.days(1)).toEqual(arrivedOnce(1));
  const tries = life.heard('requested', refusedFrom);
  expect(tries.length).toBeGreaterThan(24);
  expect(Math.min(...waitsBetween(tries))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...waitsBetween(tries))).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  await line.listen();
  await travel.pass(HOUR_MS + MINUTE_MS);
  expect(await travel.seen()).toMatchObject(sound);

  const left = Math.ceil((life.began + 5 * YEAR_MS - world.now) / DAY_MS);
  expect(left).toBeGreaterThan(300);
  expect(await life.days(left, 2)).toEqual(arrivedOnce(left / 2));
  expect(await travel.seen()).toMatchObject(sound);
  // Under the one callback that the hub ever heard of; the lease ran out once, in the month.
  expect(hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
  expect(life.heard('expired')).toHaveLength(1);
  expect(hub.violations).toEqual([]);
  expect(travel.hasLogged('asking the hub')).toBe(true);
  expect(travel.hasLogged(SECRET)).toBe(false);
}, 120_000);
