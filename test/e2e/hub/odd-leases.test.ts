import { describe, expect, it } from 'vitest';
import type { Subscription } from 'websub-subscriber';
import { DAY_MS, HOUR_MS, SECOND_MS } from '../../kit/durations.js';
import { TimeTravel, waitsBetween } from '../../kit/time-travel.js';
import { recordingService } from '../../kit/recording-service.js';

const YEAR_SECONDS = 365 * 86_400;
const DEFAULT_SECONDS = 86_400;

/** Seconds. A longer lease is renewed as if it were this long. */
const LONGEST_SECONDS = 864_000;

/** Two topics of one hub: one has an odd lease, the other a normal lease. */
async function twoTopics(leaseSeconds?: number | 'perpetual') {
  const travel = await TimeTravel.begin();
  const odd = travel.hub.topic('/odd', { leaseSeconds });
  const normal = travel.hub.topic('/normal', { leaseSeconds: YEAR_SECONDS });
  const { service, received } = recordingService({ targets: [odd.url, normal.url], unsubscribeOnShutdown: false });
  return { travel, odd, normal, service, received };
}

const leaseOf = ({ verifiedAt, expiresAt }: Subscription): number =>
  ((expiresAt?.getTime() ?? Number.NaN) - (verifiedAt?.getTime() ?? Number.NaN)) / SECOND_MS;

/** The planned renewal as a fraction of the lease, or of ten days if the lease is longer. */
const renewalFraction = (subscription: Subscription): number => {
  const { verifiedAt, renewsAt } = subscription;
  const [from, at] = [verifiedAt, renewsAt].map((date) => date?.getTime() ?? Number.NaN);
  const countedMs = Math.min(leaseOf(subscription), LONGEST_SECONDS) * SECOND_MS;
  return ((at ?? Number.NaN) - (from ?? 0)) / countedMs;
};

/** Sends the verification of a hub. */
async function verifyByHand({ callback = '', topic = '' }: Subscription, lease: string | undefined): Promise<Response> {
  const url = new URL(callback);
  const query = { 'hub.mode': 'subscribe', 'hub.topic': topic, 'hub.challenge': 'a-challenge' };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  if (lease !== undefined) url.searchParams.set('hub.lease_seconds', lease);
  return fetch(url);
}

