import { describe, expect, it } from 'vitest';
import type { Subscription } from 'websub-subscriber';
import { DAY_MS } from '../kit/news-service.js';
import { HOUR_MS, SECOND_MS, Travel, waitsBetween } from '../kit/time-travel.js';
import { reader } from '../kit/world.js';

const YEAR_SECONDS = 365 * 86_400;
const DEFAULT_SECONDS = 86_400;

/** A longer lease is renewed as if it were this long. */
const LONGEST_SECONDS = 864_000;

/** A subscription at a hub that grants something odd, beside one that the same hub serves well. */
async function twoTopics(leaseSeconds?: number | 'perpetual') {
  const travel = await Travel.begin();
  const odd = travel.hub.topic('/odd', { leaseSeconds });
  const sound = travel.hub.topic('/sound', { leaseSeconds: YEAR_SECONDS });
  const { service, got } = reader({ targets: [odd.url, sound.url], unsubscribeOnShutdown: false });
  return { travel, odd, sound, service, got };
}

const leaseOf = ({ verifiedAt, expiresAt }: Subscription): number =>
  ((expiresAt?.getTime() ?? Number.NaN) - (verifiedAt?.getTime() ?? Number.NaN)) / SECOND_MS;

/** How far into the lease, or into ten days of it, a renewal is planned, from 0 to 1. */
const pointOf = (subscription: Subscription): number => {
  const { verifiedAt, renewsAt } = subscription;
  const [from, at] = [verifiedAt, renewsAt].map((date) => date?.getTime() ?? Number.NaN);
  const counted = Math.min(leaseOf(subscription), LONGEST_SECONDS) * SECOND_MS;
  return ((at ?? Number.NaN) - (from ?? 0)) / counted;
};

/** What a hub that verifies by itself would send. */
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
  ])('of %s is renewed in time, again and again, and not more often than that', async (_, leaseSeconds, forSeconds) => {
    const travel = await Travel.begin();
    const topic = travel.hub.topic('/feed', { leaseSeconds });
    const { service, got } = reader({ target: topic.url });
    const began = travel.world.now;
    await travel.start(service);
    const { callback } = await travel.seen();
    const published: string[] = [];
    for (let part = 0; part < 20; part += 1) {
      await travel.pass((forSeconds * SECOND_MS) / 20, SECOND_MS);
      published.push(`news ${part}`);
      await topic.publish(`news ${part}`);
    }
    await travel.settle();
    expect(got).toEqual(published);
    expect(travel.hub.subscriptions).toMatchObject([{ callback, state: 'active' }]);
    expect(travel.heard.filter(({ name }) => name === 'failed' || name === 'expired')).toEqual([]);
    const asked = travel.asked();
    const waits = waitsBetween(asked).map((wait) => wait / (Math.min(leaseSeconds, LONGEST_SECONDS) * SECOND_MS));
    // Due work is looked for once a second; a lease of ten seconds is renewed early enough for several tries.
    const look = 1 / leaseSeconds;
    expect(Math.max(...waits)).toBeLessThanOrEqual(0.9 + look);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(leaseSeconds < 3_600 ? 0.5 : 0.7);
    expect((asked.at(-1) ?? 0) + leaseSeconds * SECOND_MS).toBeGreaterThan(travel.world.now);
    expect(asked[0]).toBe(began);
  });

  it('L2 of a second is asked for once a second at most', async () => {
    const { travel, service, sound, got } = await twoTopics(1);
    await travel.start(service);
    const before = await travel.seen('/sound');
    await travel.pass(60 * SECOND_MS, SECOND_MS);
    const waits = waitsBetween(travel.asked('/odd'));
    expect(waits.length).toBeGreaterThan(10);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(SECOND_MS);
    expect(await travel.seen('/sound')).toEqual(before);
    await sound.publish('news');
    expect(got).toEqual(['news']);
  });
});

