import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSubscriber } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { HandlerRuns } from '../../kit/handler-runs.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { killDuringHandler } from '../../kit/kill-during-handler.js';

describe('an event whose handler is slow', () => {
  test('C9 is stored before the 202, which does not wait for the handler, and is removed when the handler ends', async () => {
    const handlerRun = deferred();
    let runs = 0;
    const subscriber = await startSubscriber(
      () => {
        runs += 1;
        return handlerRun.promise;
      },
      { delivery: { ackAfterMs: 20 } },
    );
    const { status, body } = await subscriber.publish();
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(subscriber.store.events).toHaveLength(1);
    subscriber.world.advance(DAY_MS);
    await untilIdle();
    expect(runs, 'the event is not dispatched while its handler runs').toBe(1);
    handlerRun.resolve();
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(await statsOf(subscriber.runtime)).toMatchObject({ delivered: 1, failed: 0 });
  });

  test('C9 is retried if the handler fails after the 202', async () => {
    const handlerRun = deferred();
    const attempts: number[] = [];
    const subscriber = await startSubscriber(
      ({ attempt }) => {
        attempts.push(attempt);
        return attempt === 1 ? handlerRun.promise : undefined;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await subscriber.publish();
    handlerRun.reject(new Error('too much for me'));
    await subscriber.hub.until(() => subscriber.world.logged('handler.failed').length === 1);
    await untilIdle();
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test.each([
    ['succeeds', (handlerRun: Deferred<void>) => handlerRun.resolve(), 'delivered'],
    ['fails', (handlerRun: Deferred<void>) => handlerRun.reject(new Error('no')), 'failed'],
  ] as const)(
    'C9 whose handler %s while the event is being stored is not lost, and has no extra run',
    async (_what, end, counter) => {
      const handlerRun = deferred();
      const attempts: number[] = [];
      const subscriber = await startSubscriber(
        ({ attempt }) => {
          attempts.push(attempt);
          return attempt === 1 ? handlerRun.promise : undefined;
        },
        { delivery: { ackAfterMs: 1 } },
      );
      subscriber.store.onWrite = () => end(handlerRun);
      expect((await subscriber.publish()).status).toBe(202);
      await expect.poll(async () => (await statsOf(subscriber.runtime))?.[counter], { timeout: 5_000 }).toBe(1);
      await untilIdle();
      subscriber.world.advance(1_000);
      await subscriber.hub.until(() => subscriber.store.events.length === 0);
      expect(attempts).toEqual(counter === 'failed' ? [1, 2] : [1]);
    },
  );

  test('C9 is delivered again after a kill -9 during the handler, which does not count as a failed run', async () => {
    await using hub = await TestHub.start();
    const { topic, store, handlerCall } = await killDuringHandler(hub, 'inline');

    const world = new FakeWorld(Date.now());
    const runs = new HandlerRuns(world);
    const service = defineSubscriber(
      { name: 'sleeping', target: topic.url, unsubscribeOnShutdown: false },
      { onEventNotification: (event) => runs.note(event) },
    );
    const runtime = await world.start(service, { store });
    onTestFinished(() => runtime.stopNow());
    world.advance(0);
    await expect.poll(() => runs.calls.length, { timeout: 5_000 }).toBe(1);
    expect(runs.calls).toEqual([{ ...handlerCall, attempt: 1, at: world.now, text: 'still here' }]);
  }, 60_000);
});
