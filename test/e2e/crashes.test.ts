import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { quiet, setUp } from '../kit/news-service.js';
import { atom, publisherAt } from '../kit/publisher.js';
import { until } from '../kit/world.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** Rows in memory, and the operations on markers among them. */
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

  /** What the next process finds where this one crashes now. */
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

/** A publisher, and a service whose processes crash while its topic is fetched, as often as that is wanted. */
async function crashing(delivery: DeliveryConfig) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const publisher = await publisherAt(hub, atom([{ id: 'old', at: world.now - 30 * DAY }]));
  const got: ContentDistributionMessage[] = [];
  let port = 0;
  let runtime: SubscriberRuntime | undefined;
  let rows = new Rows();
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery },
    { onEventNotification: (event) => void got.push(event) },
  );
  const start = async (): Promise<void> => {
    const started = await world.start(service, { store: new Keyv({ store: rows }), port });
    onTestFinished(() => started.stopNow());
    port = started.port ?? 0;
    runtime = started;
    await started.ready({ timeoutMs: 5_000 });
    await settle();
  };
  const settle = async (): Promise<void> => {
    await quiet();
    await hub.settled();
    await quiet();
  };
  const pass = async (milliseconds: number): Promise<void> => {
    world.pass(milliseconds);
    await settle();
    await until(() => publisher.turn !== undefined || publisher.answered.length >= publisher.asked.length);
    await settle();
  };
  /** The process ends while the topic is being fetched; the next one finds what it has left. */
  const crash = async (): Promise<void> => {
    const turn = deferred();
    const { length } = publisher.asked;
    publisher.turn = turn.promise;
    await until(async () => {
      world.pass(1_000);
      await quiet();
      return publisher.asked.length > length;
    });
    const left = rows.afterCrash();
    publisher.turn = undefined;
    turn.resolve();
    await runtime?.stopNow();
    rows = left;
    await start();
  };
  await start();
  await pass(MINUTE);
  return {
    world,
    hub,
    publisher,
    got,
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
  test('L3 L4 is skipped by catch-up after three crashes, which is logged once, and fetched after a renewal', async () => {
    const set = await crashing({});
    await set.stop();
    set.publisher.body = atom([{ id: 'missed', at: set.world.now }]);
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    const asked = set.publisher.asked.length;
    await set.pass(MINUTE);
    await set.pass(DAY);
    expect(set.publisher.asked).toHaveLength(asked);
    const lines = set.world.logged(SKIPPED);
    expect(lines.map(({ level, fields }) => [level, fields['topic'], fields['crashes']])).toEqual([
      ['error', set.publisher.url, 3],
    ]);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    await set.pass(2_000);
    await until(() => set.got.length === 1);
    expect(set.got[0]?.source).toBe('catch-up');
    expect((await set.got[0]?.entries())?.map((entry) => entry.id)).toEqual(['missed']);
    expect(markersIn(set.rows())).toBe(0);
  });

  test('L3 is skipped by polls after three crashes, and polled again after a renewal', async () => {
    const set = await crashing({ pollSeconds: 30, catchUp: false });
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    const asked = set.publisher.asked.length;
    for (let look = 0; look < 5; look += 1) await set.pass(MINUTE);
    expect(set.publisher.asked).toHaveLength(asked);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    const before = set.publisher.asked.length;
    for (let look = 0; look < 3; look += 1) await set.pass(MINUTE);
    expect(set.publisher.asked.length).toBeGreaterThan(before);
    expect(markersIn(set.rows())).toBe(0);
  });

  test('L3 one crash more after the renewal, and it is skipped again', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    await set.pass(2_000);
    const [{ id } = { id: '' }] = (await set.runtime()?.subscriptions.find()) ?? [];
    await set.runtime()?.renew(id);
    await set.settle();
    await set.crash();
    const asked = set.publisher.asked.length;
    await set.pass(MINUTE);
    expect(set.publisher.asked).toHaveLength(asked);
    expect(set.world.logged(SKIPPED).at(-1)?.fields['crashes']).toBe(4);
  });

  test('L3 a fetch that ends in between, however it does, begins the count anew', async () => {
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

  test('L3 a fetch that a stop has cut off takes no crash back', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    await set.crash();
    await set.crash();
    const turn = deferred();
    const { length } = set.publisher.asked;
    set.publisher.turn = turn.promise;
    set.world.pass(1_000);
    await until(() => set.publisher.asked.length > length);
    await set.stop();
    set.publisher.turn = undefined;
    turn.resolve();
    await set.start();
    await set.crash();
    await set.pass(2_000);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
  });

  test('L4 its gap stays open, and makes no other topic be fetched at the next start', async () => {
    const set = await crashing({});
    await set.stop();
    await set.start();
    for (let crash = 0; crash < 3; crash += 1) await set.crash();
    await set.pass(2_000);
    expect(set.world.logged(SKIPPED)).toHaveLength(1);
    await set.pass(MINUTE);
    set.world.turn('30 * * * * *');
    await set.settle();
    const [, alive] = [...set.rows()].find(([key]) => key.includes(':alive:')) ?? [];
    expect(String(alive)).toContain(String(set.world.now));
    const [, stored] = [...set.rows()].find(([key]) => key.includes(':subscription:')) ?? [];
    expect(String(stored)).toContain('gapSince');
  });

  test('L3 nothing but the first minute after a start has a marker', async () => {
    const set = await crashing({ pollSeconds: 30 });
    await set.pass(2 * MINUTE);
    set.rows().markers.splice(0);
    const asked = set.publisher.asked.length;
    for (let look = 0; look < 5; look += 1) await set.pass(MINUTE);
    expect(set.publisher.asked.length).toBeGreaterThan(asked);
    expect(set.rows().markers).toEqual([]);
  });
});

