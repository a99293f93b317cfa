import { describe, expect, it } from 'vitest';
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../../kit/durations.js';
import { subscribedTravel, TimeTravel, waitsBetween } from '../../kit/time-travel.js';
import { recordingService } from '../../kit/recording-service.js';

const YEAR_MS = 365 * DAY_MS;
const SUBSCRIPTION_COUNT = 150;

/** Many subscriptions. Topics with an even number have leases of ten days, the others of two years. */
async function manySubscriptions() {
  const travel = await TimeTravel.begin();
  const topics = Array.from({ length: SUBSCRIPTION_COUNT }, (_, index) =>
    travel.hub.topic(`/${index}`, { leaseSeconds: (index % 2 === 0 ? 10 * DAY_MS : 2 * YEAR_MS) / SECOND_MS }),
  );
  const targets = topics.map(({ url }) => url);
  const { service, received } = recordingService({ targets, unsubscribeOnShutdown: false });
  const threeYears = (3 * YEAR_MS) / SECOND_MS;
  const security = { maxLeaseSeconds: threeYears, maxRenewalSeconds: threeYears };
  const start = (): Promise<unknown> => travel.start(service, { security });
  await start();
  await travel.runtime.ready({ timeoutMs: 10_000 });
  await travel.settle();
  const callbacks = async (): Promise<string[]> =>
    (await travel.runtime.subscriptions.find()).map(({ id, callback }) => `${id} ${callback}`).toSorted();
  return { travel, topics, received, start, callbacks };
}

/** The numbers of the requested topics, without the first `requestCount` requests. One number per request, sorted. */
const requestedTopicsSince = ({ hub }: TimeTravel, requestCount: number): number[] =>
  hub.requests
    .slice(requestCount)
    .flatMap(({ method, form }) =>
      method === 'POST' ? Number(new URL(form.get('hub.topic') ?? '').pathname.slice(1)) : [],
    )
    .toSorted((a, b) => a - b);

const EVEN_TOPICS = Array.from({ length: SUBSCRIPTION_COUNT / 2 }, (_, index) => 2 * index);

