import { describe, expect, test } from 'vitest';
import { defineSubscriber, type SubscriberRuntime } from 'websub-subscriber';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { HandlerRuns } from '../../kit/handler-runs.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';

describe('at the next start', () => {
  test('C7 a corrupt event is logged and stays unchanged, and the others are delivered', async () => {
    let isOpen = false;
    const texts: string[] = [];
    const set = await startSubscriber((event) => {
      if (!isOpen) throw new Error('closed');
      texts.push(event.text());
    });
    await set.publish('damaged');
    const [damaged = ''] = set.store.events;
    await set.publish('whole');
    const [, whole = ''] = set.store.events;
    const newer = `${whole}-newer`;
    await set.runtime.stop();
    set.store.set(damaged, 'nonsense');
    set.store.set(newer, JSON.stringify({ value: JSON.stringify({ v: 99, data: {} }) }));
    isOpen = true;
    await set.startAgain();
    set.world.advance(1_000);
    await set.hub.until(() => texts.length === 1);
    await untilIdle();
    expect(texts).toEqual(['whole']);
    expect(set.store.events).toEqual([damaged, newer]);
    expect(set.store.get(damaged)).toBe('nonsense');
    const errors = set.world
      .logged('a stored event cannot be read')
      .map(({ level, fields }) => [level, String(fields['err'])]);
    expect(errors).toHaveLength(2);
    expect(errors).toContainEqual(['error', expect.stringContaining('newer')]);
  });

  test('C7 the events of a service that is no longer declared stay until it is declared again', async () => {
    const attempts: number[] = [];
    const set = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error('not now');
    });
    await set.publish();
    await set.runtime.stop();
    const other = defineSubscriber({ name: 'another' }, { onEventNotification: () => {} });
    const meanwhile = await set.world.start(other, { store: set.store.keyv });
    set.world.advance(DAY_MS);
    await untilIdle();
    await meanwhile.stop();
    expect(
      set.world.logged('service that is not declared').map(({ level, fields }) => [level, fields['service']]),
    ).toEqual([['warn', 'news']]);
    expect(set.store.events).toHaveLength(1);
    await set.startAgain();
    set.world.advance(0);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test('the counters have their previous values', async () => {
    const set = await startSubscriber(({ attempt }) => {
      if (attempt === 1) throw new Error('not now');
    });
    await set.publish('one');
    const receivedAt = set.world.now;
    set.world.advance(1_000);
    await set.hub.until(() => set.store.events.length === 0);
    set.hub.configure({ signature: 'wrong' });
    expect((await set.publish('forged')).status).toBe(403);
    const expected = {
      received: 1,
      rejected: 1,
      delivered: 1,
      refused: 0,
      failed: 1,
      duplicates: 0,
      missed: 0,
      lastEventAt: new Date(receivedAt),
    };
    expect(await statsOf(set.runtime)).toEqual(expected);
    await set.runtime.stop();
    expect(await statsOf(await set.startAgain())).toEqual(expected);
  });

  test('changed counters are written every ten seconds, not with each event', async () => {
    const set = await startSubscriber(() => {});
    const stored = (): unknown => {
      const row = [...set.store].find(([key]) => key.includes(':subscription:'))?.[1];
      const { data } = JSON.parse(JSON.parse(String(row)).value);
      return data.stats.received;
    };
    await set.publish();
    await set.publish();
    expect(stored()).toBe(0);
    set.world.runCron('*/10 * * * * *');
    await expect.poll(stored).toBe(2);
    let writes = 0;
    set.store.onAnyWrite = () => {
      writes += 1;
    };
    set.world.runCron('*/10 * * * * *');
    await untilIdle();
    expect(writes).toBe(0);
  });
});