describe('a stop in good order', () => {
  test.each([
    ['stop()', (runtime: SubscriberRuntime) => runtime.stop()],
    ['stopNow()', (runtime: SubscriberRuntime) => runtime.stopNow()],
  ])('C7 %s counts as no crash of what it cuts off, from its beginning on', async (_how, stop) => {
    const begun: string[] = [];
    const set = await setUp(
      (event) => {
        begun.push(event.text());
        return new Promise<void>(() => {});
      },
      { delivery: { mode: 'queued' }, options: { gracefulShutdownSeconds: 0.2 } },
    );
    await set.publish('slow');
    await set.runtime.stopNow();
    for (let life = 2; life < 7; life += 1) {
      const runtime = await set.startAgain();
      set.world.pass(0);
      await until(() => begun.length === life);
      expect(markersIn(set.store)).toBe(1);
      const stopped = stop(runtime);
      await quiet();
      expect(markersIn(set.store), 'a signal that comes now finds none').toBe(0);
      await stopped;
      expect(markersIn(set.store)).toBe(0);
    }
    expect(set.world.logged('one at a time')).toEqual([]);
  });

  test('L3 counts as none for a topic that is being fetched', async () => {
    const set = await crashing({});
    for (let stop = 0; stop < 4; stop += 1) {
      const turn = deferred();
      const { length } = set.publisher.asked;
      await set.stop();
      await set.start();
      set.publisher.turn = turn.promise;
      set.world.pass(1_000);
      await until(() => set.publisher.asked.length > length);
      expect(markersIn(set.rows())).toBe(1);
      await set.stop();
      expect(markersIn(set.rows())).toBe(0);
      turn.resolve();
      set.publisher.turn = undefined;
      await set.start();
      await set.pass(2_000);
    }
    expect(set.world.logged(SKIPPED)).toEqual([]);
  });
});

test.each(['inline', 'queued'] as const)('C9 no delivery pays for markers: %s, and its retry', async (mode) => {
  const rows = new Rows();
  let hasFailed = false;
  const texts: string[] = [];
  const set = await setUp(
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
  set.world.pass(MINUTE);
  await until(() => texts.length === 4);
  await quiet();
  expect(rows.markers).toEqual([]);
});
