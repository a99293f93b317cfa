import { describe, expect, test } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { throws } from '../../kit/throws.js';

describe('a store that fails', () => {
  test.each([
    ['has failed', () => Promise.reject(new Error('not now')), 5_000],
    ['still runs', () => new Promise<void>(() => {}), 1],
  ] as const)(
    'C7 when the handler %s leads to 503 with Retry-After, and a repeated delivery gets 202',
    async (_what, firstRun, ackAfterMs) => {
      const eventIds = new Set<string>();
      const subscriber = await startSubscriber(
        ({ id }) => {
          eventIds.add(id);
          return eventIds.size === 1 ? firstRun() : undefined;
        },
        { delivery: { ackAfterMs }, options: { gracefulShutdownSeconds: 0 } },
      );
      subscriber.store.faults = new Set(['set']);
      const failedDelivery = await subscriber.publish();
      expect(failedDelivery.status).toBe(503);
      expect(Number(failedDelivery.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(subscriber.world.logged('delivery.not-stored')).toHaveLength(1);
      subscriber.store.faults = new Set();
      expect((await repeatDelivery(failedDelivery.sent)).status).toBe(202);
      expect(eventIds.size).toBe(2);
      expect(subscriber.store.events).toEqual([]);
      subscriber.world.advance(DAY_MS);
      await untilIdle();
      expect(eventIds.size, 'an event that got 503 is not retried').toBe(2);
    },
  );

  test.each([
    ['succeeds', (handlerRun: Deferred<void>) => handlerRun.resolve(), 202],
    ['fails', (handlerRun: Deferred<void>) => handlerRun.reject(new Error('no')), 503],
    [
      'ends the subscription',
      (handlerRun: Deferred<void>) => handlerRun.reject(new SubscriptionDeletedError('gone')),
      410,
    ],
  ] as const)('C7 while the handler %s does not hide that outcome from the hub', async (_what, end, status) => {
    const handlerRun = deferred();
    const subscriber = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    subscriber.store.faults = new Set(['set']);
    subscriber.store.onWrite = () => end(handlerRun);
    expect((await subscriber.publish()).status).toBe(status);
  });

  test('C7 leads to 503, and a later SubscriptionDeletedError still ends the subscription', async () => {
    const handlerRun = deferred();
    const subscriber = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    subscriber.store.faults = new Set(['set']);
    expect((await subscriber.publish()).status).toBe(503);
    handlerRun.reject(new SubscriptionDeletedError('gone'));
    await subscriber.hub.unsubscribed(subscriber.topic);
  });

  test('C9 while a handled event is removed delays the removal, and the handler does not run again', async () => {
    const handlerRun = deferred();
    let runs = 0;
    const subscriber = await startSubscriber(
      () => {
        runs += 1;
        return handlerRun.promise;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await subscriber.publish();
    subscriber.store.faults = new Set(['delete']);
    handlerRun.resolve();
    await subscriber.hub.until(() => subscriber.world.logged('event.result-not-stored').length === 1);
    subscriber.world.advance(60_000);
    await subscriber.hub.until(() => subscriber.world.logged('event.result-not-stored').length === 2);
    subscriber.store.faults = new Set();
    subscriber.world.advance(59_999);
    await untilIdle();
    expect(subscriber.store.events).toHaveLength(1);
    subscriber.world.advance(1);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(runs).toBe(1);
  });

  test('C7 while a failed run is recorded delays the record, and the event is retried after that', async () => {
    const attempts: number[] = [];
    const subscriber = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not now');
    });
    await subscriber.publish();
    subscriber.store.faults = new Set(['set']);
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.world.logged('event.result-not-stored').length === 1);
    subscriber.store.faults = new Set();
    subscriber.world.advance(60_000);
    await untilIdle();
    expect(attempts).toEqual([1, 2]);
    subscriber.world.advance(2_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('C7 while an event is read is read again within a minute', async () => {
    const attempts: number[] = [];
    const subscriber = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 2) throw new Error('not now');
    });
    await subscriber.publish();
    subscriber.store.faults = new Set(['get']);
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.world.logged('event.read-failed').length === 1);
    subscriber.store.faults = new Set();
    subscriber.world.advance(60_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });
});

test('C7 an unreadable event is logged, stays in the store, and takes no place of `maxPending`', async () => {
  const subscriber = await startSubscriber(() => throws(new Error('not now')), { delivery: { maxPending: 1 } });
  await subscriber.publish();
  const [key = ''] = subscriber.store.events;
  const damaged = JSON.stringify({ value: JSON.stringify({ v: 1, data: {} }) });
  subscriber.store.set(key, damaged);
  subscriber.world.advance(1_000);
  await subscriber.hub.until(() => subscriber.world.logged('event.unreadable').length === 1);
  await untilIdle();
  expect(subscriber.store.get(key)).toBe(damaged);
  expect((await subscriber.publish()).status).toBe(202);
});
