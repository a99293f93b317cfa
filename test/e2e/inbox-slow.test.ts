import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSubscriber } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld, type Deferred } from '../kit/fake-world.js';
import { DAY_MS, quiet, Runs, setUp, statsOf, temporaryDirectory } from '../kit/news-service.js';

describe('an event whose handler is slow', () => {
  test('C9 is stored before the 202, which does not wait for the handler, and is done when the handler is', async () => {
    const turn = deferred();
    let runs = 0;
    const set = await setUp(
      () => {
        runs += 1;
        return turn.promise;
      },
      { delivery: { ackAfterMs: 20 } },
    );
    const { status, body } = await set.publish();
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(set.store.events).toHaveLength(1);
    set.world.pass(DAY_MS);
    await quiet();
    expect(runs, 'it is not tried while it runs').toBe(1);
    turn.resolve();
    await set.hub.until(() => set.store.events.length === 0);
    expect(await statsOf(set.runtime)).toMatchObject({ delivered: 1, failed: 0 });
  });

  test('C9 is tried again when it fails after the 202', async () => {
    const turn = deferred();
    const attempts: number[] = [];
    const set = await setUp(
      ({ attempt }) => {
        attempts.push(attempt);
        return attempt === 1 ? turn.promise : undefined;
      },
      { delivery: { ackAfterMs: 1 } },
    );
    await set.publish();
    turn.reject(new Error('too much for me'));
    await set.hub.until(() => set.world.logged('a handler failed').length === 1);
    await quiet();
    set.world.pass(1_000);
    await set.hub.until(() => set.store.events.length === 0);
    expect(attempts).toEqual([1, 2]);
  });

  test.each([
    ['succeeds', (turn: Deferred<void>) => turn.resolve(), 'delivered'],
    ['fails', (turn: Deferred<void>) => turn.reject(new Error('no')), 'failed'],
  ] as const)(
    'C9 whose handler %s while it is being stored is neither lost nor run twice',
    async (_what, end, counter) => {
      const turn = deferred();
      const attempts: number[] = [];
      const set = await setUp(
        ({ attempt }) => {
          attempts.push(attempt);
          return attempt === 1 ? turn.promise : undefined;
        },
        { delivery: { ackAfterMs: 1 } },
      );
      set.store.onWrite = () => end(turn);
      expect((await set.publish()).status).toBe(202);
      await expect.poll(async () => (await statsOf(set.runtime))?.[counter], { timeout: 5_000 }).toBe(1);
      await quiet();
      set.world.pass(1_000);
      await set.hub.until(() => set.store.events.length === 0);
      expect(attempts).toEqual(counter === 'failed' ? [1, 2] : [1]);
    },
  );

  test('C9 comes again after a kill -9 while the handler runs, not counted as a failure of the handler', async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const store = `lmdb://${await temporaryDirectory()}`;
    const path = fileURLToPath(new URL('fixtures/sleeping-subscriber.ts', import.meta.url));
    const child = fork(path, [topic.url, store], { execArgv: ['--import', '@oxc-node/core/register'] });
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
      { name: 'sleeping', target: topic.url, unsubscribeOnShutdown: false },
      { onEventNotification: (event) => runs.note(event) },
    );
    const runtime = await world.start(service, { store });
    onTestFinished(() => runtime.stopNow());
    world.pass(0);
    await expect.poll(() => runs.seen.length, { timeout: 5_000 }).toBe(1);
    expect(runs.seen).toEqual([{ ...seen, attempt: 1, at: world.now, text: 'still here' }]);
  }, 60_000);
});
