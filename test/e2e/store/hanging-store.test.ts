import type { Keyv } from 'keyv';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { repeatDelivery } from '../../kit/repeat-delivery.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber, type SubscriberOptions } from '../../kit/start-subscriber.js';

/** The timeout of one store operation, in milliseconds. */
const STORE_MS = 5_000;

type Operation = 'get' | 'set' | 'delete';

/** Store operations on events that hang until they are released. */
class HangingOperations {
  readonly hangs = new Set<Operation>();
  /** Operations hang on keys that contain this text. */
  hangsAt = 'event:';
  readonly #waiting: (() => void)[] = [];

  constructor(keyv: Keyv) {
    for (const name of ['get', 'set', 'delete'] as const) {
      const done: unknown = keyv[name];
      const act = async (key: string, value: unknown): Promise<unknown> => {
        if (this.hangs.has(name) && key.includes(this.hangsAt)) {
          await new Promise<void>((resolve) => void this.#waiting.push(resolve));
        }
        return typeof done === 'function' ? done.call(keyv, key, value) : undefined;
      };
      Object.assign(keyv, { [name]: act });
    }
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Ends the hang: the store performs the waiting operations. */
  async end(): Promise<void> {
    this.hangs.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
    await untilIdle();
  }
}

afterEach(() => void vi.useRealTimers());

/** A service with a handler that fails the first time, hangs until it is released, or succeeds, depending on the text. */
async function setUp({ ends = false, ...given }: SubscriberOptions & { readonly ends?: boolean }) {
  const world = new FakeWorld();
  const runs: string[] = [];
  const released: (() => void)[] = [];
  const set = await startSubscriber(
    async (event) => {
      const text = event.text();
      runs.push(`${text} ${event.attempt}`);
      if (ends) throw new SubscriptionDeletedError('enough');
      if (text === 'fails' && event.attempt === 1) throw new Error('not now');
      if (text === 'slow') await new Promise<void>((resolve) => void released.push(resolve));
    },
    { world, ...given },
  );
  const store = new HangingOperations(set.store.keyv);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const pass = async (milliseconds: number): Promise<void> => {
    await untilIdle();
    await vi.advanceTimersByTimeAsync(milliseconds);
    await untilIdle();
  };
  const release = (): void => {
    for (const resolve of released.splice(0)) resolve();
  };
  return { ...set, rows: set.store, store, world, runs, pass, release };
}

describe('a store that does not answer', () => {
  test.each([
    ['queued', 'queued', 'news', 0, ['news 1']],
    ['inline, when the handler fails', 'inline', 'fails', 0, ['fails 1', 'fails 1', 'fails 2']],
    ['inline, when the handler is slow', 'inline', 'slow', 5_000, ['slow 1', 'slow 1']],
  ] as const)(
    'C7 %s: the hub gets 503 in time, and its redelivery is accepted and handled',
    async (_what, mode, body, ackAfterMs, expected) => {
      const { publish, store, rows, runs, pass, release, world } = await setUp({ delivery: { mode } });
      store.hangs.add('set');
      const refused = publish(body);
      await expect.poll(() => runs.length).toBe(mode === 'queued' ? 0 : 1);
      await pass(ackAfterMs);
      await expect.poll(() => store.waiting).toBe(1);
      await pass(STORE_MS);
      const { status, headers, sent } = await refused;
      expect(status).toBe(503);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(world.logged('an event cannot be stored: 503')).toHaveLength(1);
      await store.end();
      const retried = repeatDelivery(sent);
      await expect.poll(() => runs.length).toBe(mode === 'queued' ? 1 : 2);
      await pass(ackAfterMs);
      expect((await retried).status).toBe(202);
      release();
      await untilIdle();
      world.advance(60_000);
      await expect.poll(() => rows.events).toEqual([]);
      expect(runs).toEqual(expected);
    },
  );

  test.each([
    ['queued: the store has its five seconds', { mode: 'queued' }, 'news', 0, 5_000],
    ['inline, when the handler fails: the store has its five seconds', { mode: 'inline' }, 'fails', 0, 5_000],
    ['inline, when the handler is slow: the store has what is left of nine', { mode: 'inline' }, 'slow', 5_000, 9_000],
    ['inline, when the handler has eight seconds', { mode: 'inline', ackAfterMs: 8_000 }, 'slow', 8_000, 9_000],
    ['inline, when it has twenty: one more', { mode: 'inline', ackAfterMs: 20_000 }, 'slow', 20_000, 21_000],
  ] as const)('C9 %s', async (_what, delivery, body, ackAfterMs, answeredAfterMs) => {
    const { publish, store, runs, pass, release } = await setUp({ delivery });
    store.hangs.add('set');
    let status: number | undefined = 0;
    const refused = publish(body).then((answer) => (status = answer.status));
    await expect.poll(() => runs.length).toBe(delivery.mode === 'queued' ? 0 : 1);
    await pass(ackAfterMs);
    await expect.poll(() => store.waiting).toBe(1);
    // Polling lets a little time pass, too.
    await pass(answeredAfterMs - ackAfterMs - 500);
    expect(status).toBe(0);
    await pass(500);
    expect(await refused).toBe(503);
    await store.end();
    release();
  });

  test('C9 a store operation ends at `security.storeTimeoutMs`', async () => {
    const options = { security: { storeTimeoutMs: 100 } };
    const { publish, store, pass } = await setUp({ delivery: { mode: 'queued' }, options });
    store.hangs.add('set');
    const refused = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await pass(100);
    expect((await refused).status).toBe(503);
    await store.end();
  });

  test('C9 a SubscriptionDeletedError is answered in time although the store hangs', async () => {
    const { publish, store, pass } = await setUp({ delivery: {}, ends: true });
    store.hangsAt = 'subscription:';
    store.hangs.add('set');
    const refused = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect((await refused).status).toBe(503);
    await store.end();
  });

  test('C7 an event stored after the timeout is removed, because the hub sends it again', async () => {
    const set = await setUp({ delivery: { mode: 'queued', order: 'subscription' } });
    const { publish, store, rows, runs, pass, world, runtime, startAgain } = set;
    store.hangs.add('set');
    const refused = publish('one');
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    const { sent } = await refused;
    await store.end();
    expect(rows.events).toHaveLength(1);
    expect((await repeatDelivery(sent)).status).toBe(202);
    expect((await publish('two')).status).toBe(202);
    await expect.poll(() => rows.events.length).toBe(1);
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    const stopped = runtime.stop();
    await pass(30_000);
    await stopped;
    vi.useRealTimers();
    await startAgain();
    world.advance(DAY_MS);
    await untilIdle();
    expect(runs).toEqual(['one 1', 'two 1']);
  });

  test('C7 while an event is read: the read is retried in a minute, and no event is lost', async () => {
    const { publish, store, rows, runs, pass, world } = await setUp({ delivery: { mode: 'queued' } });
    expect((await publish('fails')).status).toBe(202);
    await expect.poll(() => world.logged('the event is kept').length).toBe(1);
    store.hangs.add('get');
    world.advance(5_000);
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect(world.logged('a stored event cannot be read now')).toHaveLength(1);
    await store.end();
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['fails 1', 'fails 2']);
  });

  test('C9 while a handled event is removed: it is removed later, and not delivered again', async () => {
    const { publish, store, rows, runs, pass, world } = await setUp({ delivery: { mode: 'queued' } });
    store.hangs.add('delete');
    expect((await publish()).status).toBe(202);
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect(world.logged('how a handler ended cannot be stored')).toHaveLength(1);
    await store.end();
    world.advance(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['news 1']);
  });

  test.each([
    ['queued', 'set', 'queued', 'news'],
    ['queued', 'get', 'queued', 'news'],
    ['queued', 'delete', 'queued', 'news'],
    ['inline', 'set', 'inline', 'slow'],
  ] as const)(
    'C9 %s, in %s: a stop still ends, and acknowledged events are delivered after the next start',
    async (_what, operation, mode, body) => {
      const { publish, store, rows, runs, pass, release, world, runtime, startAgain } = await setUp({
        delivery: { mode },
      });
      expect((await publish('before')).status).toBe(202);
      await expect.poll(() => rows.events.length).toBe(0);
      // A write starts with a read.
      if (operation === 'get') rows.onWrite = () => void store.hangs.add('get');
      else store.hangs.add(operation);
      const published = publish(body);
      const isInline = mode === 'inline';
      await expect.poll(() => runs.length).toBeGreaterThanOrEqual(isInline ? 2 : 1);
      await pass(isInline ? 5_000 : 0);
      await expect.poll(() => store.waiting).toBe(1);
      const end = { hasCome: false };
      const stopped = runtime.stop().then(() => (end.hasCome = true));
      // The grace period, and the last steps after it.
      for (let second = 0; second < 22 && !end.hasCome; second += 1) await pass(1_000);
      expect(end.hasCome).toBe(true);
      await stopped;
      const { status } = await published;
      expect(status).toBe(operation === 'set' ? 503 : 202);
      vi.useRealTimers();
      rows.onWrite = () => {};
      await store.end();
      // An event that was refused may be stored late. It was sent, so it is delivered.
      const isThere = rows.events.length === 1;
      const before = runs.length;
      await startAgain();
      world.advance(DAY_MS);
      await expect.poll(() => runs.length).toBe(before + (isThere ? 1 : 0));
      release();
      await expect.poll(() => rows.events.length).toBe(0);
      expect(isThere || status === 503 || runs.includes(`${body} 1`)).toBe(true);
    },
  );
});
