import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle, untilSettled } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { atom, startPublisher } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** Rows in memory, with a log of the operations on crash markers. */
class Rows extends Map<string, unknown> {
  readonly markers: string[] = [];

  override get(key: string): unknown {
    if (isMarker(key)) this.markers.push('get');
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    if (isMarker(key)) this.markers.push('set');
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    if (isMarker(key)) this.markers.push('delete');
    return super.delete(key);
  }

  /** The rows that the next process finds if this one crashes now. */
  afterCrash(): Rows {
    const rows = new Rows();
    for (const [key, value] of this) if (!key.includes(':owner:')) rows.set(key, value);
    return rows;
  }
}

function isMarker(key: string): boolean {
  return key.includes(':marker:');
}

const markersIn = (rows: ReadonlyMap<string, unknown>): number => [...rows.keys()].filter(isMarker).length;

/** A publisher, and a service whose process crashes during a topic fetch whenever the test says so. */
async function crashing(delivery: DeliveryConfig) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const publisher = await startPublisher(hub, atom([{ id: 'old', at: world.now - 30 * DAY }]));
  const received: ContentDistributionMessage[] = [];
  let port = 0;
  let runtime: SubscriberRuntime | undefined;
  let rows = new Rows();
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery },
    { onEventNotification: (event) => void received.push(event) },
  );
  const start = async (): Promise<void> => {
    const started = await world.start(service, { store: new Keyv({ store: rows }), port });
    onTestFinished(() => started.stopNow());
    port = started.port ?? 0;
    runtime = started;
    await started.ready({ timeoutMs: 5_000 });
    await settle();
  };
  const settle = (): Promise<void> => untilSettled(hub);
  const pass = async (milliseconds: number): Promise<void> => {
    world.advance(milliseconds);
    await settle();
    await until(() => publisher.gate !== undefined || publisher.statuses.length >= publisher.requests.length);
    await settle();
  };
  /** Ends the process during a topic fetch, and starts the next one on its rows. */
  const crash = async (): Promise<void> => {
    const gate = deferred();
    const { length } = publisher.requests;
    publisher.gate = gate.promise;
    await until(async () => {
      world.advance(1_000);
      await untilIdle();
      return publisher.requests.length > length;
    });
    const rowsAtCrash = rows.afterCrash();
    publisher.gate = undefined;
    gate.resolve();
    await runtime?.stopNow();
    rows = rowsAtCrash;
    await start();
  };
  await start();
  await pass(MINUTE);
  return {
    world,
    hub,
    publisher,
    received,
    pass,
    crash,
    settle,
    start,
    rows: () => rows,
    runtime: () => runtime,
    stop: async () => await runtime?.stop(),
  };
}

const SKIPPED = 'not fetched before the next renewal';

