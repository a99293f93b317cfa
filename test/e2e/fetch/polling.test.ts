import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type HookPayload,
} from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle, untilSettled } from '../../kit/until-idle.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher, type WrittenEntry } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { startHub } from '../../kit/start-hub.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Options {
  readonly pollSeconds?: number;
  readonly handle?: (event: ContentDistributionMessage) => unknown;
  readonly delivery?: DeliveryConfig;
  readonly entries?: readonly WrittenEntry[];
}

/** A publisher, its hub, and a service that polls every ten minutes and records its entries. */
async function setUp({ pollSeconds = 600, handle = () => {}, entries, delivery = {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const oldEntry: WrittenEntry = { id: 'old', publishedAt: world.now - DAY };
  const publisher = await startPublisher(hub, atom(entries ?? [oldEntry]));
  const store = new FaultyStore();
  const received: string[] = [];
  const silences: HookPayload[] = [];
  const config = { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false } as const;
  const service = defineSubscriber(
    { ...config, delivery: { pollSeconds, ...delivery } },
    {
      onEventNotification: async (event) => {
        await handle(event);
        const entries = await event.entries();
        received.push(...entries.map(({ id, change }) => `${event.source}: ${id} ${change}`));
      },
    },
  );
  let port = 0;
  const start = async () => {
    const runtime = await world.start(service, { store: store.keyv, port });
    onTestFinished(() => runtime.stopNow());
    port = runtime.port ?? 0;
    runtime.hooks.on('hub-silent', (payload) => void silences.push(payload));
    await runtime.ready({ timeoutMs: 5_000 });
    await settle();
    return runtime;
  };
  const settle = (): Promise<void> => untilSettled(hub);
  /** Advances the clock in steps, and waits for each due poll. */
  const advance = async (milliseconds: number, step = 30 * SECOND): Promise<void> => {
    for (let remaining = milliseconds; remaining > 0; remaining -= step) {
      const { length } = publisher.requests;
      world.advance(Math.min(step, remaining));
      await settle();
      await until(() => publisher.statuses.length >= publisher.requests.length);
      if (publisher.requests.length > length) await settle();
    }
  };
  const runtime = await start();
  await advance(MINUTE);
  const newEntry = (id: string, publishedAt = world.now): WrittenEntry => ({ id, publishedAt });
  const deliver = (written: readonly WrittenEntry[]) =>
    hub.distribute(publisher.url, atom(written), { contentType: 'application/atom+xml' });
  const subscribeCount = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  const missedCount = async () => (await runtime.subscriptions.find())[0]?.stats.missed;
  return {
    world,
    hub,
    publisher,
    store,
    received,
    silences,
    oldEntry,
    runtime,
    start,
    advance,
    settle,
    newEntry,
    deliver,
    subscribeCount,
    missedCount,
  };
}

describe('with delivery.pollSeconds', () => {
  it('entries from before the subscription are not delivered', async () => {
    const fixture = await setUp();
    await fixture.advance(HOUR);
    expect(fixture.publisher.requests.length).toBeGreaterThan(4);
    expect(fixture.received).toEqual([]);
    expect(fixture.silences).toEqual([]);
  });

  it('the first poll uses the document that discovery read, and the next one is conditional', async () => {
    const fixture = await setUp();
    expect(fixture.publisher.statuses).toEqual([200]);
    await fixture.advance(11 * MINUTE);
    expect(fixture.publisher.statuses).toEqual([200, 304]);
    fixture.publisher.body = atom([fixture.newEntry('silent'), fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new']);
  });

  it('an entry from the hub is not delivered twice, and the hub is not reported as silent', async () => {
    const fixture = await setUp();
    await fixture.advance(5 * MINUTE);
    const first = fixture.newEntry('first');
    fixture.publisher.body = atom([first, fixture.oldEntry]);
    await fixture.deliver([first]);
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['hub: first new']);
    expect(fixture.silences).toEqual([]);
    expect(await fixture.missedCount()).toBe(0);
  });

  it('an entry that only a poll finds is delivered, counted and reported, and the hub gets a new request', async () => {
    const fixture = await setUp();
    const countBefore = fixture.subscribeCount();
    fixture.publisher.body = atom([fixture.newEntry('silent'), fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new']);
    expect(await fixture.missedCount()).toBe(1);
    expect(fixture.silences).toMatchObject([
      {
        subscription: { state: 'active', stats: { missed: 1 } },
        grant: { hub: fixture.hub.url },
        error: {
          code: 'ERR_WEBSUB',
          message: expect.stringMatching(`^Hub ${fixture.hub.url} did not deliver 1 .* ${fixture.publisher.url}\\b`),
        },
      },
    ]);
    expect(fixture.subscribeCount()).toBe(countBefore + 1);
    // A further silence within the hour is reported, but causes no request.
    fixture.publisher.body = atom([fixture.newEntry('again'), fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new', 'poll: again new']);
    expect(fixture.subscribeCount()).toBe(countBefore + 1);
    await fixture.advance(HOUR);
    fixture.publisher.body = atom([fixture.newEntry('much later'), fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.subscribeCount()).toBe(countBefore + 2);
  });

  it('a hub that delivers two minutes after the poll is not reported as silent', async () => {
    const fixture = await setUp();
    const lateEntry = fixture.newEntry('late');
    fixture.publisher.body = atom([lateEntry, fixture.oldEntry]);
    const { length } = fixture.publisher.requests;
    for (let waited = 0; fixture.publisher.requests.length === length && waited < 30; waited += 1)
      await fixture.advance(30 * SECOND);
    await fixture.advance(2 * MINUTE);
    await fixture.deliver([lateEntry]);
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['hub: late new']);
    expect(fixture.silences).toEqual([]);
  });

  it('deliveries do not postpone polls', async () => {
    const withoutDeliveries = await setUp();
    await withoutDeliveries.advance(HOUR);
    const fixture = await setUp();
    for (let minute = 0; minute < 60; minute += 1) {
      await fixture.deliver([fixture.newEntry(`push ${minute}`)]);
      await fixture.advance(MINUTE);
    }
    expect(fixture.publisher.requests).toHaveLength(withoutDeliveries.publisher.requests.length);
  });

  it('an entry whose event is retried is not delivered by a poll, and the hub is not reported as silent', async () => {
    let runs = 0;
    const fixture = await setUp({
      handle: () => {
        runs += 1;
        if (runs < 12) throws(new Error('not now'));
      },
    });
    const first = fixture.newEntry('first');
    fixture.publisher.body = atom([first, fixture.oldEntry]);
    await fixture.deliver([first]);
    await fixture.advance(3 * HOUR, MINUTE);
    expect(fixture.received).toEqual(['hub: first new']);
    expect(fixture.silences).toEqual([]);
  });

  it('an entry whose handler still runs is not delivered by polls, and the hub is not reported as silent', async () => {
    const handlerRun = deferred();
    let runCount = 0;
    const fixture = await setUp({
      delivery: { mode: 'queued' },
      handle: () => {
        runCount += 1;
        return handlerRun.promise;
      },
    });
    const first = fixture.newEntry('first');
    fixture.publisher.body = atom([first, fixture.oldEntry]);
    await fixture.deliver([first]);
    const { length } = fixture.publisher.statuses;
    await fixture.advance(HOUR);
    expect(fixture.publisher.statuses.length).toBeGreaterThan(length + 2);
    expect([runCount, fixture.received, fixture.silences]).toEqual([1, [], []]);
    handlerRun.resolve();
    await fixture.advance(HOUR);
    expect([runCount, fixture.received, fixture.silences]).toEqual([1, ['hub: first new'], []]);
  });

  it('an update of an older entry is delivered, and the hub is not reported as silent', async () => {
    const fixture = await setUp();
    fixture.publisher.body = atom([{ ...fixture.oldEntry, updated: fixture.world.now, title: 'corrected' }]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: old new']);
    expect(fixture.silences).toEqual([]);
  });

  it('a hub whose entry has another title than in the topic is not reported as silent', async () => {
    const fixture = await setUp();
    const first = fixture.newEntry('first');
    fixture.publisher.body = atom([{ ...first, title: 'with 17 views' }, fixture.oldEntry]);
    await fixture.deliver([first]);
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['hub: first new']);
    expect(fixture.silences).toEqual([]);
  });

  it('polls are conditional, and an entry that could not be stored is delivered by a later poll', async () => {
    const fixture = await setUp();
    await fixture.advance(HOUR);
    expect(fixture.publisher.statuses.slice(-3)).toEqual([304, 304, 304]);
    fixture.publisher.body = atom([fixture.newEntry('silent'), fixture.oldEntry]);
    fixture.store.faults = new Set(['set']);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual([]);
    fixture.store.faults = new Set();
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new']);
  });

  it('polling continues after a restart, and does not repeat delivered entries', async () => {
    const fixture = await setUp();
    const silent = fixture.newEntry('silent');
    fixture.publisher.body = atom([silent, fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    await fixture.runtime.stop();
    fixture.world.advance(HOUR);
    await fixture.start();
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: silent new']);
    fixture.publisher.body = atom([fixture.newEntry('later'), silent, fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new', 'poll: later new']);
  });

  it('an entry found missing before a restart is delivered at the planned time, and its hub is reported', async () => {
    const fixture = await setUp({ delivery: { catchUp: false } });
    fixture.publisher.body = atom([fixture.newEntry('silent'), fixture.oldEntry]);
    const { length } = fixture.publisher.requests;
    while (fixture.publisher.requests.length === length) await fixture.advance(30 * SECOND);
    await fixture.runtime.stop();
    fixture.world.advance(MINUTE);
    await fixture.start();
    await fixture.advance(3 * MINUTE);
    expect(fixture.received).toEqual([]);
    await fixture.advance(2 * MINUTE);
    expect(fixture.received).toEqual(['poll: silent new']);
    expect(fixture.silences).toHaveLength(1);
  });

  it('a silent hub gets one new request an hour, even if the process restarts', async () => {
    const fixture = await setUp({ delivery: { catchUp: false } });
    const entries: WrittenEntry[] = [fixture.oldEntry];
    const findSilent = async (id: string): Promise<void> => {
      const { length } = fixture.silences;
      entries.unshift(fixture.newEntry(id));
      fixture.publisher.body = atom(entries);
      while (fixture.silences.length === length) await fixture.advance(MINUTE);
    };
    await findSilent('one');
    await fixture.settle();
    const count = fixture.subscribeCount();
    await fixture.runtime.stop();
    await fixture.start();
    await findSilent('two');
    await fixture.settle();
    expect(fixture.subscribeCount()).toBe(count);
    await fixture.advance(HOUR);
    await findSilent('three');
    await fixture.settle();
    expect(fixture.subscribeCount()).toBe(count + 1);
  });

  it('a topic that is not a feed, or cannot be fetched, is only logged', async () => {
    const fixture = await setUp();
    fixture.publisher.body = '<feed xmlns="http://www.w3.org/2005/Atom"><entry>';
    await fixture.advance(25 * MINUTE);
    fixture.publisher.status = 500;
    await fixture.advance(25 * MINUTE);
    expect(fixture.world.logged('poll.failed').length).toBeGreaterThan(1);
    expect(fixture.received).toEqual([]);
  });

  it('an entry of a feed above one mebibyte is delivered and reported once', async () => {
    const fixture = await setUp();
    const long = { ...fixture.newEntry('long'), title: 'x'.repeat(1_200_000) };
    fixture.publisher.body = atom([long, fixture.oldEntry]);
    fixture.publisher.hasEtag = false;
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: long new']);
    expect(fixture.silences).toHaveLength(1);
  });

  it('entries since the last successful poll are delivered after days of failures, older entries are not', async () => {
    const fixture = await setUp();
    await fixture.advance(HOUR);
    fixture.publisher.status = 500;
    await fixture.advance(4 * DAY, HOUR);
    fixture.publisher.status = 200;
    fixture.publisher.body = atom([
      fixture.newEntry('since', fixture.world.now - 3 * DAY),
      fixture.newEntry('before', fixture.world.now - 9 * DAY),
    ]);
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: since new']);
  });

  it('polling continues if a fetch takes longer than the interval', async () => {
    const fixture = await setUp();
    const fetchGate = deferred();
    fixture.publisher.gate = fetchGate.promise;
    const { length } = fixture.publisher.statuses;
    for (let minute = 0; minute < 60; minute += 1) {
      fixture.world.advance(MINUTE);
      await untilIdle();
    }
    expect(fixture.publisher.statuses).toHaveLength(length);
    fetchGate.resolve();
    await until(() => fixture.publisher.statuses.length > length);
    await fixture.settle();
    fixture.publisher.body = atom([fixture.newEntry('later'), fixture.oldEntry]);
    await fixture.advance(25 * MINUTE);
    expect(fixture.received).toEqual(['poll: later new']);
  });

  it('polling finds deleted entries of the topic', async () => {
    const fixture = await setUp();
    await fixture.advance(HOUR);
    fixture.publisher.body = atom([]).replace(
      '</feed>',
      '<at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="old" when="2020-01-01T00:00:00Z"/></feed>',
    );
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: old deleted']);
  });

  it('an entry found by the first poll is still delivered if its hub sends it', async () => {
    const fresh = { id: 'fresh', publishedAt: Date.parse('2030-01-01T00:00:00Z') };
    const fixture = await setUp({ delivery: { dedupe: 'entries' }, entries: [fresh] });
    const [delivery] = await fixture.deliver([fresh]);
    expect(delivery?.status).toBe(202);
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['hub: fresh new']);
    expect(fixture.silences).toEqual([]);
  });

  it('an entry that became a dead letter is not delivered by a poll, even after a restart', async () => {
    let tries = 0;
    const fixture = await setUp({
      delivery: { retryForSeconds: 0, catchUp: false },
      handle: () => {
        tries += 1;
        throws(new Error('never'));
      },
    });
    const failingEntry = fixture.newEntry('bad');
    fixture.publisher.body = atom([failingEntry, fixture.oldEntry]);
    await fixture.deliver([failingEntry]);
    await fixture.advance(HOUR);
    await fixture.runtime.stop();
    await fixture.start();
    fixture.publisher.body = atom([failingEntry]);
    await fixture.advance(HOUR);
    expect([tries, fixture.silences]).toEqual([1, []]);
  });

  it('all undated entries are delivered even if every poll finds new ones', { timeout: 180_000 }, async () => {
    const fixture = await setUp({ pollSeconds: 3_600 });
    const entries: WrittenEntry[] = [fixture.oldEntry];
    for (let hour = 0; hour < 60; hour += 0.1) {
      entries.unshift({ id: `n${entries.length}` });
      fixture.publisher.body = atom(entries);
      await fixture.advance(6 * MINUTE, 6 * MINUTE);
    }
    await fixture.advance(3 * HOUR, 3 * MINUTE);
    expect(
      entries.map(({ id }) => id).filter((id) => id !== 'old' && !fixture.received.includes(`poll: ${id} new`)),
    ).toEqual([]);
  });

  it('an entry whose handler runs during a poll, and then fails, is delivered by a later poll', async () => {
    let handlerRun: Promise<void> | undefined;
    let isBroken = false;
    // Without catch-up, which would also fetch refused content.
    const fixture = await setUp({
      delivery: { catchUp: false },
      handle: async () => {
        await handlerRun;
        if (isBroken) throws(new Error('not now'));
      },
    });
    const fresh = fixture.newEntry('fresh');
    fixture.publisher.body = atom([fresh, fixture.oldEntry]);
    const handlerHold = deferred();
    handlerRun = handlerHold.promise;
    const delivering = fixture.deliver([fresh]);
    await untilIdle();
    const { length } = fixture.publisher.statuses;
    for (let step = 0; step < 40 && fixture.publisher.statuses.length === length; step += 1) {
      fixture.world.advance(30 * SECOND);
      await until(() => fixture.publisher.statuses.length >= fixture.publisher.requests.length);
      await untilIdle();
    }
    await until(() => fixture.publisher.statuses.length > length);
    await untilIdle();
    fixture.store.faults = new Set(['set']);
    isBroken = true;
    handlerHold.resolve();
    expect((await delivering)[0]?.status).toBe(503);
    fixture.store.faults = new Set();
    isBroken = false;
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: fresh new']);
  });

  it('a clock set back while a polled entry waits for the hub does not delay the entry', async () => {
    const fixture = await setUp();
    fixture.publisher.body = atom([fixture.newEntry('silent'), fixture.oldEntry]);
    const { length } = fixture.publisher.requests;
    for (let step = 0; step < 40 && fixture.publisher.requests.length === length; step += 1)
      await fixture.advance(30 * SECOND);
    fixture.world.advance(-DAY);
    await fixture.settle();
    await fixture.advance(HOUR);
    expect(fixture.received).toEqual(['poll: silent new']);
  });
});
