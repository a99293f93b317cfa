import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { quiet, throws } from '../kit/news-service.js';
import { atom, publisherAt, type Written } from '../kit/publisher.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LOGGED = 'content was answered 503';

interface Options {
  readonly delivery?: DeliveryConfig;
  readonly handle?: (event: ContentDistributionMessage) => unknown;
}

/** A publisher, its hub, and a service whose content is refused now and then. */
async function setUp({ delivery = {}, handle = () => {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const old: Written = { id: 'old', at: world.now - 30 * DAY };
  const published = [old];
  const publisher = await publisherAt(hub, atom(published));
  const store = new FaultyStore();
  const got: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: 'a shared one', unsubscribeOnShutdown: false, delivery },
    {
      onEventNotification: async (event) => {
        await handle(event);
        const entries = await event.entries();
        got.push(...entries.map(({ id }) => `${event.source}: ${id}`));
      },
    },
  );
  let runtime: SubscriberRuntime | undefined;
  const start = async (): Promise<void> => {
    const started = await world.start(service, { store: store.keyv, port: runtime?.port ?? 0 });
    onTestFinished(() => started.stopNow());
    runtime = started;
    await started.ready({ timeoutMs: 5_000 });
    await settle();
  };
  const settle = async (): Promise<void> => {
    await quiet();
    await hub.settled();
    await quiet();
  };
  await start();
  return {
    world,
    hub,
    publisher,
    store,
    got,
    start,
    stop: async () => await runtime?.stop(),
    stopNow: async () => await runtime?.stopNow(),
    settle,
    /** Time passes in steps, as it does. */
    async pass(milliseconds: number): Promise<void> {
      const step = 10_000;
      for (let left = milliseconds; left > 0; left -= step) {
        world.pass(Math.min(step, left));
        await settle();
      }
    },
    /** An entry is published; the hub delivers it, and is answered this. */
    async publish(id: string): Promise<number | undefined> {
      const entry: Written = { id, at: world.now };
      published.push(entry);
      publisher.body = atom(published);
      const [delivery] = await hub.distribute(publisher.url, atom([entry]), { contentType: 'application/atom+xml' });
      return delivery?.status;
    },
    stats: async () => (await runtime?.subscriptions.find())?.[0]?.stats,
    asks: () => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length,
    /** Since when the store says that something is missing. */
    gap(): unknown {
      const row = [...store].find(([key]) => key.includes(':subscription:'))?.[1];
      return JSON.parse(JSON.parse(String(row)).value).data.record.gapSince;
    },
  };
}

