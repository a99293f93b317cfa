import type { Keyv } from 'keyv';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { FakeWorld } from '../kit/fake-world.js';
import { again, DAY_MS, quiet, setUp, type SetUp } from '../kit/news-service.js';

/** What one operation of a store may take. */
const STORE_MS = 5_000;

type Operation = 'get' | 'set' | 'delete';

/** Operations on events that do not answer, and are not done, before they are let go. */
class Standstill {
  readonly hangs = new Set<Operation>();
  /** Those on keys with this in them. */
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

  /** The store goes on, and does what it was asked meanwhile. */
  async end(): Promise<void> {
    this.hangs.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
    await quiet();
  }
}

afterEach(() => void vi.useRealTimers());

/** A service whose handler fails the first time, hangs until it is let go, or succeeds, by what it gets. */
async function standstill({ ends = false, ...given }: SetUp & { readonly ends?: boolean }) {
  const world = new FakeWorld();
  const runs: string[] = [];
  const released: (() => void)[] = [];
  const set = await setUp(
    async (event) => {
      const text = event.text();
      runs.push(`${text} ${event.attempt}`);
      if (ends) throw new SubscriptionDeletedError('enough');
      if (text === 'fails' && event.attempt === 1) throw new Error('not now');
      if (text === 'slow') await new Promise<void>((resolve) => void released.push(resolve));
    },
    { world, ...given },
  );
  const store = new Standstill(set.store.keyv);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const pass = async (milliseconds: number): Promise<void> => {
    await quiet();
    await vi.advanceTimersByTimeAsync(milliseconds);
    await quiet();
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
    'C7 %s: the hub is told 503 in time, and what it sends again is taken, and handled',
    async (_what, mode, body, ackAfterMs, expected) => {
      const { publish, store, rows, runs, pass, release, world } = await standstill({ delivery: { mode } });
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
      const retried = again(sent);
      await expect.poll(() => runs.length).toBe(mode === 'queued' ? 1 : 2);
      await pass(ackAfterMs);
      expect((await retried).status).toBe(202);
      release();
      await quiet();
      world.pass(60_000);
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
    const { publish, store, runs, pass, release } = await standstill({ delivery });
    store.hangs.add('set');
    let status: number | undefined = 0;
    const refused = publish(body).then((answer) => (status = answer.status));
    await expect.poll(() => runs.length).toBe(delivery.mode === 'queued' ? 0 : 1);
    await pass(ackAfterMs);
    await expect.poll(() => store.waiting).toBe(1);
    // Polling lets a little time pass as well.
    await pass(answeredAfterMs - ackAfterMs - 500);
    expect(status).toBe(0);
    await pass(500);
    expect(await refused).toBe(503);
    await store.end();
    release();
  });

  test('C9 the store has no longer than `security.storeTimeoutMs`', async () => {
    const options = { security: { storeTimeoutMs: 100 } };
    const { publish, store, pass } = await standstill({ delivery: { mode: 'queued' }, options });
    store.hangs.add('set');
    const refused = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await pass(100);
    expect((await refused).status).toBe(503);
    await store.end();
  });

  test('C9 the end of a subscription that hangs is answered in time, too', async () => {
    const { publish, store, pass } = await standstill({ delivery: {}, ends: true });
    store.hangsAt = 'subscription:';
    store.hangs.add('set');
    const refused = publish();
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect((await refused).status).toBe(503);
    await store.end();
  });

  test('C7 what it took later than it was waited for is taken back: it would come after what the hub sent instead', async () => {
    const set = await standstill({ delivery: { mode: 'queued', order: 'subscription' } });
    const { publish, store, rows, runs, pass, world, runtime, startAgain } = set;
    store.hangs.add('set');
    const refused = publish('one');
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    const { sent } = await refused;
    await store.end();
    expect(rows.events).toHaveLength(1);
    expect((await again(sent)).status).toBe(202);
    expect((await publish('two')).status).toBe(202);
    await expect.poll(() => rows.events.length).toBe(1);
    world.pass(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    const stopped = runtime.stop();
    await pass(30_000);
    await stopped;
    vi.useRealTimers();
    await startAgain();
    world.pass(DAY_MS);
    await quiet();
    expect(runs).toEqual(['one 1', 'two 1']);
  });

  test('C7 when an event is to be read: it is tried again in a minute, and is not lost', async () => {
    const { publish, store, rows, runs, pass, world } = await standstill({ delivery: { mode: 'queued' } });
    expect((await publish('fails')).status).toBe(202);
    await expect.poll(() => world.logged('the event is kept').length).toBe(1);
    store.hangs.add('get');
    world.pass(5_000);
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect(world.logged('a stored event cannot be read now')).toHaveLength(1);
    await store.end();
    world.pass(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['fails 1', 'fails 2']);
  });

  test('C9 when a handled event is to be removed: it is removed later, and not handed over again', async () => {
    const { publish, store, rows, runs, pass, world } = await standstill({ delivery: { mode: 'queued' } });
    store.hangs.add('delete');
    expect((await publish()).status).toBe(202);
    await expect.poll(() => store.waiting).toBe(1);
    await pass(STORE_MS);
    expect(world.logged('how a handler ended cannot be stored')).toHaveLength(1);
    await store.end();
    world.pass(60_000);
    await expect.poll(() => rows.events.length).toBe(0);
    expect(runs).toEqual(['news 1']);
  });

  test.each([
    ['queued', 'set', 'queued', 'news'],
    ['queued', 'get', 'queued', 'news'],
    ['queued', 'delete', 'queued', 'news'],
    ['inline', 'set', 'inline', 'slow'],
  ] as const)(
    'C9 %s, to %s: a stop ends all the same, and what was acknowledged is handed over at the next start',
    async (_what, operation, mode, body) => {
      const { publish, store, rows, runs, pass, release, world, runtime, startAgain } = await standstill({
        delivery: { mode },
      });
      expect((await publish('before')).status).toBe(202);
      await expect.poll(() => rows.events.length).toBe(0);
      // A write begins with a read.
      if (operation === 'get') rows.onWrite = () => void store.hangs.add('get');
      else store.hangs.add(operation);
      const published = publish(body);
      const isInline = mode === 'inline';
      await expect.poll(() => runs.length).toBeGreaterThanOrEqual(isInline ? 2 : 1);
      await pass(isInline ? 5_000 : 0);
      await expect.poll(() => store.waiting).toBe(1);
      const end = { hasCome: false };
      const stopped = runtime.stop().then(() => (end.hasCome = true));
      // The grace, and the last steps past its end.
      for (let second = 0; second < 22 && !end.hasCome; second += 1) await pass(1_000);
      expect(end.hasCome).toBe(true);
      await stopped;
      const { status } = await published;
      expect(status).toBe(operation === 'set' ? 503 : 202);
      vi.useRealTimers();
      rows.onWrite = () => {};
      await store.end();
      // What was refused, and came late, may be there as well: it was sent, and is handed over.
      const isThere = rows.events.length === 1;
      const before = runs.length;
      await startAgain();
      world.pass(DAY_MS);
      await expect.poll(() => runs.length).toBe(before + (isThere ? 1 : 0));
      release();
      await expect.poll(() => rows.events.length).toBe(0);
      expect(isThere || status === 503 || runs.includes(`${body} 1`)).toBe(true);
    },
  );
});
