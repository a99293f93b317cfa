import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { StoreError, type SubscriberServiceConfig } from 'websub-subscriber';
import { FailingRows } from '../kit/failing-rows.js';
import { DAY_MS } from '../kit/news-service.js';
import { HOUR_MS, MINUTE_MS, SECOND_MS, Travel, waitsBetween } from '../kit/time-travel.js';
import { failureOf, reader } from '../kit/world.js';

/** A lease of a year is not renewed before most of it is over. */
const OPTIONS = { security: { maxRenewalSeconds: 365 * 86_400 } };

/** Two subscriptions: the store of one fails, the other one is leased for a year. */
async function twoSubscriptions(leaseMs: number, config: SubscriberServiceConfig = {}) {
  const rows = new FailingRows();
  const travel = await Travel.begin({ rows });
  const topic = travel.hub.topic('/feed', { leaseSeconds: leaseMs / SECOND_MS });
  const other = travel.hub.topic('/other', { leaseSeconds: (365 * DAY_MS) / SECOND_MS });
  const targets = [topic.url, other.url];
  const { service, got } = reader({ targets, unsubscribeOnShutdown: false, ...config });
  await travel.start(service, OPTIONS);
  const before = await travel.seen('/feed');
  const untouched = await travel.seen('/other');
  const isOurs = (operation: string, key: string): boolean => operation === 'set' && key.endsWith(before.id);
  /** Minute by minute: when what failed is tried again is told by nothing. */
  const minutes = async (count: number): Promise<void> => {
    for (let minute = 0; minute < count; minute += 1) await travel.pass(MINUTE_MS);
  };
  const complaints = () => travel.world.lines.filter(({ level }) => level === 'error');
  return { travel, rows, topic, other, service, got, before, untouched, isOurs, minutes, complaints };
}

/** A renewal whose nth write fails, and all others for a while. @returns how many writes there were by then, if it got so far */
async function renewedThrough(nth: number, forMs: number): Promise<number> {
  const { travel, rows, topic, other, got, before, untouched, isOurs, minutes } = await twoSubscriptions(10 * DAY_MS);
  const dueAt = before.renewsAt?.getTime() ?? 0;
  await travel.pass(dueAt - travel.world.now - SECOND_MS);
  let count = 0;
  let failedAt: number | undefined;
  rows.fails = (operation, key) => {
    if (!isOurs(operation, key)) return false;
    count += 1;
    if (count === nth) failedAt = travel.world.now;
    return count === nth || (failedAt !== undefined && travel.world.now < failedAt + forMs);
  };
  await travel.pass(SECOND_MS);
  if (failedAt === undefined) return count;
  expect(failedAt).toBe(dueAt);
  const lines = travel.world.lines.filter(({ level }) => level === 'error' || level === 'warn');
  expect(inspect(lines, { depth: 9 })).toMatch(new RegExp(`The record subscription ${before.id} could not be written`));
  await topic.publish('during');
  await minutes(forMs / MINUTE_MS + 3);
  await topic.publish('after');
  await other.publish('at the other');
  expect(got).toEqual(['during', 'after', 'at the other']);
  const { verifiedAt, ...after } = await travel.seen('/feed');
  expect(after).toMatchObject({ id: before.id, callback: before.callback, state: 'active', attempts: 0 });
  expect(verifiedAt?.getTime()).toBeGreaterThanOrEqual(dueAt);
  expect(travel.asked('/feed').length).toBeLessThanOrEqual(4);
  expect(Math.min(...waitsBetween(travel.asked('/feed')))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(travel.asked('/other')).toHaveLength(1);
  const { stats: _stats, ...same } = await travel.seen('/other');
  expect(untouched).toMatchObject(same);
  expect(travel.hub.violations).toEqual([]);
  return count;
}

describe('L1 a store that fails in the middle of a renewal', () => {
  it.each([
    ['once', 0],
    ['for ten minutes', 10 * MINUTE_MS],
  ])(
    '%s, at whichever of its writes, puts it off and loses nothing, and the other subscription is not touched',
    async (_, forMs) => {
      const writes = await renewedThrough(Infinity, 0);
      expect(writes).toBeGreaterThanOrEqual(2);
      for (let nth = 1; nth <= writes; nth += 1) await renewedThrough(nth, forMs);
    },
  );
});

describe('a store that takes nothing', () => {
  it('L3 for longer than a lease: the hub is left in peace meanwhile, and asked as soon as the store is back', async () => {
    const { travel, rows, topic, got, before, minutes, complaints } = await twoSubscriptions(HOUR_MS);
    await minutes(30);
    const asked = travel.asked('/feed').length;
    rows.fails = (operation) => operation === 'set';
    await minutes(10);
    await topic.publish('while the lease lasts');
    await minutes(170);
    expect(travel.asked('/feed')).toHaveLength(asked);
    // Not more than once a minute and subscription.
    expect(complaints().length).toBeGreaterThan(100);
    expect(complaints().length).toBeLessThan(200);
    rows.fails = () => false;
    await minutes(2);
    await topic.publish('when all is well again');
    expect(got).toEqual(['while the lease lasts', 'when all is well again']);
    expect(await travel.seen('/feed')).toMatchObject({ id: before.id, callback: before.callback, state: 'active' });
    expect(travel.world.logged('the lease ran out')).toMatchObject([{ level: 'warn' }]);
  });

  it('L1 of one subscription alone: the others are renewed for two days, and then it is as well', async () => {
    const { travel, rows, topic, other, got, before, isOurs, minutes } = await twoSubscriptions(4 * HOUR_MS);
    other.configure({ leaseSeconds: HOUR_MS / SECOND_MS });
    await travel.runtime.renew((await travel.seen('/other')).id);
    await travel.settle();
    rows.fails = isOurs;
    const times = travel.asked('/other').length;
    await travel.pass(2 * DAY_MS);
    expect(travel.asked('/other').length).toBeGreaterThan(times + 48);
    await other.publish('news');
    rows.fails = () => false;
    await minutes(2);
    await topic.publish('more');
    expect(got).toEqual(['news', 'more']);
    expect(await travel.seen('/feed')).toMatchObject({ id: before.id, callback: before.callback, state: 'active' });
  });

  it('L4 does not hinder a start where nothing is to be done', async () => {
    const { travel, rows, topic, service, got, before } = await twoSubscriptions(10 * DAY_MS);
    rows.fails = (operation, key) => operation === 'set' && key.includes(':subscription:');
    await travel.start(service, OPTIONS);
    expect(await travel.seen('/feed')).toMatchObject({ id: before.id, callback: before.callback, state: 'active' });
    await topic.publish('news');
    expect(got).toEqual(['news']);
  });

  it('fails a start that has something to store, and the next one does it', async () => {
    const { travel, rows, service, before, isOurs } = await twoSubscriptions(10 * DAY_MS);
    await travel.sleep(20 * DAY_MS);
    rows.fails = isOurs;
    const failure = await failureOf(travel.start(service, OPTIONS));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(new RegExp(`The record subscription ${before.id} could not be written`));
    rows.fails = () => false;
    await travel.start(service, OPTIONS);
    expect(await travel.seen('/feed')).toMatchObject({ id: before.id, callback: before.callback, state: 'active' });
    expect(travel.asked('/other')).toHaveLength(1);
  });
});
