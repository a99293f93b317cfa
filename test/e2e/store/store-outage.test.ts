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

/** Two subscriptions: `subscription`, whose writes can fail, and `otherSubscription`, which has a lease of a year. */
async function twoSubscriptions(leaseMs: number, config: SubscriberServiceConfig = {}) {
  const rows = new FaultyStore();
  const travel = await TimeTravel.begin({ rows });
  const topic = travel.hub.topic('/feed', { leaseSeconds: leaseMs / SECOND_MS });
  const otherTopic = travel.hub.topic('/other', { leaseSeconds: (365 * DAY_MS) / SECOND_MS });
  const targets = [topic.url, otherTopic.url];
  const { service, received } = recordingService({ targets, unsubscribeOnShutdown: false, ...config });
  await travel.start(service, OPTIONS);
  const subscription = await travel.subscription('/feed');
  const otherSubscription = await travel.subscription('/other');
  const isItsWrite = (operation: string, key: string): boolean => operation === 'set' && key.endsWith(subscription.id);
  /** Advances minute by minute, because nothing signals the time of a retry. */
  const advanceMinutes = async (count: number): Promise<void> => {
    for (let minute = 0; minute < count; minute += 1) await travel.advance(MINUTE_MS);
  };
  const errorLines = () => travel.world.lines.filter(({ level }) => level === 'error');
  return {
    travel,
    rows,
    topic,
    otherTopic,
    service,
    received,
    subscription,
    otherSubscription,
    isItsWrite,
    advanceMinutes,
    errorLines,
  };
}

/**
 * Renews `subscription` while the store fails: at the nth write, and then for `failureMs`.
 *
 * @returns the number of writes that were attempted
 */
async function renewDuringFailure(nth: number, failureMs: number): Promise<number> {
  const { travel, rows, topic, otherTopic, received, subscription, otherSubscription, isItsWrite, advanceMinutes } =
    await twoSubscriptions(10 * DAY_MS);
  const dueAt = subscription.renewsAt?.getTime() ?? 0;
  await travel.advance(dueAt - travel.world.now - SECOND_MS);
  let writeCount = 0;
  let failedAt: number | undefined;
  rows.fails = (operation, key) => {
    if (!isItsWrite(operation, key)) return false;
    writeCount += 1;
    if (writeCount === nth) failedAt = travel.world.now;
    return writeCount === nth || (failedAt !== undefined && travel.world.now < failedAt + failureMs);
  };
  await travel.advance(SECOND_MS);
  if (failedAt === undefined) return writeCount;
  expect(failedAt).toBe(dueAt);
  const lines = travel.world.lines.filter(({ level }) => level === 'error' || level === 'warn');
  expect(inspect(lines, { depth: 9 })).toMatch(
    new RegExp(`The record subscription ${subscription.id} could not be written`),
  );
  await topic.publish('during');
  await advanceMinutes(failureMs / MINUTE_MS + 3);
  await topic.publish('after');
  await otherTopic.publish('at the other');
  expect(received).toEqual(['during', 'after', 'at the other']);
  const { verifiedAt, ...after } = await travel.subscription('/feed');
  expect(after).toMatchObject({ id: subscription.id, callback: subscription.callback, state: 'active', attempts: 0 });
  expect(verifiedAt?.getTime()).toBeGreaterThanOrEqual(dueAt);
  expect(travel.requestTimes('/feed').length).toBeLessThanOrEqual(4);
  expect(Math.min(...waitsBetween(travel.requestTimes('/feed')))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(travel.requestTimes('/other')).toHaveLength(1);
  const { stats: _stats, ...otherAfter } = await travel.subscription('/other');
  expect(otherSubscription).toMatchObject(otherAfter);
  expect(travel.hub.violations).toEqual([]);
  return writeCount;
}

describe('L1 a store that fails in the middle of a renewal', () => {
  it.each([
    ['failing once', 0],
    ['failing for ten minutes', 10 * MINUTE_MS],
  ])(
    'delays the renewal, loses no event, and does not affect the other subscription (%s, at any write)',
    async (_, failureMs) => {
      const writes = await renewDuringFailure(Infinity, 0);
      expect(writes).toBeGreaterThanOrEqual(2);
      for (let nth = 1; nth <= writes; nth += 1) await renewDuringFailure(nth, failureMs);
    },
  );
});

describe('a subscription whose store rejects writes', () => {
  it('L3 sends the hub no request during an outage longer than its lease, and is active again afterwards', async () => {
    const { travel, rows, topic, received, subscription, advanceMinutes, errorLines } = await twoSubscriptions(HOUR_MS);
    await advanceMinutes(30);
    const requestCount = travel.requestTimes('/feed').length;
    rows.fails = (operation) => operation === 'set';
    await advanceMinutes(10);
    await topic.publish('while the lease lasts');
    await advanceMinutes(170);
    expect(travel.requestTimes('/feed')).toHaveLength(requestCount);
    // At most once a minute for each subscription.
    expect(errorLines().length).toBeGreaterThan(100);
    expect(errorLines().length).toBeLessThan(200);
    rows.fails = () => false;
    await advanceMinutes(2);
    await topic.publish('when all is well again');
    expect(received).toEqual(['while the lease lasts', 'when all is well again']);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: subscription.id,
      callback: subscription.callback,
      state: 'active',
    });
    expect(travel.world.logged('subscription.expired')).toMatchObject([{ level: 'warn' }]);
  });

  it('L1 does not stop the renewals of another subscription, and is active again after the outage', async () => {
    const { travel, rows, topic, otherTopic, received, subscription, isItsWrite, advanceMinutes } =
      await twoSubscriptions(4 * HOUR_MS);
    otherTopic.configure({ leaseSeconds: HOUR_MS / SECOND_MS });
    await travel.runtime.renew((await travel.subscription('/other')).id);
    await travel.settle();
    rows.fails = isItsWrite;
    const requestCount = travel.requestTimes('/other').length;
    await travel.advance(2 * DAY_MS);
    expect(travel.requestTimes('/other').length).toBeGreaterThan(requestCount + 48);
    await otherTopic.publish('news');
    rows.fails = () => false;
    await advanceMinutes(2);
    await topic.publish('more');
    expect(received).toEqual(['news', 'more']);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: subscription.id,
      callback: subscription.callback,
      state: 'active',
    });
  });

  it('L4 does not prevent a start that has no work due', async () => {
    const { travel, rows, topic, service, received, subscription } = await twoSubscriptions(10 * DAY_MS);
    rows.fails = (operation, key) => operation === 'set' && key.includes(':subscription:');
    await travel.start(service, OPTIONS);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: subscription.id,
      callback: subscription.callback,
      state: 'active',
    });
    await topic.publish('news');
    expect(received).toEqual(['news']);
  });

  it('prevents a start that must write its record, and is active after the next start', async () => {
    const { travel, rows, service, subscription, isItsWrite } = await twoSubscriptions(10 * DAY_MS);
    await travel.sleep(20 * DAY_MS);
    rows.fails = isItsWrite;
    const failure = await failureOf(travel.start(service, OPTIONS));
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(new RegExp(`The record subscription ${subscription.id} could not be written`));
    rows.fails = () => false;
    await travel.start(service, OPTIONS);
    expect(await travel.subscription('/feed')).toMatchObject({
      id: subscription.id,
      callback: subscription.callback,
      state: 'active',
    });
    expect(travel.requestTimes('/other')).toHaveLength(1);
  });
});
