import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, SubscriptionDeletedError } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld, type Deferred } from '../kit/fake-world.js';
import { quiet, Runs, setUp, statsOf, temporaryDirectory } from '../kit/news-service.js';

describe('queued delivery', () => {
  test('C9 answers when the event is in the store, and runs the handler then', async () => {
    const turn = deferred();
    const order: string[] = [];
    const set = await setUp(
      async (event) => {
        order.push(`handler, attempt ${event.attempt}, ${event.text()}`);
        await turn.promise;
      },
      { delivery: { mode: 'queued' } },
    );
    set.store.onWrite = () => void order.push('stored');
    const { status, body } = await set.publish('news é');
    expect({ status, body }).toEqual({ status: 202, body: '' });
    await set.hub.until(() => order.length === 2);
    expect(order).toEqual(['stored', 'handler, attempt 1, news é']);
    expect(set.store.events).toHaveLength(1);
    turn.resolve();
    await set.hub.until(() => set.store.events.length === 0);
    expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, failed: 0 });
  });

  test.each([
    ['synchronously', () => new Error('at once')],
    ['with what is no error', () => 'a string'],
  ])('C7 tries again after growing pauses what was thrown %s', async (_how, thrown) => {
    const attempts: number[] = [];
    const set = await setUp(
      ({ attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw thrown();
      },
      { delivery: { mode: 'queued' } },
    );
    await set.publish();
    await set.hub.until(() => set.world.logged('a handler failed').length === 1);
    await quiet();
    for (const wait of [1_000, 2_000]) {
      set.world.pass(wait);
      await quiet();
    }
    expect([attempts, set.store.events]).toEqual([[1, 2, 3], []]);
  });

  test('runs no more than `concurrency` at the same time, and answers 503 past `maxPending`', async () => {
    const turns: Deferred<void>[] = [];
    let begun = 0;
    const set = await setUp(
      async () => {
        begun += 1;
        const turn = deferred();
        turns.push(turn);
        await turn.promise;
      },
      { delivery: { mode: 'queued', concurrency: 2, maxPending: 3 } },
    );
    const answers = [];
    for (const body of ['one', 'two', 'three', 'four']) answers.push(await set.publish(body));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 503]);
    expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
    await quiet();
    expect(begun).toBe(2);
    turns.shift()?.resolve();
    await set.hub.until(() => begun === 3);
    expect((await set.publish('four')).status).toBe(202);
    for (let done = 0; done < 3; done += 1) {
      await set.hub.until(() => turns.length > 0);
      turns.shift()?.resolve();
    }
    await set.hub.until(() => set.store.events.length === 0);
    expect(begun).toBe(4);
  });

  test('a burst does not overrun `maxPending`', async () => {
    const set = await setUp(() => new Promise<void>(() => {}), { delivery: { mode: 'queued', maxPending: 2 } });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => set.publish(`news ${index}`)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(2);
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(6);
    expect(set.store.events).toHaveLength(2);
  });

  test('C7 where the event cannot be stored the hub is answered 503, and the handler does not see it', async () => {
    const texts: string[] = [];
    const set = await setUp((event) => void texts.push(event.text()), { delivery: { mode: 'queued' } });
    set.store.faults = new Set(['set']);
    expect((await set.publish('lost?')).status).toBe(503);
    set.store.faults = new Set();
    expect((await set.publish('again')).status).toBe(202);
    await set.hub.until(() => texts.length > 0);
    expect(texts).toEqual(['again']);
  });

  test('a SubscriptionDeletedError after the 202 ends the subscription at the hub as well', async () => {
    const set = await setUp(
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

  test('with `dedupe` what waits is not handed over a second time', async () => {
    const turn = deferred();
    const texts: string[] = [];
    const set = await setUp(
      async (event) => {
        texts.push(event.text());
        await turn.promise;
      },
      { delivery: { mode: 'queued', dedupe: 'body' } },
    );
    const answers = [await set.publish('one'), await set.publish('one'), await set.publish('two')];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    turn.resolve();
    await set.hub.until(() => set.store.events.length === 0);
    expect((await set.publish('one')).status).toBe(202);
    await quiet();
    expect(texts).toEqual(['one', 'two']);
  });

  test('what was not begun at a stop is begun at the next start', async () => {
    const texts: string[] = [];
    const turn = deferred();
    const set = await setUp(
      async (event) => {
        texts.push(event.text());
        await turn.promise;
      },
      { delivery: { mode: 'queued', concurrency: 1 } },
    );
    await set.publish('one');
    await set.publish('two');
    await set.hub.until(() => texts.length === 1);
    const stopped = set.runtime.stop();
    turn.resolve();
    await stopped;
    expect([texts, set.store.events.length]).toEqual([['one'], 1]);
    await set.startAgain();
    set.world.pass(1_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(texts).toEqual(['one', 'two']);
  });

  test('C9 comes again after a kill -9, not counted as a failure of the handler', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const store = `lmdb://${await temporaryDirectory()}`;
    const path = fileURLToPath(new URL('fixtures/sleeping-subscriber.ts', import.meta.url));
    const child = fork(path, [topic.url, store, 'queued'], { execArgv: ['--import', '@oxc-node/core/register'] });
    const called = once(child, 'message');
    const exited = once(child, 'exit');
    onTestFinished(() => void child.kill('SIGKILL'));
    await hub.verified(topic, { timeoutMs: 30_000 });
    const [delivery] = await topic.publish('still here');
    expect(delivery?.status).toBe(202);
    const [seen] = await called;
    child.kill('SIGKILL');
    await exited;

    const world = new FakeWorld(Date.now());
    const runs = new Runs(world);
    const service = defineSubscriber(
      { name: 'sleeping', target: topic.url, unsubscribeOnShutdown: false, delivery: { mode: 'queued' } },
      { onEventNotification: (event) => runs.note(event) },
    );
    const runtime = await world.start(service, { store });
    onTestFinished(() => runtime.stopNow());
    world.pass(0);
    await expect.poll(() => runs.seen.length).toBe(1);
    expect(runs.seen).toEqual([{ ...seen, attempt: 1, at: world.now, text: 'still here' }]);
  }, 60_000);
});
