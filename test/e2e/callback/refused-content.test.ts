import { describe, expect, onTestFinished, test } from 'vitest';
import { REASON } from '../../../src/http/answer-reasons.js';
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

interface Options {
  readonly delivery?: DeliveryConfig;
  readonly handle?: (event: ContentDistributionMessage) => unknown;
}

/** A publisher, its hub, and a subscribed service whose store can fail. */
async function setUp({ delivery = {}, handle = () => {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const published: WrittenEntry[] = [{ id: 'old', publishedAt: world.now - 30 * DAY }];
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
    /** Publishes an entry. Resolves with our answer's status. */
    async publish(id: string): Promise<number | undefined> {
      const entry: WrittenEntry = { id, publishedAt: world.now };
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
  test('because the inbox is full is counted, logged and stored as a gap, and fetched when there is room', async () => {
    const handlerRun = deferred();
    const fixture = await setUp({ delivery: { mode: 'queued', maxPending: 1 }, handle: () => handlerRun.promise });
    expect(await fixture.publish('first')).toBe(202);
    const requestCount = fixture.requestCountAtHub();
    const fetchCount = fixture.publisher.requests.length;
    await fixture.pass(MINUTE);
    const refusedAt = fixture.world.now;
    expect(await fixture.publish('second')).toBe(503);
    await fixture.settle();
    expect(await fixture.stats()).toMatchObject({ refused: 1, received: 1, rejected: 0 });
    expect(fixture.world.logged('delivery.refused')).toMatchObject([
      { level: 'warn', fields: { reason: REASON.inboxFull } },
    ]);
    expect(fixture.gap()).toBe(refusedAt);

    // No request while there is no room.
    await fixture.pass(HOUR);
    expect([fixture.requestCountAtHub(), fixture.publisher.requests.length]).toEqual([requestCount, fetchCount]);
    handlerRun.resolve();
    await fixture.settle();
    await fixture.pass(10_000);
    // The catch-up runs within ten minutes after there is room: here, after five.
    await fixture.pass(4 * MINUTE);
    expect([fixture.requestCountAtHub(), fixture.publisher.requests.length]).toEqual([requestCount, fetchCount]);
    await fixture.pass(2 * MINUTE);
    expect(fixture.requestCountAtHub()).toBe(requestCount + 1);
    expect(fixture.received).toEqual(['hub: first', 'catch-up: second']);
    expect(fixture.gap()).toBe(undefined);

    // Only one catch-up follows an overload.
    const fetchCountAfter = fixture.publisher.requests.length;
    await fixture.pass(2 * HOUR);
    expect([fixture.requestCountAtHub(), fixture.publisher.requests.length]).toEqual([
      requestCount + 1,
      fetchCountAfter,
    ]);
  });

  test('and whose body was not read is counted once a minute, because its signature was not checked', async () => {
    const fixture = await setUp({ delivery: { mode: 'queued', maxPending: 1 }, handle: () => new Promise(() => {}) });
    expect(await fixture.publish('first')).toBe(202);
    for (let time = 0; time < 5; time += 1) expect(await fixture.publish('more')).toBe(503);
    expect(await fixture.stats()).toMatchObject({ refused: 1 });
    await fixture.pass(MINUTE);
    expect(await fixture.publish('more')).toBe(503);
    expect(await fixture.stats()).toMatchObject({ refused: 2 });
    expect(fixture.world.logged('delivery.refused')).toHaveLength(2);
  });

  test('and whose body was read is counted each time, and logged once a minute', async () => {
    let isBroken = true;
    const fixture = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    const requestCount = fixture.requestCountAtHub();
    fixture.store.faults = new Set(['set']);
    for (let time = 0; time < 3; time += 1) expect(await fixture.publish(`number ${time}`)).toBe(503);
    expect(await fixture.stats()).toMatchObject({ refused: 3 });
    expect(fixture.world.logged('delivery.refused')).toHaveLength(1);
    fixture.store.faults = new Set();
    isBroken = false;
    await fixture.pass(6 * MINUTE);
    expect(fixture.received).toEqual(['catch-up: number 0', 'catch-up: number 1', 'catch-up: number 2']);
    expect(fixture.requestCountAtHub()).toBe(requestCount + 1);
  });

  test('while the store fails is stored as a gap once the store works', async () => {
    let isBroken = true;
    const fixture = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    fixture.store.onAnyWrite = () => throws(new Error('the store is down'));
    expect(await fixture.publish('news')).toBe(503);
    await fixture.pass(10 * MINUTE);
    expect(fixture.gap()).toBe(undefined);
    expect(fixture.received).toEqual([]);
    fixture.store.onAnyWrite = () => {};
    isBroken = false;
    await fixture.pass(MINUTE);
    expect(fixture.gap()).toEqual(expect.any(Number));
    await fixture.pass(6 * MINUTE);
    expect(fixture.received).toEqual(['catch-up: news']);
    expect(fixture.gap()).toBe(undefined);
  });

  test('is fetched after the next start if the process stopped before the catch-up', async () => {
    let isBroken = true;
    const fixture = await setUp({ handle: () => (isBroken ? throws(new Error('not now')) : undefined) });
    fixture.store.faults = new Set(['set']);
    expect(await fixture.publish('news')).toBe(503);
    await fixture.settle();
    fixture.store.faults = new Set();
    await fixture.stop();
    isBroken = false;
    await fixture.start();
    await fixture.pass(MINUTE);
    expect(fixture.received).toEqual(['catch-up: news']);
    expect(await fixture.stats()).toMatchObject({ refused: 1 });
  });

  test('leads to a renewal, but to no catch-up, if catchUp is off', async () => {
    const fixture = await setUp({ delivery: { catchUp: false }, handle: () => throws(new Error('not now')) });
    const requestCount = fixture.requestCountAtHub();
    const fetchCount = fixture.publisher.requests.length;
    fixture.store.faults = new Set(['set']);
    expect(await fixture.publish('news')).toBe(503);
    fixture.store.faults = new Set();
    await fixture.pass(6 * MINUTE);
    expect(fixture.requestCountAtHub()).toBe(requestCount + 1);
    // The renewal's discovery is the only fetch.
    expect(fixture.publisher.requests).toHaveLength(fetchCount + 1);
    expect(fixture.gap()).toBe(undefined);
    expect(fixture.received).toEqual([]);
  });

  test('leads to a renewal after a restart, even if catchUp is off', async () => {
    const fixture = await setUp({ delivery: { catchUp: false }, handle: () => throws(new Error('not now')) });
    const requestCount = fixture.requestCountAtHub();
    fixture.store.faults = new Set(['set']);
    expect(await fixture.publish('news')).toBe(503);
    fixture.store.faults = new Set();
    await fixture.stop();
    await fixture.start();
    await fixture.pass(11 * MINUTE);
    expect(fixture.requestCountAtHub()).toBe(requestCount + 1);
  });

  test('is fetched later if the inbox is full again before the catch-up', async () => {
    const handlerRuns = [deferred(), deferred()];
    let runCount = 0;
    const fixture = await setUp({
      delivery: { mode: 'queued', maxPending: 1 },
      handle: (event) => (event.source === 'hub' ? handlerRuns[runCount++]?.promise : undefined),
    });
    const requestCount = fixture.requestCountAtHub();
    await fixture.publish('first');
    expect(await fixture.publish('second')).toBe(503);
    handlerRuns[0]?.resolve();
    await fixture.pass(MINUTE);
    expect(await fixture.publish('third')).toBe(202);
    await fixture.pass(HOUR);
    expect(fixture.requestCountAtHub()).toBe(requestCount);
    handlerRuns[1]?.resolve();
    await fixture.pass(6 * MINUTE);
    expect(fixture.requestCountAtHub()).toBe(requestCount + 1);
    expect(fixture.received).toContain('catch-up: second');
  });
});

describe('C7 `maxPendingBytes`', () => {
  test('limits the bytes of waiting events; above it the hub gets 503, even after a restart', async () => {
    const handlerRun = deferred();
    const fixture = await setUp({
      delivery: { mode: 'queued', maxPendingBytes: 100 },
      handle: () => handlerRun.promise,
    });
    expect(await fixture.publish('larger than that alone')).toBe(202);
    expect(await fixture.publish('more')).toBe(503);
    await fixture.stopNow();
    await fixture.start();
    expect(await fixture.publish('more')).toBe(503);
    handlerRun.resolve();
    await fixture.pass(10_000);
    expect(await fixture.publish('enough')).toBe(202);
  });
});