describe('L1 a lease', () => {
  it.each([
    ['ten seconds', 10, 30 * 60],
    ['a minute', 60, 2 * 3_600],
    ['40 days, longer than a timer can wait', 40 * 86_400, 2 * YEAR_SECONDS],
    ['a year', YEAR_SECONDS, 6 * YEAR_SECONDS],
  ])('of %s is renewed in time each time, and not more often', async (_, leaseSeconds, forSeconds) => {
    const travel = await TimeTravel.begin();
    const topic = travel.hub.topic('/feed', { leaseSeconds });
    const { service, received } = recordingService({ target: topic.url });
    const startedAt = travel.world.now;
    await travel.start(service);
    const { callback } = await travel.subscription();
    const published: string[] = [];
    for (let part = 0; part < 20; part += 1) {
      await travel.advance((forSeconds * SECOND_MS) / 20, SECOND_MS);
      published.push(`news ${part}`);
      await topic.publish(`news ${part}`);
    }
    await travel.settle();
    expect(received).toEqual(published);
    expect(travel.hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
    expect(travel.hookCalls.filter(({ name }) => name === 'failed' || name === 'expired')).toEqual([]);
    const requestTimes = travel.requestTimes();
    const waits = waitsBetween(requestTimes).map(
      (wait) => wait / (Math.min(leaseSeconds, LONGEST_SECONDS) * SECOND_MS),
    );
    // Due work is checked once a second. A lease of ten seconds is renewed early enough for several attempts.
    const checkFraction = 1 / leaseSeconds;
    expect(Math.max(...waits)).toBeLessThanOrEqual(0.9 + checkFraction);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(leaseSeconds < 3_600 ? 0.5 : 0.7);
    expect((requestTimes.at(-1) ?? 0) + leaseSeconds * SECOND_MS).toBeGreaterThan(travel.world.now);
    expect(requestTimes[0]).toBe(startedAt);
  });

  it('L2 of a second causes at most one request a second', async () => {
    const { travel, service, normal, received } = await twoTopics(1);
    await travel.start(service);
    const before = await travel.subscription('/normal');
    await travel.advance(60 * SECOND_MS, SECOND_MS);
    const waits = waitsBetween(travel.requestTimes('/odd'));
    expect(waits.length).toBeGreaterThan(10);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(SECOND_MS);
    expect(await travel.subscription('/normal')).toEqual(before);
    await normal.publish('news');
    expect(received).toEqual(['news']);
  });
});

describe('V2 a lease granted as', () => {
  it.each([
    ['nothing at all', 'perpetual', DEFAULT_SECONDS],
    ['0', 0, DEFAULT_SECONDS],
    ['-1', -1, DEFAULT_SECONDS],
    ['a trillion', 1_000_000_000_000, YEAR_SECONDS],
  ] as const)('%s is stored as a renewable lease without a warning, and renewed', async (_, granted, storedSeconds) => {
    const { travel, odd, service, received } = await twoTopics(granted);
    await travel.start(service);
    expect(travel.world.events('warn')).toEqual(['public-url.local']);
    const subscription = await travel.subscription('/odd');
    expect(subscription).toMatchObject({ state: 'active', attempts: 0 });
    expect(leaseOf(subscription)).toBe(storedSeconds);
    expect(renewalFraction(subscription)).toBeGreaterThanOrEqual(0.7);
    expect(renewalFraction(subscription)).toBeLessThanOrEqual(0.9);

    await travel.advance(0.95 * Math.min(storedSeconds, LONGEST_SECONDS) * SECOND_MS);
    expect(travel.hookCalls.map(({ name }) => name)).not.toContain('expired');
    expect(travel.requestTimes('/odd')).toHaveLength(2);
    const renewed = await travel.subscription('/odd');
    expect(renewed).toMatchObject({ state: 'active', callback: subscription.callback });
    expect(renewed.verifiedAt?.getTime()).toBe(subscription.renewsAt?.getTime());
    await odd.publish('news');
    expect(received).toEqual(['news']);
    // The renewal of the normal topic depends on its own lease only.
    expect(travel.requestTimes('/normal')).toHaveLength(storedSeconds >= LONGEST_SECONDS ? 2 : 1);
  });

  it.each([
    ['abc', DEFAULT_SECONDS],
    ['', DEFAULT_SECONDS],
    [' 600', DEFAULT_SECONDS],
    ['1e3', DEFAULT_SECONDS],
    ['600.5', DEFAULT_SECONDS],
    ['0x100', DEFAULT_SECONDS],
    ['NaN', DEFAULT_SECONDS],
    ['Infinity', DEFAULT_SECONDS],
    ['9'.repeat(400), YEAR_SECONDS],
  ])('%.12j is stored as a renewable lease without a warning, and renewed', async (granted, storedSeconds) => {
    const { travel, odd, service, received } = await twoTopics();
    odd.configure({ verify: 'never' });
    await travel.start(service);
    const before = await travel.subscription('/normal');
    const subscription = await travel.subscription('/odd');
    const answer = await verifyByHand(subscription, granted);
    expect([answer.status, await answer.text()]).toEqual([200, 'a-challenge']);
    await travel.settle();
    expect(travel.world.events('warn')).toEqual(['public-url.local']);
    const after = await travel.subscription('/odd');
    expect(after).toMatchObject({ state: 'active', callback: subscription.callback, attempts: 0 });
    expect(leaseOf(after)).toBe(storedSeconds);
    expect(await travel.subscription('/normal')).toEqual(before);

    odd.configure({ verify: 'async' });
    await travel.advance((after.renewsAt?.getTime() ?? 0) - travel.world.now);
    expect(travel.hookCalls.map(({ name }) => name)).not.toContain('expired');
    expect(await travel.subscription('/odd')).toMatchObject({ state: 'active', verifiedAt: after.renewsAt });
    await odd.publish('news');
    expect(received).toEqual(['news']);
  });

  it('V5 two values is stored as the last value', async () => {
    const { travel, odd, service } = await twoTopics();
    odd.configure({ verify: 'never' });
    await travel.start(service);
    const subscription = await travel.subscription('/odd');
    const answer = await verifyByHand(
      { ...subscription, callback: `${subscription.callback}?hub.lease_seconds=abc` },
      '600',
    );
    expect(answer.status).toBe(200);
    expect(leaseOf(await travel.subscription('/odd'))).toBe(600);
    expect(travel.world.events('warn')).toEqual(['public-url.local']);
  });
});

it('V4 a longer lease in an unsolicited verification does not delay the renewal', async () => {
  const travel = await TimeTravel.begin();
  const topic = travel.hub.topic('/feed', { leaseSeconds: 864_000 });
  await travel.start(recordingService({ target: topic.url }).service);
  const before = await travel.subscription();
  await travel.advance(DAY_MS);
  expect((await verifyByHand(before, '1000000000000')).status).toBe(200);
  await travel.settle();
  const after = await travel.subscription();
  expect(after.renewsAt).toEqual(before.renewsAt);
  // The lease is at most as long as the last one granted to our own request.
  expect(leaseOf(after)).toBe(864_000);
  await travel.advance((before.renewsAt?.getTime() ?? 0) - travel.world.now + HOUR_MS);
  expect(travel.requestTimes()).toHaveLength(2);
  expect(travel.hub.subscriptions).toMatchObject([{ state: 'active' }]);
});