describe('L4 after a week without a process', () => {
  it('the start sends no request if no renewal is due, and fetches the topic once', async () => {
    const { travel, topic, service, received } = await subscribedTravel(30 * DAY_MS);
    const before = await travel.subscription();
    await travel.sleep(7 * DAY_MS);
    await travel.start(service);
    await travel.advance(5 * MINUTE_MS);
    expect(travel.requestTimes()).toHaveLength(1);
    expect(travel.hub.requests.filter(({ method }) => method === 'GET')).toHaveLength(2);
    expect(await travel.subscription()).toEqual(before);
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('the start renews leases that are due, spread over half a minute, and leaves the longer leases', async () => {
    const { travel, topics, received, start, callbacks } = await manySubscriptions();
    const before = await callbacks();
    // All renewals are between the seventh and the ninth day.
    await travel.advance(2 * DAY_MS);
    await travel.sleep(7 * DAY_MS + 12 * 3_600_000);
    const requestCount = travel.hub.requests.length;
    const startedAt = travel.world.now;
    await start();
    const countAtStart = requestedTopicsSince(travel, requestCount).length;
    await travel.advance(40 * SECOND_MS);
    expect(requestedTopicsSince(travel, requestCount)).toEqual(EVEN_TOPICS);
    expect(await callbacks()).toEqual(before);
    const times = travel.hub.requests.slice(requestCount).flatMap(({ at }) => at.getTime() - startedAt);
    expect(countAtStart).toBeLessThan(EVEN_TOPICS.length / 4);
    expect(Math.max(...times)).toBeLessThanOrEqual(31 * SECOND_MS);
    expect(Math.max(...times)).toBeGreaterThan(20 * SECOND_MS);
    expect(new Set(times).size).toBeGreaterThan(20);
    expect(travel.hookCalls.filter(({ name }) => name === 'expired')).toEqual([]);
    await Promise.all(topics.map((topic, index) => topic.publish(`news ${index}`)));
    expect(new Set(received).size).toBe(SUBSCRIPTION_COUNT);
    expect(received).toHaveLength(SUBSCRIPTION_COUNT);
  });
});

describe('L3 after a year without a process', () => {
  it('an expired subscription is requested at once with the same callback, and works again', async () => {
    const { travel, topic, service, received, pass } = await subscribedTravel(10 * DAY_MS);
    const { id, callback } = await travel.subscription();
    await travel.sleep(YEAR_MS);
    expect(travel.hub.subscriptions).toMatchObject([{ state: 'lapsed' }]);
    await topic.publish('to nobody');
    const startedAt = travel.world.now;
    await travel.start(service);
    expect(travel.world.logged('subscription.expired')).toMatchObject([{ level: 'warn' }]);
    expect(travel.requestTimes()).toEqual([startedAt - YEAR_MS, startedAt]);
    expect(await travel.subscription()).toMatchObject({ id, callback, state: 'active', attempts: 0 });
    expect(travel.hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
    await topic.publish('news');
    await pass(30 * DAY_MS);
    await topic.publish('more');
    expect(received).toEqual(['news', 'more']);
    expect(Math.max(...waitsBetween(travel.requestTimes().slice(1)))).toBeLessThanOrEqual(9 * DAY_MS + SECOND_MS);
  });

  it('each expired subscription gets one request, and subscriptions with a running lease get none', async () => {
    const { travel, topics, received, start, callbacks } = await manySubscriptions();
    const before = await callbacks();
    await travel.sleep(YEAR_MS);
    const requestCount = travel.hub.requests.length;
    await start();
    await travel.runtime.ready({ timeoutMs: 10_000 });
    await travel.settle();
    expect(requestedTopicsSince(travel, requestCount)).toEqual(EVEN_TOPICS);
    expect(await callbacks()).toEqual(before);
    expect(travel.hub.subscriptions.filter(({ state }) => state === 'active')).toHaveLength(SUBSCRIPTION_COUNT);
    await Promise.all(topics.map((topic, index) => topic.publish(`news ${index}`)));
    expect(new Set(received).size).toBe(SUBSCRIPTION_COUNT);
    expect(received).toHaveLength(SUBSCRIPTION_COUNT);
    expect(travel.hub.violations).toEqual([]);
  });

  it('D10 the start finds the new hub of the publisher', async () => {
    const { travel, topic, service, received } = await subscribedTravel(10 * DAY_MS);
    const { id, callback } = await travel.subscription();
    const otherTravel = await TimeTravel.begin();
    topic.configure({ hubs: [otherTravel.hub] });
    await travel.sleep(YEAR_MS);
    await travel.start(service);
    const verifiedSubscription = await otherTravel.hub.verified(topic.self);
    await travel.settle();
    expect(await travel.subscription()).toMatchObject({ id, state: 'active', hub: otherTravel.hub.url });
    expect(verifiedSubscription.callback).not.toBe(callback);
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('L2 a hub that is down gets requests until it is back, at least every hour and at most every second', async () => {
    const { travel, topic, service, received, pass } = await subscribedTravel(10 * DAY_MS);
    const { callback } = await travel.subscription();
    topic.fail(503);
    await travel.sleep(YEAR_MS);
    await travel.start(service);
    await pass(2 * DAY_MS);
    expect(await travel.subscription()).toMatchObject({ state: 'expired', lastError: { cause: 'hub-error' } });
    const waits = waitsBetween(travel.requestTimes().slice(1));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(SECOND_MS);
    expect(Math.max(...waits)).toBeLessThanOrEqual(3_600_000 + SECOND_MS);
    topic.configure({ fail: false });
    await pass(3_600_000 + SECOND_MS);
    expect(await travel.subscription()).toMatchObject({ state: 'active', callback, attempts: 0 });
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });
});
