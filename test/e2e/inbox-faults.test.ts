import { describe, expect, test } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { deferred, type Deferred } from '../kit/fake-world.js';
import { again, DAY_MS, quiet, setUp, throws } from '../kit/news-service.js';

describe('a store that fails', () => {
  test.each([
    ['failed', () => Promise.reject(new Error('not now')), 5_000],
    ['has only begun', () => new Promise<void>(() => {}), 1],
  ] as const)(
    'C7 when the handler %s: 503 with Retry-After, and the hub’s next try succeeds',
    async (_what, first, ackAfterMs) => {
      const ids = new Set<string>();
      const set = await setUp(
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
      expect((await again(refused.sent)).status).toBe(202);
      expect(ids.size).toBe(2);
      expect(set.store.events).toEqual([]);
      set.world.pass(DAY_MS);
      await quiet();
      expect(ids.size, 'what the hub was refused is not tried again by us').toBe(2);
    },
  );

  test.each([
    ['succeeds', (turn: Deferred<void>) => turn.resolve(), 202],
    ['fails', (turn: Deferred<void>) => turn.reject(new Error('no')), 503],
    ['ends the subscription', (turn: Deferred<void>) => turn.reject(new SubscriptionDeletedError('gone')), 410],
  ] as const)('C7 while the handler %s: the hub is told how it ended', async (_what, end, status) => {
    const turn = deferred();
    const set = await setUp(() => turn.promise, { delivery: { ackAfterMs: 1 } });
    set.store.faults = new Set(['set']);
    set.store.onWrite = () => end(turn);
    expect((await set.publish()).status).toBe(status);
  });

  test('C7 after a 503, a SubscriptionDeletedError of the handler still ends the subscription', async () => {
    const turn = deferred();
    const set = await setUp(() => turn.promise, { delivery: { ackAfterMs: 1 } });
    set.store.faults = new Set(['set']);
    expect((await set.publish()).status).toBe(503);
    turn.reject(new SubscriptionDeletedError('gone'));
    await set.hub.unsubscribed(set.topic);
  });

  test('C9 when a handled event is to be removed: removed later, and the handler is not run for it', async () => {
    const turn = deferred();
    let runs = 0;
    const set = await setUp(
      () => {
        runs += 1;
        return turn.promise;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await set.publish();
    set.store.faults = new Set(['delete']);
    turn.resolve();
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 1);
    set.world.pass(60_000);
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 2);
    set.store.faults = new Set();
    set.world.pass(59_999);
    await quiet();
    expect(set.store.events).toHaveLength(1);
    set.world.pass(1);
    await set.hub.until(() => set.store.events.length === 0);
    expect(runs).toBe(1);
  });

  test('C7 when a failed try is to be noted: noted later, and tried again after that', async () => {
    const attempts: number[] = [];
    const set = await setUp(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not now');
    });
    await set.publish();
    set.store.faults = new Set(['set']);
    set.world.pass(1_000);
    await set.hub.until(() => set.world.logged('how a handler ended cannot be stored').length === 1);
    set.store.faults = new Set();
    set.world.pass(60_000);
    await quiet();
    expect(attempts).toEqual([1, 2]);
    set.world.pass(2_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('C7 when an event is to be read: tried again in a minute', async () => {
    const attempts: number[] = [];
    const set = await setUp(({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 2) throw new Error('not now');
    });
    await set.publish();
    set.store.faults = new Set(['get']);
    set.world.pass(1_000);
    await set.hub.until(() => set.world.logged('cannot be read now').length === 1);
    set.store.faults = new Set();
    set.world.pass(60_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test('C7 an event that became unreadable is logged, left in the store, and not counted', async () => {
    const set = await setUp(() => throws(new Error('not now')), { delivery: { maxPending: 1 } });
    await set.publish();
    const [key = ''] = set.store.events;
    const damaged = JSON.stringify({ value: JSON.stringify({ v: 1, data: {} }) });
    set.store.set(key, damaged);
    set.world.pass(1_000);
    await set.hub.until(() => set.world.logged('cannot be read').length === 1);
    await quiet();
    expect(set.store.get(key)).toBe(damaged);
    expect((await set.publish()).status).toBe(202);
  });
});