describe('a topic whose fetch ends the process', () => {
  test('L3 L4 is skipped by catch-up after three crashes, with one log line, and fetched after a renewal', async () => {
    const set = await crashing({});
    await set.stop();
    set.publisher.body = atom([{ id: 'missed', at: set.world.now }]);
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    const requestCount = set.publisher.requests.length;
    await set.pass(MINUTE);
    await set.pass(DAY);
    expect(set.publisher.requests).toHaveLength(requestCount);
    const lines = set.world.logged(SKIPPED);
    expect(lines.map(({ level, fields }) => [level, fields['topic'], fields['crashes']])).toEqual([
      ['error', set.publisher.url, 3],
    ]);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    await set.pass(2_000);
    await until(() => set.received.length === 1);
    expect(set.received[0]?.source).toBe('catch-up');
    expect((await set.received[0]?.entries())?.map((entry) => entry.id)).toEqual(['missed']);
    expect(markersIn(set.rows())).toBe(0);
  });

  test('L3 is skipped by polls after three crashes, and polled again after a renewal', async () => {
    const set = await crashing({ pollSeconds: 30, catchUp: false });
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    const requestCount = set.publisher.requests.length;
    for (let poll = 0; poll < 5; poll += 1) await set.pass(MINUTE);
    expect(set.publisher.requests).toHaveLength(requestCount);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    const before = set.publisher.requests.length;
    for (let poll = 0; poll < 3; poll += 1) await set.pass(MINUTE);
    expect(set.publisher.requests.length).toBeGreaterThan(before);
    expect(markersIn(set.rows())).toBe(0);
  });

  test('L3 is skipped again after one more crash following the renewal', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    await set.pass(2_000);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    await set.crash();
    const requestCount = set.publisher.requests.length;
    await set.pass(MINUTE);
    expect(set.publisher.requests).toHaveLength(requestCount);
    expect(set.world.logged(SKIPPED).at(-1)?.fields['crashes']).toBe(4);
  });

  test('L3 starts a new count after a fetch that ends, whatever its result', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    await set.crash();
    await set.crash();
    set.publisher.status = 503;
    await set.pass(2_000);
    expect(markersIn(set.rows())).toBe(0);
    await set.crash();
    await set.crash();
    expect(set.world.logged(SKIPPED)).toEqual([]);
  });

  test('L3 keeps its count after a fetch that a stop cuts off', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    await set.crash();
    await set.crash();
    const gate = deferred();
    const { length } = set.publisher.requests;
    set.publisher.gate = gate.promise;
    set.world.advance(1_000);
    await until(() => set.publisher.requests.length > length);
    await set.stop();
    set.publisher.gate = undefined;
    gate.resolve();
    await set.start();
    await set.crash();
    await set.pass(2_000);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
  });

  test('L4 keeps its gap open, without other topics being fetched at the next start', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    await set.pass(2_000);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
    await set.pass(MINUTE);
    set.world.runCron('30 * * * * *');
    await set.settle();
    const [, alive] = [...set.rows()].find(([key]) => key.includes(':alive:')) ?? [];
    expect(String(alive)).toContain(String(set.world.now));
    const [, stored] = [...set.rows()].find(([key]) => key.includes(':subscription:')) ?? [];
    expect(String(stored)).toContain('gapSince');
  });

  test('L3 has a marker only in the first minute after a start', async () => {
    const set = await crashing({ pollSeconds: 30 });
    await set.pass(2 * MINUTE);
    set.rows().markers.splice(0);
    const requestCount = set.publisher.requests.length;
    for (let poll = 0; poll < 5; poll += 1) await set.pass(MINUTE);
    expect(set.publisher.requests.length).toBeGreaterThan(requestCount);
    expect(set.rows().markers).toEqual([]);
  });
});

describe('a regular stop', () => {
  test.each([
    ['stop()', (runtime: SubscriberRuntime) => runtime.stop()],
    ['stopNow()', (runtime: SubscriberRuntime) => runtime.stopNow()],
  ])('C7 %s does not count as a crash of the handlers it cuts off, from its start on', async (_title, stop) => {
    const startedTexts: string[] = [];
    const set = await startSubscriber(
      (event) => {
        startedTexts.push(event.text());
        return new Promise<void>(() => {});
      },
      { delivery: { mode: 'queued' }, options: { gracefulShutdownSeconds: 0.2 } },
    );
    await set.publish('slow');
    await set.runtime.stopNow();
    for (let life = 2; life < 7; life += 1) {
      const runtime = await set.startAgain();
      set.world.advance(0);
      await until(() => startedTexts.length === life);
      expect(markersIn(set.store)).toBe(1);
      const stopped = stop(runtime);
      await untilIdle();
      expect(markersIn(set.store), 'a signal that comes now finds none').toBe(0);
      await stopped;
      expect(markersIn(set.store)).toBe(0);
    }
    expect(set.world.logged('one at a time')).toEqual([]);
  });

  test('L3 does not count as a crash of a topic fetch in flight', async () => {
    const set = await crashing({});
    for (let stop = 0; stop < 4; stop += 1) {
      const gate = deferred();
      const { length } = set.publisher.requests;
      await set.stop();
      await set.start();
      set.publisher.gate = gate.promise;
      set.world.advance(1_000);
      await until(() => set.publisher.requests.length > length);
      expect(markersIn(set.rows())).toBe(1);
      await set.stop();
      expect(markersIn(set.rows())).toBe(0);
      gate.resolve();
      set.publisher.gate = undefined;
      await set.start();
      await set.pass(2_000);
    }
    expect(set.world.logged(SKIPPED)).toEqual([]);
  });
});

test.each(['inline', 'queued'] as const)('C9 a delivery and its retry write no markers: %s', async (mode) => {
  const rows = new Rows();
  let hasFailed = false;
  const texts: string[] = [];
  const set = await startSubscriber(
    (event) => {
      texts.push(event.text());
      if (event.text() === 'fails' && !hasFailed) {
        hasFailed = true;
        throw new Error('not now');
      }
    },
    { delivery: { mode }, options: { store: new Keyv({ store: rows }) } },
  );
  rows.markers.splice(0);
  for (const text of ['one', 'fails', 'two']) expect((await set.publish(text)).status).toBe(202);
  await until(() => texts.length === 3);
  set.world.advance(MINUTE);
  await until(() => texts.length === 4);
  await untilIdle();
  expect(rows.markers).toEqual([]);
});