describe('V2 a lease that a hub grants as', () => {
  it.each([
    ['nothing at all', 'perpetual', DEFAULT_SECONDS],
    ['0', 0, DEFAULT_SECONDS],
    ['-1', -1, DEFAULT_SECONDS],
    ['a trillion', 1_000_000_000_000, YEAR_SECONDS],
  ] as const)('%s is kept as one that can be renewed, quietly, and renewed', async (_, granted, kept) => {
    const { travel, odd, service, got } = await twoTopics(granted);
    await travel.start(service);
    expect(travel.world.logged('hub.lease_seconds')).toEqual([]);
    const subscription = await travel.seen('/odd');
    expect(subscription).toMatchObject({ state: 'active', attempts: 0 });
    expect(leaseOf(subscription)).toBe(kept);
    expect(pointOf(subscription)).toBeGreaterThanOrEqual(0.7);
    expect(pointOf(subscription)).toBeLessThanOrEqual(0.9);

    await travel.pass(0.95 * Math.min(kept, LONGEST_SECONDS) * SECOND_MS);
    expect(travel.heard.map(({ name }) => name)).not.toContain('expired');
    expect(travel.asked('/odd')).toHaveLength(2);
    const renewed = await travel.seen('/odd');
    expect(renewed).toMatchObject({ state: 'active', callback: subscription.callback });
    expect(renewed.verifiedAt?.getTime()).toBe(subscription.renewsAt?.getTime());
    await odd.publish('news');
    expect(got).toEqual(['news']);
    // The other one was renewed as its own lease says.
    expect(travel.asked('/sound')).toHaveLength(kept >= LONGEST_SECONDS ? 2 : 1);
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
  ])('%.12j is kept as one that can be renewed, quietly, and renewed', async (granted, kept) => {
    const { travel, odd, service, got } = await twoTopics();
    odd.configure({ verify: 'never' });
    await travel.start(service);
    const before = await travel.seen('/sound');
    const asked = await travel.seen('/odd');
    const answer = await verifyByHand(asked, granted);
    expect([answer.status, await answer.text()]).toEqual([200, 'a-challenge']);
    await travel.settle();
    expect(travel.world.logged('hub.lease_seconds')).toEqual([]);
    const subscription = await travel.seen('/odd');
    expect(subscription).toMatchObject({ state: 'active', callback: asked.callback, attempts: 0 });
    expect(leaseOf(subscription)).toBe(kept);
    expect(await travel.seen('/sound')).toEqual(before);

    odd.configure({ verify: 'async' });
    await travel.pass((subscription.renewsAt?.getTime() ?? 0) - travel.world.now);
    expect(travel.heard.map(({ name }) => name)).not.toContain('expired');
    expect(await travel.seen('/odd')).toMatchObject({ state: 'active', verifiedAt: subscription.renewsAt });
    await odd.publish('news');
    expect(got).toEqual(['news']);
  });

  it('V5 two of them counts for the last one', async () => {
    const { travel, odd, service } = await twoTopics();
    odd.configure({ verify: 'never' });
    await travel.start(service);
    const asked = await travel.seen('/odd');
    const answer = await verifyByHand({ ...asked, callback: `${asked.callback}?hub.lease_seconds=abc` }, '600');
    expect(answer.status).toBe(200);
    expect(leaseOf(await travel.seen('/odd'))).toBe(600);
    expect(travel.world.logged('hub.lease_seconds')).toEqual([]);
  });

  it('V4 a longer one, by a hub that nobody has asked, puts no renewal off', async () => {
    const travel = await Travel.begin();
    const topic = travel.hub.topic('/feed', { leaseSeconds: 864_000 });
    await travel.start(reader({ target: topic.url }).service);
    const before = await travel.seen();
    await travel.pass(DAY_MS);
    expect((await verifyByHand(before, '1000000000000')).status).toBe(200);
    await travel.settle();
    const after = await travel.seen();
    expect(after.renewsAt).toEqual(before.renewsAt);
    // It is at most as long as the one last granted to a request of ours.
    expect(leaseOf(after)).toBe(864_000);
    await travel.pass((before.renewsAt?.getTime() ?? 0) - travel.world.now + HOUR_MS);
    expect(travel.asked()).toHaveLength(2);
    expect(travel.hub.subscriptions).toMatchObject([{ state: 'active' }]);
  });
});
