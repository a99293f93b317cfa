import { describe, expect, test } from 'vitest';
import { type ContentDistributionMessage, type HookPayload } from 'websub-subscriber';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { HandlerRuns } from '../../kit/handler-runs.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { throws } from '../../kit/throws.js';

describe('an event whose handler fails', () => {
  test('C7 is stored before the 202, and retried with growing waits until a run succeeds', async () => {
    const world = new FakeWorld();
    const startedAt = world.now;
    const runs = new HandlerRuns(world);
    const { hub, store, publish, runtime } = await startSubscriber(
      (event) => {
        runs.note(event);
        if (event.attempt < 4) throw new Error(`failure ${event.attempt}`);
      },
      { world },
    );
    const answer = { isReceived: false, writesBefore: 0 };
    store.onWrite = () => {
      answer.writesBefore += answer.isReceived ? 0 : 1;
    };
    const { status } = await publish('news é');
    answer.isReceived = true;
    expect({ status, writesBefore: answer.writesBefore, stored: store.events.length }).toEqual({
      status: 202,
      writesBefore: 1,
      stored: 1,
    });

    for (const [wait, expected] of [
      [999, 1],
      [1, 2],
      [1_999, 2],
      [1, 3],
      [3_999, 3],
      [1, 4],
    ] as const) {
      world.advance(wait);
      await untilIdle();
      expect(runs.calls).toHaveLength(expected);
    }
    await hub.until(() => store.events.length === 0);
    const [first] = runs.calls;
    expect(runs.calls).toEqual(
      [0, 1_000, 3_000, 7_000].map((offset, index) => ({
        ...first,
        attempt: index + 1,
        at: startedAt + offset,
        text: 'news é',
      })),
    );
    world.advance(DAY_MS);
    await untilIdle();
    expect(runs.calls).toHaveLength(4);
    expect(await statsOf(runtime)).toMatchObject({ received: 1, delivered: 1, failed: 3 });
  });

  test('C7 is the same event in every run, except for attempt and signal', async () => {
    const world = new FakeWorld();
    const runs = new HandlerRuns(world);
    const { hub, publish } = await startSubscriber(
      (event) => {
        runs.note(event);
        if (event.attempt === 1) throw new Error('not now');
      },
      { world },
    );
    await publish('{"a":1}');
    world.advance(1_000);
    await hub.until(() => runs.events.length === 2);
    const [first, second] = runs.events;
    const fieldsOf = (event: ContentDistributionMessage | undefined) =>
      event && {
        id: event.id,
        digest: event.digest,
        headers: [...event.headers],
        contentType: event.contentType,
        links: event.links,
        receivedAt: event.receivedAt,
        source: event.source,
        raw: event.raw,
        grant: event.grant.id,
        subscription: event.subscription.id,
      };
    expect(fieldsOf(second)).toEqual(fieldsOf(first));
    expect(second?.raw.constructor).toBe(first?.raw.constructor);
    expect(second?.receivedAt).toEqual(new Date(world.now - 1_000));
    expect([first?.attempt, second?.attempt]).toEqual([1, 2]);
    expect(second?.signal).not.toBe(first?.signal);
    expect([first?.signal.aborted, second?.signal.aborted]).toEqual([false, false]);
  });

  test('C7 becomes a dead letter after retryForSeconds, which is stored, reported once, and not retried', async () => {
    const attempts: number[] = [];
    const subscriber = await startSubscriber(
      ({ attempt }) => {
        attempts.push(attempt);
        throw new Error(`failure ${attempt}`);
      },
      { delivery: { retryForSeconds: 5, maxPending: 1 } },
    );
    const hookCalls: HookPayload[] = [];
    subscriber.runtime.hooks.on('dead-letter', (payload) => hookCalls.push(payload));
    await subscriber.publish('the last of its kind');
    for (const wait of [1_000, 2_000, 2_000]) {
      subscriber.world.advance(wait);
      await untilIdle();
    }
    expect(attempts, 'the last attempt is at the end of retryForSeconds').toEqual([1, 2, 3, 4]);
    expect(hookCalls.map(({ event, error }) => [event?.text(), event?.attempt, error?.message])).toEqual([
      ['the last of its kind', 4, 'failure 4'],
    ]);
    expect(hookCalls[0]).toMatchObject({ subscription: { service: 'news' }, grant: { topic: subscriber.topic.self } });
    expect(
      subscriber.world.logged('event.dead-lettered').map(({ level, fields }) => [level, fields['attempts']]),
    ).toEqual([['error', 4]]);
    expect(subscriber.store.events).toHaveLength(1);

    expect((await subscriber.publish()).status, 'a dead letter takes no place of maxPending').toBe(202);
    await subscriber.runtime.stop();
    await subscriber.startAgain();
    subscriber.world.advance(DAY_MS);
    await untilIdle();
    expect(attempts.filter((attempt) => attempt > 4)).toEqual([]);
    expect(subscriber.store.events).toHaveLength(2);
  });

  test('C7 is a dead letter at once if retryForSeconds is 0', async () => {
    const subscriber = await startSubscriber(() => throws(new Error('no')), { delivery: { retryForSeconds: 0 } });
    expect((await subscriber.publish()).status).toBe(202);
    expect(subscriber.world.logged('event.dead-lettered')).toHaveLength(1);
    expect(subscriber.store.events).toHaveLength(1);
  });

  test('C7 is delivered again after a restart, from disk, with the same bytes', async () => {
    const directory = temporaryDirectory();
    const world = new FakeWorld();
    const runs = new HandlerRuns(world);
    const subscriber = await startSubscriber(
      (event) => {
        runs.note(event);
        if (event.attempt === 1) throw new Error('not now');
      },
      { world, options: { store: `lmdb://${directory}` } },
    );
    await subscriber.publish('news é');
    await subscriber.runtime.stop();
    await subscriber.startAgain();
    world.advance(0);
    await untilIdle();
    expect(runs.calls).toHaveLength(1);
    world.advance(1_000);
    await subscriber.hub.until(() => runs.calls.length === 2);
    const [first, second] = runs.events;
    expect(runs.calls.map(({ id, attempt, text }) => [id, attempt, text])).toEqual([
      [first?.id, 1, 'news é'],
      [first?.id, 2, 'news é'],
    ]);
    expect(second?.raw).toEqual(first?.raw);
    expect(second?.digest).toBe(first?.digest);
    await subscriber.runtime.stop();
  });

  test('C7 takes a place in the inbox, which answers 503 with Retry-After while it is full', async () => {
    let isOpen = false;
    const subscriber = await startSubscriber(
      () => {
        if (!isOpen) throw new Error('closed');
      },
      { delivery: { maxPending: 2 } },
    );
    expect((await subscriber.publish('one')).status).toBe(202);
    expect((await subscriber.publish('two')).status).toBe(202);
    const full = await subscriber.publish('three');
    expect(full.status).toBe(503);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(full.body).toMatch(/^reason=/);
    isOpen = true;
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect((await subscriber.publish('three')).status).toBe(202);
  });

  test('C7 is retried while at most `concurrency` events run at the same time', async () => {
    const waitingRuns: Deferred<void>[] = [];
    let mostWaiting = 0;
    const subscriber = await startSubscriber(
      async ({ attempt }) => {
        if (attempt === 1) throw new Error('not now');
        const handlerRun = deferred();
        waitingRuns.push(handlerRun);
        mostWaiting = Math.max(mostWaiting, waitingRuns.length);
        await handlerRun.promise;
      },
      { delivery: { concurrency: 2 } },
    );
    for (const body of ['one', 'two', 'three', 'four', 'five']) await subscriber.publish(body);
    subscriber.world.advance(1_000);
    while (subscriber.store.events.length > 0) {
      await subscriber.hub.until(() => waitingRuns.length === Math.min(2, subscriber.store.events.length));
      await untilIdle();
      const countBefore = subscriber.store.events.length;
      waitingRuns.shift()?.resolve();
      await subscriber.hub.until(() => subscriber.store.events.length === countBefore - 1);
    }
    expect(mostWaiting).toBe(2);
  });
});

