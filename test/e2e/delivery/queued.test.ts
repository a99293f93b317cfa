import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, SubscriptionDeletedError } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { HandlerRuns } from '../../kit/handler-runs.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { killDuringHandler } from '../../kit/kill-during-handler.js';

describe('queued delivery', () => {
  test('C9 answers once the event is stored, and then runs the handler', async () => {
    const handlerRun = deferred();
    const order: string[] = [];
    const subscriber = await startSubscriber(
      async (event) => {
        order.push(`handler, attempt ${event.attempt}, ${event.text()}`);
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued' } },
    );
    subscriber.store.onWrite = () => void order.push('stored');
    const { status, body } = await subscriber.publish('news é');
    expect({ status, body }).toEqual({ status: 202, body: '' });
    await subscriber.hub.until(() => order.length === 2);
    expect(order).toEqual(['stored', 'handler, attempt 1, news é']);
    expect(subscriber.store.events).toHaveLength(1);
    handlerRun.resolve();
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, delivered: 1, failed: 0 });
  });

  test.each([
    ['an error synchronously', () => new Error('at once')],
    ['a value that is not an error', () => 'a string'],
  ])('C7 retries after growing waits if the handler throws %s', async (_how, createThrownValue) => {
    const attempts: number[] = [];
    const subscriber = await startSubscriber(
      ({ attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw createThrownValue();
      },
      { delivery: { mode: 'queued' } },
    );
    await subscriber.publish();
    await subscriber.hub.until(() => subscriber.world.logged('handler.failed').length === 1);
    await untilIdle();
    for (const wait of [1_000, 2_000]) {
      subscriber.world.advance(wait);
      await untilIdle();
    }
    expect([attempts, subscriber.store.events]).toEqual([[1, 2, 3], []]);
  });

  test('runs at most `concurrency` events at the same time, and answers 503 above `maxPending`', async () => {
    const handlerRuns: Deferred<void>[] = [];
    let startedRuns = 0;
    const subscriber = await startSubscriber(
      async () => {
        startedRuns += 1;
        const handlerRun = deferred();
        handlerRuns.push(handlerRun);
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', concurrency: 2, maxPending: 3 } },
    );
    const deliveries = [];
    for (const body of ['one', 'two', 'three', 'four']) deliveries.push(await subscriber.publish(body));
    expect(deliveries.map(({ status }) => status)).toEqual([202, 202, 202, 503]);
    expect(Number(deliveries.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    await untilIdle();
    expect(startedRuns).toBe(2);
    handlerRuns.shift()?.resolve();
    await subscriber.hub.until(() => startedRuns === 3);
    expect((await subscriber.publish('four')).status).toBe(202);
    for (let run = 0; run < 3; run += 1) {
      await subscriber.hub.until(() => handlerRuns.length > 0);
      handlerRuns.shift()?.resolve();
    }
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(startedRuns).toBe(4);
  });

  test('stores at most `maxPending` events of a burst, and answers 503 to the others', async () => {
    const subscriber = await startSubscriber(() => new Promise<void>(() => {}), {
      delivery: { mode: 'queued', maxPending: 2 },
    });
    const deliveries = await Promise.all(Array.from({ length: 8 }, (_, index) => subscriber.publish(`news ${index}`)));
    expect(deliveries.filter(({ status }) => status === 202)).toHaveLength(2);
    expect(deliveries.filter(({ status }) => status === 503)).toHaveLength(6);
    expect(subscriber.store.events).toHaveLength(2);
  });

  test('C7 answers 503 if the event cannot be stored, and the handler does not get the event', async () => {
    const texts: string[] = [];
    const subscriber = await startSubscriber((event) => void texts.push(event.text()), {
      delivery: { mode: 'queued' },
    });
    subscriber.store.faults = new Set(['set']);
    expect((await subscriber.publish('lost?')).status).toBe(503);
    subscriber.store.faults = new Set();
    expect((await subscriber.publish('again')).status).toBe(202);
    await subscriber.hub.until(() => texts.length > 0);
    expect(texts).toEqual(['again']);
  });

  test('unsubscribes at the hub if the handler throws a SubscriptionDeletedError after the 202', async () => {
    const subscriber = await startSubscriber(
      () => {
        throw new SubscriptionDeletedError('enough');
      },
      { delivery: { mode: 'queued' } },
    );
    expect((await subscriber.publish()).status).toBe(202);
    await expect.poll(async () => (await subscriber.runtime.subscriptions.find())[0]?.state).toBe('unsubscribed');
    await subscriber.hub.until(() => subscriber.hub.subscriptions[0]?.state === 'unsubscribed');
    expect(subscriber.store.events).toEqual([]);
  });

  test('does not deliver a duplicate of a running or handled event with `dedupe`', async () => {
    const handlerRun = deferred();
    const texts: string[] = [];
    const subscriber = await startSubscriber(
      async (event) => {
        texts.push(event.text());
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', dedupe: 'body' } },
    );
    const deliveries = [
      await subscriber.publish('one'),
      await subscriber.publish('one'),
      await subscriber.publish('two'),
    ];
    expect(deliveries.map(({ status }) => status)).toEqual([202, 202, 202]);
    handlerRun.resolve();
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect((await subscriber.publish('one')).status).toBe(202);
    await untilIdle();
    expect(texts).toEqual(['one', 'two']);
  });

  test('runs an event that waits at a stop after the next start', async () => {
    const texts: string[] = [];
    const handlerRun = deferred();
    const subscriber = await startSubscriber(
      async (event) => {
        texts.push(event.text());
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', concurrency: 1 } },
    );
    await subscriber.publish('one');
    await subscriber.publish('two');
    await subscriber.hub.until(() => texts.length === 1);
    const stopped = subscriber.runtime.stop();
    handlerRun.resolve();
    await stopped;
    expect([texts, subscriber.store.events.length]).toEqual([['one'], 1]);
    await subscriber.startAgain();
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(texts).toEqual(['one', 'two']);
  });

  test('C9 delivers an event again after a kill -9, which does not count as a failure of the handler', async () => {
    await using hub = await TestHub.start();
    const { topic, store, handlerCall } = await killDuringHandler(hub, 'queued');

    const world = new FakeWorld(Date.now());
    const runs = new HandlerRuns(world);
    const service = defineSubscriber(
      { name: 'sleeping', target: topic.url, unsubscribeOnShutdown: false, delivery: { mode: 'queued' } },
      { onEventNotification: (event) => runs.note(event) },
    );
    const runtime = await world.start(service, { store });
    onTestFinished(() => runtime.stopNow());
    world.advance(0);
    await expect.poll(() => runs.calls.length).toBe(1);
    expect(runs.calls).toEqual([{ ...handlerCall, attempt: 1, at: world.now, text: 'still here' }]);
  }, 60_000);
});
