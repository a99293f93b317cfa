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
    const set = await startSubscriber(
      async (event) => {
        order.push(`handler, attempt ${event.attempt}, ${event.text()}`);
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued' } },
    );
    set.store.onWrite = () => void order.push('stored');
    const { status, body } = await set.publish('news é');
    expect({ status, body }).toEqual({ status: 202, body: '' });
    await set.hub.until(() => order.length === 2);
    expect(order).toEqual(['stored', 'handler, attempt 1, news é']);
    expect(set.store.events).toHaveLength(1);
    handlerRun.resolve();
    await set.hub.until(() => set.store.events.length === 0);
    expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, failed: 0 });
  });

  test.each([
    ['an error synchronously', () => new Error('at once')],
    ['a value that is not an error', () => 'a string'],
  ])('C7 retries after growing waits if the handler throws %s', async (_how, thrown) => {
    const attempts: number[] = [];
    const set = await startSubscriber(
      ({ attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw thrown();
      },
      { delivery: { mode: 'queued' } },
    );
    await set.publish();
    await set.hub.until(() => set.world.logged('a handler failed').length === 1);
    await untilIdle();
    for (const wait of [1_000, 2_000]) {
      set.world.advance(wait);
      await untilIdle();
    }
    expect([attempts, set.store.events]).toEqual([[1, 2, 3], []]);
  });

  test('runs at most `concurrency` events at the same time, and answers 503 above `maxPending`', async () => {
    const handlerRuns: Deferred<void>[] = [];
    let startedRuns = 0;
    const set = await startSubscriber(
      async () => {
        startedRuns += 1;
        const handlerRun = deferred();
        handlerRuns.push(handlerRun);
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', concurrency: 2, maxPending: 3 } },
    );
    const answers = [];
    for (const body of ['one', 'two', 'three', 'four']) answers.push(await set.publish(body));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 503]);
    expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    await untilIdle();
    expect(startedRuns).toBe(2);
    handlerRuns.shift()?.resolve();
    await set.hub.until(() => startedRuns === 3);
    expect((await set.publish('four')).status).toBe(202);
    for (let done = 0; done < 3; done += 1) {
      await set.hub.until(() => handlerRuns.length > 0);
      handlerRuns.shift()?.resolve();
    }
    await set.hub.until(() => set.store.events.length === 0);
    expect(startedRuns).toBe(4);
  });

  test('a burst does not exceed `maxPending`', async () => {
    const set = await startSubscriber(() => new Promise<void>(() => {}), {
      delivery: { mode: 'queued', maxPending: 2 },
    });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => set.publish(`news ${index}`)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(2);
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(6);
    expect(set.store.events).toHaveLength(2);
  });

  test('C7 answers 503 if the event cannot be stored, and the handler does not get it', async () => {
    const texts: string[] = [];
    const set = await startSubscriber((event) => void texts.push(event.text()), { delivery: { mode: 'queued' } });
    set.store.faults = new Set(['set']);
    expect((await set.publish('lost?')).status).toBe(503);
    set.store.faults = new Set();
    expect((await set.publish('again')).status).toBe(202);
    await set.hub.until(() => texts.length > 0);
    expect(texts).toEqual(['again']);
  });

  test('a SubscriptionDeletedError after the 202 also unsubscribes at the hub', async () => {
    const set = await startSubscriber(
      () => {
        throw new SubscriptionDeletedError('enough');
      },
      { delivery: { mode: 'queued' } },
    );
    expect((await set.publish()).status).toBe(202);
    await expect.poll(async () => (await set.runtime.subscriptions.find())[0]?.state).toBe('unsubscribed');
    await set.hub.until(() => set.hub.subscriptions[0]?.state === 'unsubscribed');
    expect(set.store.events).toEqual([]);
  });

  test('with `dedupe` a waiting event is not delivered twice', async () => {
    const handlerRun = deferred();
    const texts: string[] = [];
    const set = await startSubscriber(
      async (event) => {
        texts.push(event.text());
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', dedupe: 'body' } },
    );
    const answers = [await set.publish('one'), await set.publish('one'), await set.publish('two')];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    handlerRun.resolve();
    await set.hub.until(() => set.store.events.length === 0);
    expect((await set.publish('one')).status).toBe(202);
    await untilIdle();
    expect(texts).toEqual(['one', 'two']);
  });

  test('an event that waits at a stop runs after the next start', async () => {
    const texts: string[] = [];
    const handlerRun = deferred();
    const set = await startSubscriber(
      async (event) => {
        texts.push(event.text());
        await handlerRun.promise;
      },
      { delivery: { mode: 'queued', concurrency: 1 } },
    );
    await set.publish('one');
    await set.publish('two');
    await set.hub.until(() => texts.length === 1);
    const stopped = set.runtime.stop();
    handlerRun.resolve();
    await stopped;
    expect([texts, set.store.events.length]).toEqual([['one'], 1]);
    await set.startAgain();
    set.world.advance(1_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(texts).toEqual(['one', 'two']);
  });

  test('C9 delivers an event again after a kill -9, which does not count as a failure of the handler', async () => {
    await using hub = await TestHub.start();
    const { topic, store, seen } = await killDuringHandler(hub, 'queued');

    const world = new FakeWorld(Date.now());
    const runs = new HandlerRuns(world);
    const service = defineSubscriber(
      { name: 'sleeping', target: topic.url, unsubscribeOnShutdown: false, delivery: { mode: 'queued' } },
      { onEventNotification: (event) => runs.note(event) },
    );
    const runtime = await world.start(service, { store });
    onTestFinished(() => runtime.stopNow());
    world.advance(0);
    await expect.poll(() => runs.seen.length).toBe(1);
    expect(runs.seen).toEqual([{ ...seen, attempt: 1, at: world.now, text: 'still here' }]);
  }, 60_000);
});