describe('at the end', () => {
  test('stop() waits for running handlers', async () => {
    const handlerRun = deferred();
    const set = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    await set.publish();
    let hasClosed = false;
    set.runtime.onShutdown(() => {
      hasClosed = true;
    });
    const stopped = set.runtime.stop();
    await untilIdle();
    expect(hasClosed).toBe(false);
    handlerRun.resolve();
    await stopped;
    expect(hasClosed).toBe(true);
    expect(set.store.events).toEqual([]);
    expect(set.world.logged('cannot')).toEqual([]);
  });

  test('stop() lets a waiting hub get the answer of the handler', async () => {
    const handlerRun = deferred();
    const called = deferred();
    const set = await startSubscriber(async () => {
      called.resolve();
      await handlerRun.promise;
      return { headers: { 'x-done': 'yes' } };
    });
    const published = set.publish();
    await called.promise;
    const stopped = set.runtime.stop();
    await untilIdle();
    handlerRun.resolve();
    const { status, headers } = await published;
    expect([status, headers.get('x-done')]).toEqual([202, 'yes']);
    await stopped;
    expect(set.store.events).toEqual([]);
  });

  test.each([
    ['stop(), at its timeout', (runtime: SubscriberRuntime) => runtime.stop(), 5_000],
    ['stop(), at its timeout and after the 202', (runtime: SubscriberRuntime) => runtime.stop(), 1],
    ['stopNow()', (runtime: SubscriberRuntime) => runtime.stopNow(), 5_000],
    ['stopNow(), after the 202', (runtime: SubscriberRuntime) => runtime.stopNow(), 1],
  ] as const)(
    '%s leaves the event in the store, aborts its signal, and it comes again',
    async (_what, stop, ackAfterMs) => {
      const world = new FakeWorld();
      const runs = new HandlerRuns(world);
      const called = deferred();
      const set = await startSubscriber(
        (event) => {
          runs.note(event);
          called.resolve();
          return runs.seen.length === 1
            ? new Promise<void>((_, reject) => {
                event.signal.addEventListener('abort', () => reject(new Error('cut off')));
              })
            : undefined;
        },
        { world, delivery: { ackAfterMs }, options: { gracefulShutdownSeconds: 0.05 } },
      );
      const published = set.publish();
      await called.promise;
      if (ackAfterMs === 1) await published;
      await stop(set.runtime);
      expect((await published).status).toBe(202);
      await untilIdle();
      expect(set.store.events).toHaveLength(1);
      expect(runs.events[0]?.signal.aborted).toBe(true);
      await set.startAgain();
      world.advance(0);
      await set.hub.until(() => set.store.events.length === 0);
      expect(runs.seen.map(({ id, attempt }) => [id, attempt])).toEqual([
        [runs.seen[0]?.id, 1],
        [runs.seen[0]?.id, 1],
      ]);
      expect(runs.events[1]?.signal.aborted).toBe(false);
    },
  );

  test('a handler that ends after the stop leaves its event for the next start', async () => {
    const handlerRun = deferred();
    let runs = 0;
    const set = await startSubscriber(
      () => {
        runs += 1;
        return runs === 1 ? handlerRun.promise : undefined;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await set.publish();
    await set.runtime.stopNow();
    handlerRun.resolve();
    await set.hub.until(() => set.world.logged('handed over again at the next start').length === 1);
    await set.startAgain();
    set.world.advance(0);
    await set.hub.until(() => set.store.events.length === 0);
    expect(runs).toBe(2);
  });

  test('a signal that is read after the stop is aborted already', async () => {
    const world = new FakeWorld();
    const runs = new HandlerRuns(world);
    const set = await startSubscriber(
      (event) => {
        runs.note(event);
        return new Promise(() => {});
      },
      { world, delivery: { ackAfterMs: 1 } },
    );
    await set.publish();
    await set.runtime.stopNow();
    expect(runs.events[0]?.signal.aborted).toBe(true);
  });

  test('no stored event is dispatched while the last handlers end', async () => {
    const handlerRuns: Deferred<void>[] = [];
    const slow = deferred();
    const set = await startSubscriber(
      async (event) => {
        if (event.text() === 'slow') return slow.promise;
        if (event.attempt === 1) throw new Error('not now');
        const handlerRun = deferred();
        handlerRuns.push(handlerRun);
        return handlerRun.promise;
      },
      { delivery: { concurrency: 1, ackAfterMs: 20 } },
    );
    for (const body of ['one', 'two', 'slow']) await set.publish(body);
    set.world.advance(1_000);
    await set.hub.until(() => handlerRuns.length === 1);
    const stopped = set.runtime.stop();
    await untilIdle();
    handlerRuns[0]?.resolve();
    await set.hub.until(() => set.store.events.length === 2);
    await untilIdle();
    expect(handlerRuns).toHaveLength(1);
    slow.resolve();
    await stopped;
    expect(handlerRuns).toHaveLength(1);
    expect(set.store.events).toHaveLength(1);
  });
});
