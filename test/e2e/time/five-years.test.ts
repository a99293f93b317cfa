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
const SECRET = 'secret-not-for-logs';

/** A proxy in front of a hub. While `isCut`, requests get no answer. `stopListening()` closes its port. */
async function proxyTo({ hub, world }: TimeTravel) {
  const hubProxy = { isCut: false, requestTimes: [] as number[] };
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    hubProxy.requestTimes.push(world.now);
    if (hubProxy.isCut) {
      request.socket.destroy();
      return;
    }
    const body = await text(request);
    const headers = { 'content-type': request.headers['content-type'] ?? '', 'user-agent': 'hub-proxy' };
    const answer = await fetch(hub.url, { method: 'POST', body, headers });
    response.writeHead(answer.status).end(await answer.text());
  };
  const { server, url, ...httpServer } = await startHttpServer((request, response) => void pass(request, response));
  onTestFinished(() => httpServer[Symbol.asyncDispose]());
  const port = portOf(server);
  return Object.assign(hubProxy, {
    url: `${url}/hub`,
    async stopListening() {
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

interface PublishingPeriod {
  readonly days: number;
  /** Days from one event to the next. @default 1 */
  readonly every?: number;
}

/** The service of one subscription, and all that happened to the subscription. */
class SubscriptionHistory {
  readonly service: SubscriberDefinition;
  readonly received: string[];
  readonly startedAt: number;

  constructor(
    readonly travel: TimeTravel,
    readonly topic: HubTopic,
  ) {
    const config = { target: topic.url, secret: SECRET, unsubscribeOnShutdown: false };
    ({ service: this.service, received: this.received } = recordingService(config));
    this.startedAt = travel.world.now;
  }

  async start(): Promise<void> {
    await this.travel.start(this.service);
  }

  /** Stops the service and starts it on the same store, as a new process would. */
  restart(): Promise<void> {
    return this.start();
  }

  /** Advances to one minute before the next renewal. */
  async advanceToRenewal(): Promise<void> {
    const { renewsAt } = await this.travel.subscription();
    await this.travel.advance(Math.max(1, (renewsAt?.getTime() ?? 0) - this.travel.world.now - MINUTE_MS));
  }

  /** Lets time pass, and publishes in between. Returns how often each event arrived, at how many subscriptions. */
  async publishDuring({ days, every = 1 }: PublishingPeriod): Promise<readonly string[]> {
    const arrivals: string[] = [];
    for (let day = 0; day < days; day += every) {
      await this.travel.advance(every * DAY_MS);
      const content = `news of ${new Date(this.travel.world.now).toISOString()}`;
      await this.topic.publish(content);
      await this.travel.settle();
      const active = this.travel.hub.subscriptions.filter(({ state }) => state === 'active').length;
      arrivals.push(`${this.received.filter((text) => text === content).length} of ${active}`);
      for (const cronTime of ['*/10 * * * * *', '0 * * * *', '*/10 * * * *', '0 3 * * *'])
        this.travel.world.runCron(cronTime);
    }
    return arrivals;
  }

  /** The times at which a hook was called, from a moment on. */
  hookTimes(name: HookCall['name'], since = this.startedAt): number[] {
    return this.travel.hookCalls.flatMap((call) => (call.name === name && call.at >= since ? call.at : []));
  }
}

/** The arrivals of events that each arrived once, at one subscription. */
const arrivedOnce = (eventCount: number): readonly string[] =>
  Array.from({ length: Math.ceil(eventCount) }, () => '1 of 1');

test('L1 L2 L3 D10 a subscription with a lease of ten days survives five years, with outages of an hour, a day and a month', async () => {
  const travel = await TimeTravel.begin();
  const { world, hub } = travel;
  const hubProxy = await proxyTo(travel);
  const topic = hub.topic('/feed', { hubs: [hubProxy.url] });
  const history = new SubscriptionHistory(travel, topic);
  await history.start();
  const { id, callback, expiresAt } = await travel.subscription();
  expect(expiresAt?.getTime()).toBe(world.now + LEASE_MS);
  const healthy = { id, callback, state: 'active', attempts: 0 };

  // A year without failures. Each lease is renewed at a random point between 70 and 90 % of it. No event is missed.
  expect(await history.publishDuring({ days: 365, every: 2 })).toEqual(arrivedOnce(365 / 2));
  const renewalWaits = waitsBetween([history.startedAt, ...history.hookTimes('renewed')]);
  expect(renewalWaits.length).toBeGreaterThan(40);
  expect(Math.min(...renewalWaits)).toBeGreaterThanOrEqual(0.7 * LEASE_MS);
  expect(Math.max(...renewalWaits)).toBeLessThanOrEqual(0.9 * LEASE_MS + SECOND_MS);
  expect(Math.max(...renewalWaits) - Math.min(...renewalWaits)).toBeGreaterThan(0.1 * LEASE_MS);
  expect(history.hookTimes('failed')).toEqual([]);
  expect(travel.requestTimes()).toHaveLength(renewalWaits.length + 1);
  await history.restart();

  // The hub fails for the hour in which a renewal is due. No event is lost.
  await history.advanceToRenewal();
  hub.fail(503);
  await travel.advance(HOUR_MS);
  expect(await travel.subscription()).toMatchObject({ state: 'active', lastError: { cause: 'hub-error' } });
  await topic.publish('during the hour');
  expect(history.received.filter((content) => content === 'during the hour')).toHaveLength(1);
  hub.configure({ fail: false });
  await travel.advance(2 * HOUR_MS);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await history.publishDuring({ days: 330, every: 2 })).toEqual(arrivedOnce(330 / 2));
  await history.restart();

  // For a day the hub accepts requests and verifies none.
  await history.advanceToRenewal();
  hub.configure({ verify: 'never' });
  expect(await history.publishDuring({ days: 1 })).toEqual(arrivedOnce(1));
  expect((await travel.subscription()).lastError?.cause).toBe('verification-missing');
  hub.configure({ verify: 'async' });
  await travel.advance(2 * HOUR_MS);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await history.publishDuring({ days: 330, every: 2 })).toEqual(arrivedOnce(330 / 2));
  await history.restart();

  // The hub is unreachable for a month. The lease expires, and a request is sent at least every hour. Then the hub
  // recovers.
  const renewals = history.hookTimes('renewed').length;
  hubProxy.isCut = true;
  hubProxy.requestTimes.length = 0;
  await travel.advance(30 * DAY_MS);
  expect(await travel.subscription()).toMatchObject({
    id,
    callback,
    state: 'expired',
    lastError: { cause: 'unreachable' },
  });
  expect(history.hookTimes('expired')).toHaveLength(1);
  expect(hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
  const requestWaits = waitsBetween(hubProxy.requestTimes);
  expect(requestWaits.length).toBeGreaterThan(700);
  expect(Math.min(...requestWaits)).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...requestWaits)).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  hubProxy.isCut = false;
  await travel.advance(HOUR_MS + MINUTE_MS);
  expect(history.hookTimes('renewed')).toHaveLength(renewals);
  expect(await travel.subscription()).toMatchObject(healthy);
  expect(await history.publishDuring({ days: 150, every: 2 })).toEqual(arrivedOnce(150 / 2));

  // The topic itself fails for a month. Renewals go on at the known hub.
  topic.configure({ status: 500 });
  expect(await history.publishDuring({ days: 30 })).toEqual(arrivedOnce(30));
  expect(await travel.subscription()).toMatchObject({ callback, state: 'active' });
  topic.configure({ status: undefined });
  expect(await history.publishDuring({ days: 120, every: 2 })).toEqual(arrivedOnce(120 / 2));
  expect(await travel.subscription()).toMatchObject(healthy);
  await history.restart();

  // Nothing listens at the hub's address for a day.
  await history.advanceToRenewal();
  await hubProxy.stopListening();
  const closedAt = world.now;
  expect(await history.publishDuring({ days: 1 })).toEqual(arrivedOnce(1));
  const requestedTimes = history.hookTimes('requested', closedAt);
  expect(requestedTimes.length).toBeGreaterThan(24);
  expect(Math.min(...waitsBetween(requestedTimes))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(Math.max(...waitsBetween(requestedTimes))).toBeLessThanOrEqual(HOUR_MS + SECOND_MS);
  await hubProxy.listen();
  await travel.advance(HOUR_MS + MINUTE_MS);
  expect(await travel.subscription()).toMatchObject(healthy);

  const remainingDays = Math.ceil((history.startedAt + 5 * YEAR_MS - world.now) / DAY_MS);
  expect(remainingDays).toBeGreaterThan(300);
  expect(await history.publishDuring({ days: remainingDays, every: 2 })).toEqual(arrivedOnce(remainingDays / 2));
  expect(await travel.subscription()).toMatchObject(healthy);
  // The hub saw one callback only. The lease expired once, in the month of the outage.
  expect(hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
  expect(history.hookTimes('expired')).toHaveLength(1);
  expect(hub.violations).toEqual([]);
  expect(travel.hasLogged('subscription.requested')).toBe(true);
  expect(travel.hasLogged(SECRET)).toBe(false);
}, 120_000);
