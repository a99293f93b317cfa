import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { StoreError, type SubscriberServiceConfig } from 'websub-subscriber';
import { FaultyStore } from '../../kit/faulty-store.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../kit/durations.js';
import { TimeTravel, waitsBetween } from '../../kit/time-travel.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';

/** With these, a lease of a year is renewed only near its end. */
const OPTIONS = { security: { maxRenewalSeconds: 365 * 86_400 } };

/** Two subscriptions: the store fails for one, the other one has a lease of a year. */
async function twoSubscriptions(leaseMs: number, config: SubscriberServiceConfig = {}) {
  const rows = new FaultyStore();
  const travel = await TimeTravel.begin({ rows });
  const topic = travel.hub.topic('/feed', { leaseSeconds: leaseMs / SECOND_MS });
  const other = travel.hub.topic('/other', { leaseSeconds: (365 * DAY_MS) / SECOND_MS });
  const targets = [topic.url, other.url];
  const { service, received } = recordingService({ targets, unsubscribeOnShutdown: false, ...config });
  await travel.start(service, OPTIONS);
  const before = await travel.subscription('/feed');
  const untouched = await travel.subscription('/other');
  const isOurs = (operation: string, key: string): boolean => operation === 'set' && key.endsWith(before.id);
  /** Advances minute by minute, because nothing signals the time of a retry. */
  const advanceMinutes = async (count: number): Promise<void> => {
    for (let minute = 0; minute < count; minute += 1) await travel.advance(MINUTE_MS);
  };
  const errorLines = () => travel.world.lines.filter(({ level }) => level === 'error');
  return { travel, rows, topic, other, service, received, before, untouched, isOurs, advanceMinutes, errorLines };
}

/** Runs a renewal with a store that fails from the nth write on for a while. @returns the number of writes until then */
async function renewedThrough(nth: number, forMs: number): Promise<number> {
  const { travel, rows, topic, other, received, before, untouched, isOurs, advanceMinutes } = await twoSubscriptions(
    10 * DAY_MS,
  );
  const dueAt = before.renewsAt?.getTime() ?? 0;
  await travel.advance(dueAt - travel.world.now - SECOND_MS);
  let count = 0;
  let failedAt: number | undefined;
  rows.fails = (operation, key) => {
    if (!isOurs(operation, key)) return false;
    count += 1;
    if (count === nth) failedAt = travel.world.now;
    return count === nth || (failedAt !== undefined && travel.world.now < failedAt + forMs);
  };
  await travel.advance(SECOND_MS);
  if (failedAt === undefined) return count;
  expect(failedAt).toBe(dueAt);
  const lines = travel.world.lines.filter(({ level }) => level === 'error' || level === 'warn');
  expect(inspect(lines, { depth: 9 })).toMatch(new RegExp(`The record subscription ${before.id} could not be written`));
  await topic.publish('during');
  await advanceMinutes(forMs / MINUTE_MS + 3);
  await topic.publish('after');
  await other.publish('at the other');
  expect(received).toEqual(['during', 'after', 'at the other']);
  const { verifiedAt, ...after } = await travel.subscription('/feed');
  expect(after).toMatchObject({ id: before.id, callback: before.callback, state: 'active', attempts: 0 });
  expect(verifiedAt?.getTime()).toBeGreaterThanOrEqual(dueAt);
  expect(travel.requestTimes('/feed').length).toBeLessThanOrEqual(4);
  expect(Math.min(...waitsBetween(travel.requestTimes('/feed')))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(travel.requestTimes('/other')).toHaveLength(1);
  const { stats: _stats, ...same } = await travel.subscription('/other');
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
  it('L3 for longer than a lease: the hub gets no request meanwhile, and one as soon as the store is back', async () => {
    const { travel, rows, topic, received, before, advanceMinutes, errorLines } = await twoSubscriptions(HOUR_MS);
    await advanceMinutes(30);
    const asked = travel.requestTimes('/feed').length;
    rows.fails = (operation) => operation === 'set';
    await advanceMinutes(10);
    await topic.publish('while the lease lasts');
    await advanceMinutes(170);
    expect(travel.requestTimes('/feed')).toHaveLength(asked);
    // At most once a minute and subscription.
    expect(errorLines().length).toBeGreaterThan(100);
    expect(errorLines().length).toBeLessThan(200);
    rows.fails = () => false;
    await advanceMinutes(2);
    await topic.publish('when all is well again');
    expect(received).toEqual(['while the lease lasts', 'when all is well again']);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: before.id,
      callback: before.callback,
      state: 'active',
    });
    expect(travel.world.logged('the lease ran out')).toMatchObject([{ level: 'warn' }]);
  });

  it('L1 of one subscription: the others are renewed for two days, and then this one, too', async () => {
    const { travel, rows, topic, other, received, before, isOurs, advanceMinutes } = await twoSubscriptions(
      4 * HOUR_MS,
    );
    other.configure({ leaseSeconds: HOUR_MS / SECOND_MS });
    await travel.runtime.renew((await travel.subscription('/other')).id);
    await travel.settle();
    rows.fails = isOurs;
    const times = travel.requestTimes('/other').length;
    await travel.advance(2 * DAY_MS);
    expect(travel.requestTimes('/other').length).toBeGreaterThan(times + 48);
    await other.publish('news');
    rows.fails = () => false;
    await advanceMinutes(2);
    await topic.publish('more');
    expect(received).toEqual(['news', 'more']);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: before.id,
      callback: before.callback,
      state: 'active',
    });
  });

  it('L4 does not prevent a start without due work', async () => {
    const { travel, rows, topic, service, received, before } = await twoSubscriptions(10 * DAY_MS);
    rows.fails = (operation, key) => operation === 'set' && key.includes(':subscription:');
    await travel.start(service, OPTIONS);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: before.id,
      callback: before.callback,
      state: 'active',
    });
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('fails a start that must store something, and the next start does it', async () => {
    const { travel, rows, service, before, isOurs } = await twoSubscriptions(10 * DAY_MS);
    await travel.sleep(20 * DAY_MS);
    rows.fails = isOurs;
    const failure = await failureOf(travel.start(service, OPTIONS));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(new RegExp(`The record subscription ${before.id} could not be written`));
    rows.fails = () => false;
    await travel.start(service, OPTIONS);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: before.id,
      callback: before.callback,
      state: 'active',
    });
    expect(travel.requestTimes('/other')).toHaveLength(1);
  });
});
