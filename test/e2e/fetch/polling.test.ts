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

/** A service that polls every ten minutes, and records its events. */
async function setUp({ pollSeconds = 600, handle = () => {}, entries, delivery = {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const old: WrittenEntry = { id: 'old', at: world.now - DAY };
  const publisher = await startPublisher(hub, atom(entries ?? [old]));
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
  const newEntry = (id: string, at = world.now): WrittenEntry => ({ id, at });
  const deliver = (written: readonly WrittenEntry[]) =>
    hub.distribute(publisher.url, atom(written), { contentType: 'application/atom+xml' });
  const subscribeCount = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  const missed = async () => (await runtime.subscriptions.find())[0]?.stats.missed;
  return {
    world,
    hub,
    publisher,
    store,
    received,
    silences,
    old,
    runtime,
    start,
    advance,
    settle,
    newEntry,
    deliver,
    subscribeCount,
    missed,
  };
}

describe('delivery.pollSeconds', () => {
  it('entries from before the subscription are not delivered', async () => {
    const set = await setUp();
    await set.advance(HOUR);
    expect(set.publisher.requests.length).toBeGreaterThan(4);
    expect(set.received).toEqual([]);
    expect(set.silences).toEqual([]);
  });

  it('the first poll uses the document that discovery read, and the next one is conditional', async () => {
    const set = await setUp();
    expect(set.publisher.statuses).toEqual([200]);
    await set.advance(11 * MINUTE);
    expect(set.publisher.statuses).toEqual([200, 304]);
    set.publisher.body = atom([set.newEntry('silent'), set.old]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: silent new']);
  });

  it('an entry from the hub is not delivered twice, and the hub is not blamed', async () => {
    const set = await setUp();
    await set.advance(5 * MINUTE);
    const first = set.newEntry('first');
    set.publisher.body = atom([first, set.old]);
    await set.deliver([first]);
    await set.advance(HOUR);
    expect(set.received).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
    expect(await set.missed()).toBe(0);
  });

  it('an entry that the hub does not deliver in five minutes is delivered with source poll, counted and reported, and the hub is requested again', async () => {
    const set = await setUp();
    const countBefore = set.subscribeCount();
    set.publisher.body = atom([set.newEntry('silent'), set.old]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: silent new']);
    expect(await set.missed()).toBe(1);
    expect(set.silences).toMatchObject([
      {
        subscription: { state: 'active', stats: { missed: 1 } },
        grant: { hub: set.hub.url },
        error: {
          message: `Hub ${set.hub.url} did not deliver 1 of the entries of ${set.publisher.url}: handed over as they were polled.`,
        },
      },
    ]);
    expect(set.subscribeCount()).toBe(countBefore + 1);
    // Further silences within the hour are reported, without another request.
    set.publisher.body = atom([set.newEntry('again'), set.old]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: silent new', 'poll: again new']);
    expect(set.subscribeCount()).toBe(countBefore + 1);
    await set.advance(HOUR);
    set.publisher.body = atom([set.newEntry('much later'), set.old]);
    await set.advance(25 * MINUTE);
    expect(set.subscribeCount()).toBe(countBefore + 2);
  });

  it('a hub that is late, but not too late, is not blamed', async () => {
    const set = await setUp();
    const lateEntry = set.newEntry('late');
    set.publisher.body = atom([lateEntry, set.old]);
    const { length } = set.publisher.requests;
    for (let waited = 0; set.publisher.requests.length === length && waited < 30; waited += 1)
      await set.advance(30 * SECOND);
    await set.advance(2 * MINUTE);
    await set.deliver([lateEntry]);
    await set.advance(HOUR);
    expect(set.received).toEqual(['hub: late new']);
    expect(set.silences).toEqual([]);
  });

  it('a push never postpones the poll', async () => {
    const quietly = await setUp();
    await quietly.advance(HOUR);
    const set = await setUp();
    for (let minute = 0; minute < 60; minute += 1) {
      await set.deliver([set.newEntry(`push ${minute}`)]);
      await set.advance(MINUTE);
    }
    expect(set.publisher.requests).toHaveLength(quietly.publisher.requests.length);
  });

  it('an event in a slow handler, or in a retry, is not missing', async () => {
    let runs = 0;
    const set = await setUp({
      handle: () => {
        runs += 1;
        if (runs < 12) throws(new Error('not now'));
      },
    });
    const first = set.newEntry('first');
    set.publisher.body = atom([first, set.old]);
    await set.deliver([first]);
    await set.advance(3 * HOUR, MINUTE);
    expect(set.received).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
  });

  it('an older entry that changed is delivered, and its hub is not blamed', async () => {
    const set = await setUp();
    set.publisher.body = atom([{ ...set.old, updated: set.world.now, title: 'corrected' }]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: old new']);
    expect(set.silences).toEqual([]);
  });

  it('a hub that formats an entry differently from its topic is not blamed', async () => {
    const set = await setUp();
    const first = set.newEntry('first');
    set.publisher.body = atom([{ ...first, title: 'with 17 views' }, set.old]);
    await set.deliver([first]);
    await set.advance(HOUR);
    expect(set.received).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
  });

  it('polls are conditional, and an entry that could not be stored is delivered by a later poll', async () => {
    const set = await setUp();
    await set.advance(HOUR);
    expect(set.publisher.statuses.slice(-3)).toEqual([304, 304, 304]);
    set.publisher.body = atom([set.newEntry('silent'), set.old]);
    set.store.faults = new Set(['set']);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual([]);
    set.store.faults = new Set();
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: silent new']);
  });

  it('polling continues after a restart, and knows the delivered entries', async () => {
    const set = await setUp();
    const silent = set.newEntry('silent');
    set.publisher.body = atom([silent, set.old]);
    await set.advance(25 * MINUTE);
    await set.runtime.stop();
    set.world.advance(HOUR);
    await set.start();
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: silent new']);
    set.publisher.body = atom([set.newEntry('later'), silent, set.old]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: silent new', 'poll: later new']);
  });

  it('a topic that is not a feed, or cannot be fetched, is only logged', async () => {
    const set = await setUp();
    set.publisher.body = '<feed xmlns="http://www.w3.org/2005/Atom"><entry>';
    await set.advance(25 * MINUTE);
    set.publisher.status = 500;
    await set.advance(25 * MINUTE);
    expect(set.world.logged('a topic could not be polled').length).toBeGreaterThan(1);
    expect(set.received).toEqual([]);
  });

  it('the delivered entries of a feed above one mebibyte are known', async () => {
    const set = await setUp();
    const long = { ...set.newEntry('long'), title: 'x'.repeat(1_200_000) };
    set.publisher.body = atom([long, set.old]);
    set.publisher.hasEtag = false;
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: long new']);
    expect(set.silences).toHaveLength(1);
  });

  it('after days without a successful fetch, entries since the last poll are delivered, and older ones are not', async () => {
    const set = await setUp();
    await set.advance(HOUR);
    set.publisher.status = 500;
    await set.advance(4 * DAY, HOUR);
    set.publisher.status = 200;
    set.publisher.body = atom([
      set.newEntry('since', set.world.now - 3 * DAY),
      set.newEntry('before', set.world.now - 9 * DAY),
    ]);
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: since new']);
  });

  it('polling continues if a fetch takes longer than the interval', async () => {
    const set = await setUp();
    const handlerRun = deferred();
    set.publisher.gate = handlerRun.promise;
    const { length } = set.publisher.statuses;
    for (let minute = 0; minute < 60; minute += 1) {
      set.world.advance(MINUTE);
      await untilIdle();
    }
    expect(set.publisher.statuses).toHaveLength(length);
    handlerRun.resolve();
    await until(() => set.publisher.statuses.length > length);
    await set.settle();
    set.publisher.body = atom([set.newEntry('later'), set.old]);
    await set.advance(25 * MINUTE);
    expect(set.received).toEqual(['poll: later new']);
  });

  it('polling finds deleted entries of the topic', async () => {
    const set = await setUp();
    await set.advance(HOUR);
    set.publisher.body = atom([]).replace(
      '</feed>',
      '<at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="old" when="2020-01-01T00:00:00Z"/></feed>',
    );
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: old deleted']);
  });

  it('an entry found by the first poll is still delivered if its hub sends it', async () => {
    const fresh = { id: 'fresh', at: Date.parse('2030-01-01T00:00:00Z') };
    const set = await setUp({ delivery: { dedupe: 'entries' }, entries: [fresh] });
    const [delivery] = await set.deliver([fresh]);
    expect(delivery?.status).toBe(202);
    await set.advance(HOUR);
    expect(set.received).toEqual(['hub: fresh new']);
    expect(set.silences).toEqual([]);
  });

  it('a dead letter is not missing, even after a restart', async () => {
    let tries = 0;
    const set = await setUp({
      delivery: { retryForSeconds: 0, catchUp: false },
      handle: () => {
        tries += 1;
        throws(new Error('never'));
      },
    });
    const bad = set.newEntry('bad');
    set.publisher.body = atom([bad, set.old]);
    await set.deliver([bad]);
    await set.advance(HOUR);
    await set.runtime.stop();
    await set.start();
    set.publisher.body = atom([bad]);
    await set.advance(HOUR);
    expect([tries, set.silences]).toEqual([1, []]);
  });

  it('undated entries are found even if every poll finds some', { timeout: 60_000 }, async () => {
    const set = await setUp({ pollSeconds: 3_600 });
    const all: WrittenEntry[] = [set.old];
    for (let hour = 0; hour < 60; hour += 0.1) {
      all.unshift({ id: `n${all.length}` });
      set.publisher.body = atom(all);
      await set.advance(6 * MINUTE, 6 * MINUTE);
    }
    await set.advance(3 * HOUR, 3 * MINUTE);
    expect(all.map(({ id }) => id).filter((id) => id !== 'old' && !set.received.includes(`poll: ${id} new`))).toEqual(
      [],
    );
  });

  it('an entry in progress during a poll that then fails is found later', async () => {
    let handlerRun: Promise<void> | undefined;
    let isBroken = false;
    // Without catch-up, which would also fetch refused content.
    const set = await setUp({
      delivery: { catchUp: false },
      handle: async () => {
        await handlerRun;
        if (isBroken) throws(new Error('not now'));
      },
    });
    const fresh = set.newEntry('fresh');
    set.publisher.body = atom([fresh, set.old]);
    const handlerHold = deferred();
    handlerRun = handlerHold.promise;
    const delivering = set.deliver([fresh]);
    await untilIdle();
    const { length } = set.publisher.statuses;
    for (let step = 0; step < 40 && set.publisher.statuses.length === length; step += 1) {
      set.world.advance(30 * SECOND);
      await until(() => set.publisher.statuses.length >= set.publisher.requests.length);
      await untilIdle();
    }
    await until(() => set.publisher.statuses.length > length);
    await untilIdle();
    set.store.faults = new Set(['set']);
    isBroken = true;
    handlerHold.resolve();
    expect((await delivering)[0]?.status).toBe(503);
    set.store.faults = new Set();
    isBroken = false;
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: fresh new']);
  });

  it('a clock set back during the grace time of the hub delays nothing', async () => {
    const set = await setUp();
    set.publisher.body = atom([set.newEntry('silent'), set.old]);
    const { length } = set.publisher.requests;
    for (let step = 0; step < 40 && set.publisher.requests.length === length; step += 1) await set.advance(30 * SECOND);
    set.world.advance(-DAY);
    await set.settle();
    await set.advance(HOUR);
    expect(set.received).toEqual(['poll: silent new']);
  });
});
