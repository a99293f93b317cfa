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
    ['failed', () => Promise.reject(new Error('not now')), 5_000],
    ['has only started', () => new Promise<void>(() => {}), 1],
  ] as const)(
    'C7 when the handler %s: the hub gets 503 with Retry-After, and its next attempt succeeds',
    async (_what, first, ackAfterMs) => {
      const ids = new Set<string>();
      const set = await startSubscriber(
        ({ id }) => {
          ids.add(id);
          return ids.size === 1 ? first() : undefined;
        },
        { delivery: { ackAfterMs }, options: { gracefulShutdownSeconds: 0 } },
      );
      set.store.faults = new Set(['set']);
      const refused = await set.publish();
      expect(refused.status).toBe(503);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(set.world.logged('cannot be stored')).toHaveLength(1);
      set.store.faults = new Set();
      expect((await repeatDelivery(refused.sent)).status).toBe(202);
      expect(ids.size).toBe(2);
      expect(set.store.events).toEqual([]);
      set.world.advance(DAY_MS);
      await untilIdle();
      expect(ids.size, 'what the hub was refused is not tried again by us').toBe(2);
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
  ] as const)('C7 while the handler %s: the answer tells the hub the outcome', async (_what, end, status) => {
    const handlerRun = deferred();
    const set = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    set.store.faults = new Set(['set']);
    set.store.onWrite = () => end(handlerRun);
    expect((await set.publish()).status).toBe(status);
  });

  test('C7 a SubscriptionDeletedError after a 503 still ends the subscription', async () => {
    const handlerRun = deferred();
    const set = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    set.store.faults = new Set(['set']);
    expect((await set.publish()).status).toBe(503);
    handlerRun.reject(new SubscriptionDeletedError('gone'));
    await set.hub.unsubscribed(set.topic);
  });

  test('C9 while a handled event is removed: it is removed later, and the handler does not run again', async () => {
    const handlerRun = deferred();
    let runs = 0;
    const set = await startSubscriber(
      () => {
        runs += 1;
        return handlerRun.promise;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await set.publish();
    set.store.faults = new Set(['delete']);
    handlerRun.resolve();
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 1);
    set.world.advance(60_000);
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 2);
    set.store.faults = new Set();
    set.world.advance(59_999);
    await untilIdle();
    expect(set.store.events).toHaveLength(1);
    set.world.advance(1);
    await set.hub.until(() => set.store.events.length === 0);
    expect(runs).toBe(1);
  });

  test('C7 while a failed run is stored: it is stored later, and the event is retried after that', async () => {
    const attempts: number[] = [];
    const set = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not now');
    });
    await set.publish();
    set.store.faults = new Set(['set']);
    set.world.advance(1_000);
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 1);
    set.store.faults = new Set();
    set.world.advance(60_000);
    await untilIdle();
    expect(attempts).toEqual([1, 2]);
    set.world.advance(2_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('C7 while an event is read: the read is retried in a minute', async () => {
    const attempts: number[] = [];
    const set = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 2) throw new Error('not now');
    });
    await set.publish();
    set.store.faults = new Set(['get']);
    set.world.advance(1_000);
    await set.hub.until(() => set.world.logged('cannot be read now').length === 1);
    set.store.faults = new Set();
    set.world.advance(60_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test('C7 an event that became unreadable is logged, stays in the store, and does not count', async () => {
    const set = await startSubscriber(() => throws(new Error('not now')), { delivery: { maxPending: 1 } });
    await set.publish();
    const [key = ''] = set.store.events;
    const damaged = JSON.stringify({ value: JSON.stringify({ v: 1, data: {} }) });
    set.store.set(key, damaged);
    set.world.advance(1_000);
    await set.hub.until(() => set.world.logged('cannot be read').length === 1);
    await untilIdle();
    expect(set.store.get(key)).toBe(damaged);
    expect((await set.publish()).status).toBe(202);
  });
});
