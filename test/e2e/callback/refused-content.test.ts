import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilSettled } from '../../kit/until-idle.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher, type WrittenEntry } from '../../kit/publisher.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { startHub } from '../../kit/start-hub.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LOGGED = 'content was answered 503';

interface Options {
  readonly delivery?: DeliveryConfig;
  readonly handle?: (event: ContentDistributionMessage) => unknown;
}

/** A publisher, its hub, and a service that refuses content at times. */
async function setUp({ delivery = {}, handle = () => {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const old: WrittenEntry = { id: 'old', at: world.now - 30 * DAY };
  const published = [old];
  const publisher = await startPublisher(hub, atom(published));
  const store = new FaultyStore();
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: 'a shared one', unsubscribeOnShutdown: false, delivery },
    {
      onEventNotification: async (event) => {
        await handle(event);
        const entries = await event.entries();
        received.push(...entries.map(({ id }) => `${event.source}: ${id}`));
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
  const settle = (): Promise<void> => untilSettled(hub);
  await start();
  return {
    world,
    hub,
    publisher,
    store,
    received,
    start,
    stop: async () => await runtime?.stop(),
    stopNow: async () => await runtime?.stopNow(),
    settle,
    /** Advances the clock in steps. */
    async pass(milliseconds: number): Promise<void> {
      const step = 10_000;
      for (let remaining = milliseconds; remaining > 0; remaining -= step) {
        world.advance(Math.min(step, remaining));
        await settle();
      }
    },
    /** Publishes an entry. Returns the status that the hub got for it. */
    async publish(id: string): Promise<number | undefined> {
      const entry: WrittenEntry = { id, at: world.now };
      published.push(entry);
      publisher.body = atom(published);
      const [delivery] = await hub.distribute(publisher.url, atom([entry]), { contentType: 'application/atom+xml' });
      return delivery?.status;
    },
    stats: async () => (await runtime?.subscriptions.find())?.[0]?.stats,
    requestCountAtHub: () => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length,
    /** The start of the gap in the store. */
    gap(): unknown {
      const row = [...store].find(([key]) => key.includes(':subscription:'))?.[1];
      return JSON.parse(JSON.parse(String(row)).value).data.record.gapSince;
    },
  };
}

describe('C7 genuine content that is answered 503', () => {
  test('for lack of room is counted, logged and stored, and caught up once there is room', async () => {
    const handlerRun = deferred();
    const set = await setUp({ delivery: { mode: 'queued', maxPending: 1 }, handle: () => handlerRun.promise });
    expect(await set.publish('first')).toBe(202);
    const requestCount = set.requestCountAtHub();
    const fetched = set.publisher.requests.length;
    await set.pass(MINUTE);
    const since = set.world.now;
    expect(await set.publish('second')).toBe(503);
    await set.settle();
    expect(await set.stats()).toMatchObject({ refused: 1, received: 1, rejected: 0 });
    expect(set.world.logged(LOGGED)).toMatchObject([{ level: 'warn', fields: { reason: 'too many events wait' } }]);
    expect(set.gap()).toBe(since);

    // No request while there is no room.
    await set.pass(HOUR);
    expect([set.requestCountAtHub(), set.publisher.requests.length]).toEqual([requestCount, fetched]);
    handlerRun.resolve();
    await set.settle();
    await set.pass(10_000);
    // Its catch-up comes within ten minutes: here, after five.
    await set.pass(4 * MINUTE);
    expect([set.requestCountAtHub(), set.publisher.requests.length]).toEqual([requestCount, fetched]);
    await set.pass(2 * MINUTE);
    expect(set.requestCountAtHub()).toBe(requestCount + 1);
    expect(set.received).toEqual(['hub: first', 'catch-up: second']);
    expect(set.gap()).toBe(undefined);

    // Only once for this overload.
    const after = set.publisher.requests.length;
    await set.pass(2 * HOUR);
    expect([set.requestCountAtHub(), set.publisher.requests.length]).toEqual([requestCount + 1, after]);
  });

  test('and was not read counts once a minute, because it may not be genuine', async () => {
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
    const requestCount = set.requestCountAtHub();
    set.store.faults = new Set(['set']);
    for (let time = 0; time < 3; time += 1) expect(await set.publish(`number ${time}`)).toBe(503);
    expect(await set.stats()).toMatchObject({ refused: 3 });
    expect(set.world.logged(LOGGED)).toHaveLength(1);
    set.store.faults = new Set();
    isBroken = false;
    await set.pass(6 * MINUTE);
    expect(set.received).toEqual(['catch-up: number 0', 'catch-up: number 1', 'catch-up: number 2']);
    expect(set.requestCountAtHub()).toBe(requestCount + 1);
  });

  test('while the store fails is stored as a gap once the store works', async () => {
    let isBroken = true;
    const set = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    set.store.onAnyWrite = () => throws(new Error('the store is down'));
    expect(await set.publish('news')).toBe(503);
    await set.pass(10 * MINUTE);
    expect(set.gap()).toBe(undefined);
    expect(set.received).toEqual([]);
    set.store.onAnyWrite = () => {};
    isBroken = false;
    await set.pass(MINUTE);
    expect(set.gap()).toEqual(expect.any(Number));
    await set.pass(6 * MINUTE);
    expect(set.received).toEqual(['catch-up: news']);
    expect(set.gap()).toBe(undefined);
  });

  test('is caught up after the next start if the process ended before', async () => {
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
    expect(set.received).toEqual(['catch-up: news']);
    expect(await set.stats()).toMatchObject({ refused: 1 });
  });

  test('only leads to a renewal if catchUp is off', async () => {
    const set = await setUp({ delivery: { catchUp: false }, handle: () => throws(new Error('not now')) });
    const requestCount = set.requestCountAtHub();
    set.store.faults = new Set(['set']);
    expect(await set.publish('news')).toBe(503);
    set.store.faults = new Set();
    await set.pass(6 * MINUTE);
    expect(set.requestCountAtHub()).toBe(requestCount + 1);
    expect(set.gap()).toBe(undefined);
    expect(set.received).toEqual([]);
  });

  test('waits again if there is still no room for its catch-up', async () => {
    const handlerRuns = [deferred(), deferred()];
    let handled = 0;
    const set = await setUp({
      delivery: { mode: 'queued', maxPending: 1 },
      handle: (event) => (event.source === 'hub' ? handlerRuns[handled++]?.promise : undefined),
    });
    const requestCount = set.requestCountAtHub();
    await set.publish('first');
    expect(await set.publish('second')).toBe(503);
    handlerRuns[0]?.resolve();
    await set.pass(MINUTE);
    expect(await set.publish('third')).toBe(202);
    await set.pass(HOUR);
    expect(set.requestCountAtHub()).toBe(requestCount);
    handlerRuns[1]?.resolve();
    await set.pass(6 * MINUTE);
    expect(set.requestCountAtHub()).toBe(requestCount + 1);
    expect(set.received).toContain('catch-up: second');
  });
});

describe('C7 `maxPendingBytes`', () => {
  test('limits the bytes of waiting events; above it the hub gets 503, even after a restart', async () => {
    const handlerRun = deferred();
    const set = await setUp({
      delivery: { mode: 'queued', maxPendingBytes: 100 },
      handle: () => handlerRun.promise,
    });
    expect(await set.publish('larger than that alone')).toBe(202);
    expect(await set.publish('more')).toBe(503);
    await set.stopNow();
    await set.start();
    expect(await set.publish('more')).toBe(503);
    handlerRun.resolve();
    await set.pass(10_000);
    expect(await set.publish('enough')).toBe(202);
  });
});