test('C7 each event has its own id, and equal content has equal digests', async () => {
  const world = new FakeWorld();
  const runs = new HandlerRuns(world);
  const { publish } = await startSubscriber((event) => runs.note(event), { world });
  await publish('one');
  await publish('one');
  await publish('two');
  expect(new Set(runs.events.map(({ id }) => id)).size).toBe(3);
  const [one, same, two] = runs.events.map(({ digest }) => digest);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(same).toBe(one);
  expect(two).not.toBe(one);
});

describe('hooks', () => {
  test('report the event, each failed run, and the successful run, until they are removed', async () => {
    const subscriber = await startSubscriber(({ attempt }) => {
      if (attempt === 1) throw new Error('not now');
    });
    const hookCalls: string[] = [];
    const note = (name: string) => (payload: HookPayload) =>
      hookCalls.push(
        `${name} ${payload.event?.text()} ${payload.event?.attempt} ${payload.error?.message} ${payload.at.getTime() - begin}`,
      );
    const begin = subscriber.world.now;
    const removals = (['notification', 'handler-error', 'delivered'] as const).map((name) =>
      subscriber.runtime.hooks.on(name, note(name)),
    );
    await subscriber.publish();
    subscriber.world.advance(1_000);
    await subscriber.hub.until(() => subscriber.store.events.length === 0);
    expect(hookCalls).toEqual([
      'notification news 1 undefined 0',
      'handler-error news 1 not now 0',
      'delivered news 2 undefined 1000',
    ]);
    for (const remove of removals) remove();
    await subscriber.publish();
    expect(hookCalls).toHaveLength(3);
  });

  test('report with `rejected` why content was not delivered', async () => {
    let runs = 0;
    const subscriber = await startSubscriber(() => void (runs += 1));
    const hookCalls: HookPayload[] = [];
    subscriber.runtime.hooks.on('rejected', (payload) => hookCalls.push(payload));
    subscriber.hub.configure({ signature: 'missing' });
    expect((await subscriber.publish()).status).toBe(403);
    expect(hookCalls.map(({ error, event }) => [error?.name, event])).toEqual([['SignatureError', undefined]]);
    expect(runs).toBe(0);
  });
});