describe('C7 genuine content that is answered 503', () => {
  test('for want of room is counted, logged and noted, and made up for when there is room', async () => {
    const turn = deferred();
    const set = await setUp({ delivery: { mode: 'queued', maxPending: 1 }, handle: () => turn.promise });
    expect(await set.publish('first')).toBe(202);
    const asked = set.asks();
    const fetched = set.publisher.asked.length;
    await set.pass(MINUTE);
    const since = set.world.now;
    expect(await set.publish('second')).toBe(503);
    await set.settle();
    expect(await set.stats()).toMatchObject({ refused: 1, received: 1, rejected: 0 });
    expect(set.world.logged(LOGGED)).toMatchObject([{ level: 'warn', fields: { reason: 'too many events wait' } }]);
    expect(set.gap()).toBe(since);

    // Nothing is asked while there is no room.
    await set.pass(HOUR);
    expect([set.asks(), set.publisher.asked.length]).toEqual([asked, fetched]);
    turn.resolve();
    await set.settle();
    await set.pass(10_000);
    // Its turn comes within ten minutes: here, after five.
    await set.pass(4 * MINUTE);
    expect([set.asks(), set.publisher.asked.length]).toEqual([asked, fetched]);
    await set.pass(2 * MINUTE);
    expect(set.asks()).toBe(asked + 1);
    expect(set.got).toEqual(['hub: first', 'catch-up: second']);
    expect(set.gap()).toBe(undefined);

    // Once for this overload.
    const after = set.publisher.asked.length;
    await set.pass(2 * HOUR);
    expect([set.asks(), set.publisher.asked.length]).toEqual([asked + 1, after]);
  });

  test('and was not read counts once a minute: nobody knows whether it is genuine', async () => {
    const set = await setUp({ delivery: { mode: 'queued', maxPending: 1 }, handle: () => new Promise(() => {}) });
    expect(await set.publish('first')).toBe(202);
    for (let time = 0; time < 5; time += 1) expect(await set.publish('more')).toBe(503);
    expect(await set.stats()).toMatchObject({ refused: 1 });
    await set.pass(MINUTE);
    expect(await set.publish('more')).toBe(503);
    expect(await set.stats()).toMatchObject({ refused: 2 });
    expect(set.world.logged(LOGGED)).toHaveLength(2);
  });

  test('and was read counts each time, and is logged once a minute', async () => {
    let isBroken = true;
    const set = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    const asked = set.asks();
    set.store.faults = new Set(['set']);
    for (let time = 0; time < 3; time += 1) expect(await set.publish(`number ${time}`)).toBe(503);
    expect(await set.stats()).toMatchObject({ refused: 3 });
    expect(set.world.logged(LOGGED)).toHaveLength(1);
    set.store.faults = new Set();
    isBroken = false;
    await set.pass(6 * MINUTE);
    expect(set.got).toEqual(['catch-up: number 0', 'catch-up: number 1', 'catch-up: number 2']);
    expect(set.asks()).toBe(asked + 1);
  });

  test('while the store takes nothing at all is noted as soon as it does', async () => {
    let isBroken = true;
    const set = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    set.store.onAnyWrite = () => throws(new Error('the store is down'));
    expect(await set.publish('news')).toBe(503);
    await set.pass(10 * MINUTE);
    expect(set.gap()).toBe(undefined);
    expect(set.got).toEqual([]);
    set.store.onAnyWrite = () => {};
    isBroken = false;
    await set.pass(MINUTE);
    expect(set.gap()).toEqual(expect.any(Number));
    await set.pass(6 * MINUTE);
    expect(set.got).toEqual(['catch-up: news']);
    expect(set.gap()).toBe(undefined);
  });

  test('is made up for at the next start, where the process ended before', async () => {
    let isBroken = true;
    const set = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    set.store.faults = new Set(['set']);
    expect(await set.publish('news')).toBe(503);
    await set.settle();
    set.store.faults = new Set();
    await set.stop();
    isBroken = false;
    await set.start();
    await set.pass(MINUTE);
    expect(set.got).toEqual(['catch-up: news']);
    expect(await set.stats()).toMatchObject({ refused: 1 });
  });

  test('is renewed for alone where topics are not fetched', async () => {
    const set = await setUp({ delivery: { catchUp: false }, handle: () => throws(new Error('not now')) });
    const asked = set.asks();
    set.store.faults = new Set(['set']);
    expect(await set.publish('news')).toBe(503);
    set.store.faults = new Set();
    await set.pass(6 * MINUTE);
    expect(set.asks()).toBe(asked + 1);
    expect(set.gap()).toBe(undefined);
    expect(set.got).toEqual([]);
  });

  test('goes on waiting where its turn finds no room again', async () => {
    const turns = [deferred(), deferred()];
    let handled = 0;
    const set = await setUp({
      delivery: { mode: 'queued', maxPending: 1 },
      handle: (event) => (event.source === 'hub' ? turns[handled++]?.promise : undefined),
    });
    const asked = set.asks();
    await set.publish('first');
    expect(await set.publish('second')).toBe(503);
    turns[0]?.resolve();
    await set.pass(MINUTE);
    expect(await set.publish('third')).toBe(202);
    await set.pass(HOUR);
    expect(set.asks()).toBe(asked);
    turns[1]?.resolve();
    await set.pass(6 * MINUTE);
    expect(set.asks()).toBe(asked + 1);
    expect(set.got).toContain('catch-up: second');
  });
});

describe('C7 `maxPendingBytes`', () => {
  test('is what events may come to that wait; past it the hub is told 503, also after a restart', async () => {
    const turn = deferred();
    const set = await setUp({
      delivery: { mode: 'queued', maxPendingBytes: 100 },
      handle: () => turn.promise,
    });
    expect(await set.publish('larger than that alone')).toBe(202);
    expect(await set.publish('more')).toBe(503);
    await set.stopNow();
    await set.start();
    expect(await set.publish('more')).toBe(503);
    turn.resolve();
    await set.pass(10_000);
    expect(await set.publish('enough')).toBe(202);
  });
});
