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
  readonly markerOperations: string[] = [];

  override get(key: string): unknown {
    if (isMarker(key)) this.markerOperations.push('get');
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    if (isMarker(key)) this.markerOperations.push('set');
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    if (isMarker(key)) this.markerOperations.push('delete');
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
  const publisher = await startPublisher(hub, atom([{ id: 'old', publishedAt: world.now - 30 * DAY }]));
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

describe('a topic whose fetch crashes the process', () => {
  test('L3 L4 is skipped by catch-up after three crashes, with one log line, and fetched after a renewal', async () => {
    const fixture = await crashing({});
    await fixture.stop();
    fixture.publisher.body = atom([{ id: 'missed', publishedAt: fixture.world.now }]);
    await fixture.start();
    for (let crash = 0; crash < 3; crash += 1) await fixture.crash();
    const requestCount = fixture.publisher.requests.length;
    await fixture.pass(MINUTE);
    await fixture.pass(DAY);
    expect(fixture.publisher.requests).toHaveLength(requestCount);
    const lines = fixture.world.logged('topic.suspended');
    expect(lines.map(({ level, fields }) => [level, fields['topic'], fields['crashes']])).toEqual([
      ['error', fixture.publisher.url, 3],
    ]);
    const [{ id } = { id: '' }] = (await fixture.runtime()?.subscriptions.find()) ?? [];
    await fixture.runtime()?.renew(id);
    await fixture.settle();
    await fixture.pass(2_000);
    await until(() => fixture.received.length === 1);
    expect(fixture.received[0]?.source).toBe('catch-up');
    expect((await fixture.received[0]?.entries())?.map((entry) => entry.id)).toEqual(['missed']);
    expect(markersIn(fixture.rows())).toBe(0);
  });

  test('L3 is skipped by polls after three crashes, and polled again after a renewal', async () => {
    const fixture = await crashing({ pollSeconds: 30, catchUp: false });
    for (let crash = 0; crash < 3; crash += 1) await fixture.crash();
    const requestCount = fixture.publisher.requests.length;
    for (let poll = 0; poll < 5; poll += 1) await fixture.pass(MINUTE);
    expect(fixture.publisher.requests).toHaveLength(requestCount);
    expect(fixture.world.logged('topic.suspended')).toHaveLength(1);
    const [{ id } = { id: '' }] = (await fixture.runtime()?.subscriptions.find()) ?? [];
    await fixture.runtime()?.renew(id);
    await fixture.settle();
    const countBefore = fixture.publisher.requests.length;
    for (let poll = 0; poll < 3; poll += 1) await fixture.pass(MINUTE);
    expect(fixture.publisher.requests.length).toBeGreaterThan(countBefore);
    expect(markersIn(fixture.rows())).toBe(0);
  });

  test('L3 is skipped again after one more crash following the renewal', async () => {
    const fixture = await crashing({});
    await fixture.stop();
    await fixture.start();
    for (let crash = 0; crash < 3; crash += 1) await fixture.crash();
    await fixture.pass(2_000);
    const [{ id } = { id: '' }] = (await fixture.runtime()?.subscriptions.find()) ?? [];
    await fixture.runtime()?.renew(id);
    await fixture.settle();
    await fixture.crash();
    const requestCount = fixture.publisher.requests.length;
    await fixture.pass(MINUTE);
    expect(fixture.publisher.requests).toHaveLength(requestCount);
    expect(fixture.world.logged('topic.suspended').at(-1)?.fields['crashes']).toBe(4);
  });

  test('L3 starts a new count of crashes after a fetch that ends, even with 503', async () => {
    const fixture = await crashing({});
    await fixture.stop();
    await fixture.start();
    await fixture.crash();
    await fixture.crash();
    fixture.publisher.status = 503;
    await fixture.pass(2_000);
    expect(markersIn(fixture.rows())).toBe(0);
    await fixture.crash();
    await fixture.crash();
    expect(fixture.world.logged('topic.suspended')).toEqual([]);
  });

  test('L3 keeps its count of crashes after a fetch that a stop cuts off', async () => {
    const fixture = await crashing({});
    await fixture.stop();
    await fixture.start();
    await fixture.crash();
    await fixture.crash();
    const gate = deferred();
    const { length } = fixture.publisher.requests;
    fixture.publisher.gate = gate.promise;
    fixture.world.advance(1_000);
    await until(() => fixture.publisher.requests.length > length);
    await fixture.stop();
    fixture.publisher.gate = undefined;
    gate.resolve();
    await fixture.start();
    await fixture.crash();
    await fixture.pass(2_000);
    expect(fixture.world.logged('topic.suspended')).toHaveLength(1);
  });

  test('L4 keeps its gap in the store while the liveness heartbeat continues', async () => {
    const fixture = await crashing({});
    await fixture.stop();
    await fixture.start();
    for (let crash = 0; crash < 3; crash += 1) await fixture.crash();
    await fixture.pass(2_000);
    expect(fixture.world.logged('topic.suspended')).toHaveLength(1);
    await fixture.pass(MINUTE);
    fixture.world.runCron('30 * * * * *');
    await fixture.settle();
    const [, heartbeatRow] = [...fixture.rows()].find(([key]) => key.includes(':alive:')) ?? [];
    expect(String(heartbeatRow)).toContain(String(fixture.world.now));
    const [, subscriptionRow] = [...fixture.rows()].find(([key]) => key.includes(':subscription:')) ?? [];
    expect(String(subscriptionRow)).toContain('gapSince');
  });

  test('L3 gets no crash marker later than a minute after a start', async () => {
    const fixture = await crashing({ pollSeconds: 30 });
    await fixture.pass(2 * MINUTE);
    fixture.rows().markerOperations.splice(0);
    const requestCount = fixture.publisher.requests.length;
    for (let poll = 0; poll < 5; poll += 1) await fixture.pass(MINUTE);
    expect(fixture.publisher.requests.length).toBeGreaterThan(requestCount);
    expect(fixture.rows().markerOperations).toEqual([]);
  });
});

describe('a regular stop', () => {
  test.each([
    ['stop()', (runtime: SubscriberRuntime) => runtime.stop()],
    ['stopNow()', (runtime: SubscriberRuntime) => runtime.stopNow()],
  ])('C7 by %s is no crash of the handlers it cuts off, even before it completes', async (_title, stop) => {
    const startedTexts: string[] = [];
    const subscriber = await startSubscriber(
      (event) => {
        startedTexts.push(event.text());
        return new Promise<void>(() => {});
      },
      { delivery: { mode: 'queued' }, options: { gracefulShutdownSeconds: 0.2 } },
    );
    await subscriber.publish('slow');
    await subscriber.runtime.stopNow();
    for (let runCount = 2; runCount < 7; runCount += 1) {
      const runtime = await subscriber.startAgain();
      subscriber.world.advance(0);
      await until(() => startedTexts.length === runCount);
      expect(markersIn(subscriber.store)).toBe(1);
      const stopped = stop(runtime);
      await untilIdle();
      expect(markersIn(subscriber.store), 'a signal that comes now finds no marker').toBe(0);
      await stopped;
      expect(markersIn(subscriber.store)).toBe(0);
    }
    expect(subscriber.world.logged('event.crash-suspects')).toEqual([]);
  });

  test('L3 does not count as a crash of a topic fetch in flight', async () => {
    const fixture = await crashing({});
    for (let stop = 0; stop < 4; stop += 1) {
      const gate = deferred();
      const { length } = fixture.publisher.requests;
      await fixture.stop();
      await fixture.start();
      fixture.publisher.gate = gate.promise;
      fixture.world.advance(1_000);
      await until(() => fixture.publisher.requests.length > length);
      expect(markersIn(fixture.rows())).toBe(1);
      await fixture.stop();
      expect(markersIn(fixture.rows())).toBe(0);
      gate.resolve();
      fixture.publisher.gate = undefined;
      await fixture.start();
      await fixture.pass(2_000);
    }
    expect(fixture.world.logged('topic.suspended')).toEqual([]);
  });
});

test.each(['inline', 'queued'] as const)(
  'C9 a delivery and its retry write no crash markers (mode %s)',
  async (mode) => {
    const rows = new Rows();
    let hasFailed = false;
    const texts: string[] = [];
    const subscriber = await startSubscriber(
      (event) => {
        texts.push(event.text());
        if (event.text() === 'fails' && !hasFailed) {
          hasFailed = true;
          throw new Error('not now');
        }
      },
      { delivery: { mode }, options: { store: new Keyv({ store: rows }) } },
    );
    rows.markerOperations.splice(0);
    for (const text of ['one', 'fails', 'two']) expect((await subscriber.publish(text)).status).toBe(202);
    await until(() => texts.length === 3);
    subscriber.world.advance(MINUTE);
    await until(() => texts.length === 4);
    await untilIdle();
    expect(rows.markerOperations).toEqual([]);
  },
);
