import type { Keyv } from 'keyv';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber, type SubscriberOptions } from '../../kit/start-subscriber.js';

/** The default timeout of one store operation, in milliseconds. */
const STORE_TIMEOUT_MS = 5_000;

type Operation = 'get' | 'set' | 'delete';

/** Store operations on events that hang until they are released. */
class HangingOperations {
  readonly hangs = new Set<Operation>();
  /** Operations hang on keys that contain this text. */
  hangsAt = 'event:';
  readonly #waiting: (() => void)[] = [];

  constructor(keyv: Keyv) {
    for (const name of ['get', 'set', 'delete'] as const) {
      const original: unknown = keyv[name];
      const hangingOperation = async (key: string, value: unknown): Promise<unknown> => {
        if (this.hangs.has(name) && key.includes(this.hangsAt)) {
          await new Promise<void>((resolve) => void this.#waiting.push(resolve));
        }
        return typeof original === 'function' ? original.call(keyv, key, value) : undefined;
      };
      Object.assign(keyv, { [name]: hangingOperation });
    }
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets the store perform the waiting operations. */
  async endHang(): Promise<void> {
    this.hangs.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
    await untilIdle();
  }
}

afterEach(() => void vi.useRealTimers());

/** A service whose handler fails the first time, hangs until it is released, or succeeds, depending on the text. */
async function setUp({
  endsSubscription = false,
  ...subscriberOptions
}: SubscriberOptions & { readonly endsSubscription?: boolean }) {
  const world = new FakeWorld();
  const runs: string[] = [];
  const handlerReleases: (() => void)[] = [];
  const subscriber = await startSubscriber(
    async (event) => {
      const text = event.text();
      runs.push(`${text} ${event.attempt}`);
      if (endsSubscription) throw new SubscriptionDeletedError('enough');
      if (text === 'fails' && event.attempt === 1) throw new Error('not now');
      if (text === 'slow') await new Promise<void>((resolve) => void handlerReleases.push(resolve));
    },
    { world, ...subscriberOptions },
  );
  const store = new HangingOperations(subscriber.store.keyv);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const advanceTimers = async (milliseconds: number): Promise<void> => {
    await untilIdle();
    await vi.advanceTimersByTimeAsync(milliseconds);
    await untilIdle();
  };
  const releaseHandlers = (): void => {
    for (const resolve of handlerReleases.splice(0)) resolve();
  };
  return { ...subscriber, rows: subscriber.store, store, world, runs, advanceTimers, releaseHandlers };
}

describe('a service whose store does not answer', () => {
  test.each([
    ['queued', 'queued', 'news', 0, ['news 1']],
    ['inline, when the handler fails', 'inline', 'fails', 0, ['fails 1', 'fails 1', 'fails 2']],
    ['inline, when the handler is slow', 'inline', 'slow', 5_000, ['slow 1', 'slow 1']],
  ] as const)(
    'C7 answers 503 in time, and accepts and handles the redelivery (%s)',
    async (_what, mode, body, ackAfterMs, expected) => {
      const { publish, store, rows, runs, advanceTimers, releaseHandlers, world } = await setUp({ delivery: { mode } });
      store.hangs.add('set');
      const publishing = publish(body);
      await expect.poll(() => runs.length).toBe(mode === 'queued' ? 0 : 1);
      await advanceTimers(ackAfterMs);
      await expect.poll(() => store.waiting).toBe(1);
      await advanceTimers(STORE_TIMEOUT_MS);
      const { status, headers, sent } = await publishing;
      expect(status).toBe(503);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(world.logged('delivery.not-stored')).toHaveLength(1);
      await store.endHang();
      const retried = repeatDelivery(sent);
      await expect.poll(() => runs.length).toBe(mode === 'queued' ? 1 : 2);
      await advanceTimers(ackAfterMs);
      expect((await retried).status).toBe(202);
      releaseHandlers();
      await untilIdle();
      world.advance(60_000);
      await expect.poll(() => rows.events).toEqual([]);
      expect(runs).toEqual(expected);
    },
  );

  test.each([
    ['the five seconds of the store timeout, queued', { mode: 'queued' }, 'news', 0, 5_000],
    ['the five seconds of the store timeout, inline, when the handler fails', { mode: 'inline' }, 'fails', 0, 5_000],
    ['nine seconds in all, inline, when the handler is slow', { mode: 'inline' }, 'slow', 5_000, 9_000],
    ['nine seconds in all, when `ackAfterMs` is eight', { mode: 'inline', ackAfterMs: 8_000 }, 'slow', 8_000, 9_000],
    ['21 seconds in all, when `ackAfterMs` is 20', { mode: 'inline', ackAfterMs: 20_000 }, 'slow', 20_000, 21_000],
  ] as const)('C9 answers 503 after %s', async (_what, delivery, body, ackAfterMs, answeredAfterMs) => {
    const { publish, store, runs, advanceTimers, releaseHandlers } = await setUp({ delivery });
    store.hangs.add('set');
    let status: number | undefined = 0;
    const publishing = publish(body).then((answer) => (status = answer.status));
    await expect.poll(() => runs.length).toBe(delivery.mode === 'queued' ? 0 : 1);
    await advanceTimers(ackAfterMs);
    await expect.poll(() => store.waiting).toBe(1);
    // Polling lets a little time pass, too.
    await advanceTimers(answeredAfterMs - ackAfterMs - 500);
    expect(status).toBe(0);
    await advanceTimers(500);
    expect(await publishing).toBe(503);
    await store.endHang();
    releaseHandlers();
  });

  test('C9 answers 503 after `security.storeTimeoutMs`', async () => {
    const options = { security: { storeTimeoutMs: 100 } };
    const { publish, store, advanceTimers } = await setUp({ delivery: { mode: 'queued' }, options });
    store.hangs.add('set');
    const publishing = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await advanceTimers(100);
    expect((await publishing).status).toBe(503);
    await store.endHang();
  });

  test('C9 answers 503 in time when a handler throws a SubscriptionDeletedError', async () => {
    const { publish, store, advanceTimers } = await setUp({ delivery: {}, endsSubscription: true });
    store.hangsAt = 'subscription:';
    store.hangs.add('set');
    const publishing = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await advanceTimers(STORE_TIMEOUT_MS);
    expect((await publishing).status).toBe(503);
    await store.endHang();
  });

  test('C7 removes an event that was stored after the timeout, because the hub sends that event again', async () => {
    const subscriber = await setUp({ delivery: { mode: 'queued', order: 'subscription' } });
    const { publish, store, rows, runs, advanceTimers, world, runtime, startAgain } = subscriber;
    store.hangs.add('set');
    const publishing = publish('one');
    await expect.poll(() => store.waiting).toBe(1);
    await advanceTimers(STORE_TIMEOUT_MS);
    const { sent } = await publishing;
    await store.endHang();
    expect(rows.events).toHaveLength(1);
    expect((await repeatDelivery(sent)).status).toBe(202);
    expect((await publish('two')).status).toBe(202);
    await expect.poll(() => rows.events.length).toBe(1);
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    const stopping = runtime.stop();
    await advanceTimers(30_000);
    await stopping;
    vi.useRealTimers();
    await startAgain();
    world.advance(DAY_MS);
    await untilIdle();
    expect(runs).toEqual(['one 1', 'two 1']);
  });

  test('C7 retries the timed-out read of an event a minute later, and loses no event', async () => {
    const { publish, store, rows, runs, advanceTimers, world } = await setUp({ delivery: { mode: 'queued' } });
    expect((await publish('fails')).status).toBe(202);
    await expect.poll(() => world.logged('event.retry-scheduled').length).toBe(1);
    store.hangs.add('get');
    world.advance(5_000);
    await expect.poll(() => store.waiting).toBe(1);
    await advanceTimers(STORE_TIMEOUT_MS);
    expect(world.logged('event.read-failed')).toHaveLength(1);
    await store.endHang();
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['fails 1', 'fails 2']);
  });

  test('C9 retries the timed-out removal of a handled event, and does not deliver the event again', async () => {
    const { publish, store, rows, runs, advanceTimers, world } = await setUp({ delivery: { mode: 'queued' } });
    store.hangs.add('delete');
    expect((await publish()).status).toBe(202);
    await expect.poll(() => store.waiting).toBe(1);
    await advanceTimers(STORE_TIMEOUT_MS);
    expect(world.logged('event.result-not-stored')).toHaveLength(1);
    await store.endHang();
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['news 1']);
  });

  test.each([
    ['queued', 'set', 'news', [], ['news 1']],
    ['queued', 'get', 'news', ['news 1'], ['news 1']],
    ['queued', 'delete', 'news', ['news 1'], []],
    ['inline', 'set', 'slow', ['slow 1'], ['slow 1']],
  ] as const)(
    'C9 stops although a store operation hangs, and delivers stored events after the next start (%s, `%s`)',
    async (mode, operation, body, runsBefore, runsAfter) => {
      const { publish, store, rows, runs, advanceTimers, releaseHandlers, world, runtime, startAgain } = await setUp({
        delivery: { mode },
      });
      expect((await publish('before')).status).toBe(202);
      await expect.poll(() => rows.events.length).toBe(0);
      // A write starts with a read.
      if (operation === 'get') rows.onWrite = () => void store.hangs.add('get');
      else store.hangs.add(operation);
      const published = publish(body);
      const isInline = mode === 'inline';
      await expect.poll(() => runs).toEqual(['before 1', ...runsBefore]);
      await advanceTimers(isInline ? 5_000 : 0);
      await expect.poll(() => store.waiting).toBe(1);
      const stop = { hasEnded: false };
      const stopping = runtime.stop().then(() => (stop.hasEnded = true));
      // The grace period, and the last steps after it.
      for (let second = 0; second < 22 && !stop.hasEnded; second += 1) await advanceTimers(1_000);
      expect(stop.hasEnded).toBe(true);
      await stopping;
      expect((await published).status).toBe(operation === 'set' ? 503 : 202);
      vi.useRealTimers();
      rows.onWrite = () => {};
      await store.endHang();
      // An event answered with 503 is stored now. An event whose removal hung is gone.
      expect(rows.events).toHaveLength(runsAfter.length);
      await startAgain();
      world.advance(DAY_MS);
      const allRuns = ['before 1', ...runsBefore, ...runsAfter];
      await expect.poll(() => runs).toEqual(allRuns);
      releaseHandlers();
      await expect.poll(() => rows.events.length).toBe(0);
      await untilIdle();
      expect(runs).toEqual(allRuns);
    },
  );
});
