import { describe, expect, test } from 'vitest';
import { defineSubscriber, type SubscriberRuntime } from 'websub-subscriber';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { HandlerRuns } from '../../kit/handler-runs.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';

describe('at the next start,', () => {
  test('C7 a corrupt event and an event of a newer version are kept, and a readable event is delivered', async () => {
    let isOpen = false;
    const texts: string[] = [];
    const subscriber = await startSubscriber((event) => {
      if (!isOpen) throw new Error('closed');
      texts.push(event.text());
    });
    await subscriber.publish('damaged');
    const [damagedKey = ''] = subscriber.store.events;
    await subscriber.publish('whole');
    const [, wholeKey = ''] = subscriber.store.events;
    const newerKey = `${wholeKey}-newer`;
    await subscriber.runtime.stop();
    subscriber.store.set(damagedKey, 'nonsense');
    subscriber.store.set(newerKey, JSON.stringify({ value: JSON.stringify({ v: 99, data: {} }) }));
    isOpen = true;
    await subscriber.startAgain();
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => texts.length === 1);
    await untilIdle();
    expect(texts).toEqual(['whole']);
    expect(subscriber.store.events).toEqual([damagedKey, newerKey]);
    expect(subscriber.store.get(damagedKey)).toBe('nonsense');
    const errors = subscriber.world
      .logged('event.unreadable')
      .map(({ level, fields }) => [level, String(fields['err'])]);
    expect(errors).toHaveLength(2);
    expect(errors).toContainEqual(['error', expect.stringContaining('newer')]);
  });

  test('C7 the events of a service that is no longer declared stay stored until it is declared again', async () => {
    const attempts: number[] = [];
    const subscriber = await startSubscriber(({ attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error('not now');
    });
    await subscriber.publish();
    await subscriber.runtime.stop();
    const otherService = defineSubscriber({ name: 'another' }, { onEventNotification: () => {} });
    const otherRuntime = await subscriber.world.start(otherService, { store: subscriber.store.keyv });
    subscriber.world.advance(DAY_MS);
    await untilIdle();
    await otherRuntime.stop();
    expect(
      subscriber.world.logged('event.service-missing').map(({ level, fields }) => [level, fields['service']]),
    ).toEqual([['warn', 'news']]);
    expect(subscriber.store.events).toHaveLength(1);
    await subscriber.startAgain();
    subscriber.world.advance(0);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test('the counters have their previous values', async () => {
    const subscriber = await startSubscriber(({ attempt }) => {
      if (attempt === 1) throw new Error('not now');
    });
    await subscriber.publish('one');
    const receivedAt = subscriber.world.now;
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    subscriber.hub.configure({ signature: 'wrong' });
    expect((await subscriber.publish('forged')).status).toBe(403);
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
    expect(await statsOf(subscriber.runtime)).toEqual(expected);
    await subscriber.runtime.stop();
    expect(await statsOf(await subscriber.startAgain())).toEqual(expected);
  });
});

test('changed counters are written every ten seconds, not with each event', async () => {
  const subscriber = await startSubscriber(() => {});
  const storedCount = (): unknown => {
    const row = [...subscriber.store].find(([key]) => key.includes(':stats:'))?.[1];
    return typeof row === 'string' ? JSON.parse(JSON.parse(row).value).data.counts.received : 0;
  };
  await subscriber.publish();
  await subscriber.publish();
  expect(storedCount()).toBe(0);
  subscriber.world.runCron('*/10 * * * * *');
  await expect.poll(storedCount).toBe(2);
  let writes = 0;
  subscriber.store.onAnyWrite = () => {
    writes += 1;
  };
  subscriber.world.runCron('*/10 * * * * *');
  await untilIdle();
  expect(writes).toBe(0);
});

describe('when the runtime stops,', () => {
  test('stop() waits for running handlers', async () => {
    const handlerRun = deferred();
    const subscriber = await startSubscriber(() => handlerRun.promise, { delivery: { ackAfterMs: 1 } });
    await subscriber.publish();
    let hasShutDown = false;
    subscriber.runtime.onShutdown(() => {
      hasShutDown = true;
    });
    const stopped = subscriber.runtime.stop();
    await untilIdle();
    expect(hasShutDown).toBe(false);
    handlerRun.resolve();
    await stopped;
    expect(hasShutDown).toBe(true);
    expect(subscriber.store.events).toEqual([]);
    expect(subscriber.world.events('error')).toEqual([]);
    expect(subscriber.world.events('warn')).toEqual(['public-url.local', 'handler.slow']);
  });

  test('stop() lets a waiting hub get the answer of the handler', async () => {
    const handlerRun = deferred();
    const called = deferred();
    const subscriber = await startSubscriber(async () => {
      called.resolve();
      await handlerRun.promise;
      return { headers: { 'x-done': 'yes' } };
    });
    const published = subscriber.publish();
    await called.promise;
    const stopped = subscriber.runtime.stop();
    await untilIdle();
    handlerRun.resolve();
    const { status, headers } = await published;
    expect([status, headers.get('x-done')]).toEqual([202, 'yes']);
    await stopped;
    expect(subscriber.store.events).toEqual([]);
  });

  test.each([
    ['stop() at its timeout, while the hub waits,', (runtime: SubscriberRuntime) => runtime.stop(), 5_000],
    ['stop() at its timeout, after the 202,', (runtime: SubscriberRuntime) => runtime.stop(), 1],
    ['stopNow() while the hub waits', (runtime: SubscriberRuntime) => runtime.stopNow(), 5_000],
    ['stopNow() after the 202', (runtime: SubscriberRuntime) => runtime.stopNow(), 1],
  ] as const)(
    '%s aborts the signal of the event and keeps the event, and the next start delivers it again',
    async (_what, stop, ackAfterMs) => {
      const world = new FakeWorld();
      const runs = new HandlerRuns(world);
      const called = deferred();
      const subscriber = await startSubscriber(
        (event) => {
          runs.note(event);
          called.resolve();
          return runs.calls.length === 1
            ? new Promise<void>((_, reject) => {
                event.signal.addEventListener('abort', () => reject(new Error('cut off')));
              })
            : undefined;
        },
        { world, delivery: { ackAfterMs }, options: { gracefulShutdownSeconds: 0.05 } },
      );
      const published = subscriber.publish();
      await called.promise;
      if (ackAfterMs === 1) await published;
      await stop(subscriber.runtime);
      expect((await published).status).toBe(202);
      await untilIdle();
      expect(subscriber.store.events).toHaveLength(1);
      expect(runs.events[0]?.signal.aborted).toBe(true);
      await subscriber.startAgain();
      world.advance(0);
      await subscriber.hub.until(() => subscriber.store.events.length === 0);
      expect(runs.calls.map(({ id, attempt }) => [id, attempt])).toEqual([
        [runs.calls[0]?.id, 1],
        [runs.calls[0]?.id, 1],
      ]);
      expect(runs.events[1]?.signal.aborted).toBe(false);
    },
  );

  test('the event of a handler that ends after the stop is delivered again at the next start', async () => {
    const handlerRun = deferred();
    let runs = 0;
    const subscriber = await startSubscriber(
      () => {
        runs += 1;
        return runs === 1 ? handlerRun.promise : undefined;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await subscriber.publish();
    await subscriber.runtime.stopNow();
    handlerRun.resolve();
    await subscriber.hub.until(() => subscriber.world.logged('event.result-not-stored').length === 1);
    expect(subscriber.world.logged('event.result-not-stored')).toMatchObject([{ fields: { isStopping: true } }]);
    await subscriber.startAgain();
    subscriber.world.advance(0);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(runs).toBe(2);
  });

  test('a signal that is read after the stop is aborted already', async () => {
    const world = new FakeWorld();
    const runs = new HandlerRuns(world);
    const subscriber = await startSubscriber(
      (event) => {
        runs.note(event);
        return new Promise(() => {});
      },
      { world, delivery: { ackAfterMs: 1 } },
    );
    await subscriber.publish();
    await subscriber.runtime.stopNow();
    expect(runs.events[0]?.signal.aborted).toBe(true);
  });

  test('no stored event is dispatched while the last handlers end', async () => {
    const handlerRuns: Deferred<void>[] = [];
    const slowRun = deferred();
    const subscriber = await startSubscriber(
      async (event) => {
        if (event.text() === 'slow') return slowRun.promise;
        if (event.attempt === 1) throw new Error('not now');
        const handlerRun = deferred();
        handlerRuns.push(handlerRun);
        return handlerRun.promise;
      },
      { delivery: { concurrency: 1, ackAfterMs: 20 } },
    );
    for (const body of ['one', 'two', 'slow']) await subscriber.publish(body);
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => handlerRuns.length === 1);
    const stopped = subscriber.runtime.stop();
    await untilIdle();
    handlerRuns[0]?.resolve();
    await subscriber.hub.until(() => subscriber.store.events.length === 2);
    await untilIdle();
    expect(handlerRuns).toHaveLength(1);
    slowRun.resolve();
    await stopped;
    expect(handlerRuns).toHaveLength(1);
    expect(subscriber.store.events).toHaveLength(1);
  });
});
