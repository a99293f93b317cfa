import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type HookPayload,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { quiet, throws } from '../kit/news-service.js';
import { atom, publisherAt, type Written } from '../kit/publisher.js';
import { until } from '../kit/world.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Options {
  readonly pollSeconds?: number;
  readonly handle?: (event: ContentDistributionMessage) => unknown;
  readonly delivery?: DeliveryConfig;
  readonly entries?: readonly Written[];
}

/** A service that polls every ten minutes, and notes what it is handed. */
async function setUp({ pollSeconds = 600, handle = () => {}, entries, delivery = {} }: Options = {}) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const old: Written = { id: 'old', at: world.now - DAY };
  const publisher = await publisherAt(hub, atom(entries ?? [old]));
  const store = new FaultyStore();
  const got: string[] = [];
  const silences: HookPayload[] = [];
  const config = { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false } as const;
  const service = defineSubscriber(
    { ...config, delivery: { pollSeconds, ...delivery } },
    {
      onEventNotification: async (event) => {
        await handle(event);
        const entries = await event.entries();
        got.push(...entries.map(({ id, change }) => `${event.source}: ${id} ${change}`));
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
  const settle = async (): Promise<void> => {
    await quiet();
    await hub.settled();
    await quiet();
  };
  /** Time passes in steps, and each poll that comes due ends. */
  const pass = async (milliseconds: number, step = 30 * SECOND): Promise<void> => {
    for (let left = milliseconds; left > 0; left -= step) {
      const { length } = publisher.asked;
      world.pass(Math.min(step, left));
      await settle();
      await until(() => publisher.answered.length >= publisher.asked.length);
      if (publisher.asked.length > length) await settle();
    }
  };
  const runtime = await start();
  await pass(MINUTE);
  const news = (id: string, at = world.now): Written => ({ id, at });
  const deliver = (written: readonly Written[]) =>
    hub.distribute(publisher.url, atom(written), { contentType: 'application/atom+xml' });
  const asks = (): number => hub.requests.filter(({ form }) => form.get('hub.mode') === 'subscribe').length;
  const missed = async () => (await runtime.subscriptions.find())[0]?.stats.missed;
  return {
    world,
    hub,
    publisher,
    store,
    got,
    silences,
    old,
    runtime,
    start,
    pass,
    settle,
    news,
    deliver,
    asks,
    missed,
  };
}

describe('delivery.pollSeconds', () => {
  it('what was there before is no news', async () => {
    const set = await setUp();
    await set.pass(HOUR);
    expect(set.publisher.asked.length).toBeGreaterThan(4);
    expect(set.got).toEqual([]);
    expect(set.silences).toEqual([]);
  });

  it('the first poll takes what discovery has just read, and the next one asks whether that has changed', async () => {
    const set = await setUp();
    expect(set.publisher.answered).toEqual([200]);
    await set.pass(11 * MINUTE);
    expect(set.publisher.answered).toEqual([200, 304]);
    set.publisher.body = atom([set.news('silent'), set.old]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: silent new']);
  });

  it('what the hub delivers is not handed over a second time, and the hub is not blamed', async () => {
    const set = await setUp();
    await set.pass(5 * MINUTE);
    const first = set.news('first');
    set.publisher.body = atom([first, set.old]);
    await set.deliver([first]);
    await set.pass(HOUR);
    expect(set.got).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
    expect(await set.missed()).toBe(0);
  });

  it('what the hub does not deliver in five minutes is handed over with source poll, counted, told and answered by asking again', async () => {
    const set = await setUp();
    const asked = set.asks();
    set.publisher.body = atom([set.news('silent'), set.old]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: silent new']);
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
    expect(set.asks()).toBe(asked + 1);
    // Later silences within the hour are told, and not answered by asking again.
    set.publisher.body = atom([set.news('again'), set.old]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: silent new', 'poll: again new']);
    expect(set.asks()).toBe(asked + 1);
    await set.pass(HOUR);
    set.publisher.body = atom([set.news('much later'), set.old]);
    await set.pass(25 * MINUTE);
    expect(set.asks()).toBe(asked + 2);
  });

  it('a hub that is late, but not too late, is not blamed', async () => {
    const set = await setUp();
    const late = set.news('late');
    set.publisher.body = atom([late, set.old]);
    const { length } = set.publisher.asked;
    for (let waited = 0; set.publisher.asked.length === length && waited < 30; waited += 1) await set.pass(30 * SECOND);
    await set.pass(2 * MINUTE);
    await set.deliver([late]);
    await set.pass(HOUR);
    expect(set.got).toEqual(['hub: late new']);
    expect(set.silences).toEqual([]);
  });

  it('a push never postpones the poll', async () => {
    const quietly = await setUp();
    await quietly.pass(HOUR);
    const set = await setUp();
    for (let minute = 0; minute < 60; minute += 1) {
      await set.deliver([set.news(`push ${minute}`)]);
      await set.pass(MINUTE);
    }
    expect(set.publisher.asked).toHaveLength(quietly.publisher.asked.length);
  });

  it('what a slow handler is at work with, or is tried again with, is not missing', async () => {
    let runs = 0;
    const set = await setUp({
      handle: () => {
        runs += 1;
        if (runs < 12) throws(new Error('not now'));
      },
    });
    const first = set.news('first');
    set.publisher.body = atom([first, set.old]);
    await set.deliver([first]);
    await set.pass(3 * HOUR, MINUTE);
    expect(set.got).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
  });

  it('an entry that was there before, and has changed since, is handed over; its hub is not blamed for it', async () => {
    const set = await setUp();
    set.publisher.body = atom([{ ...set.old, updated: set.world.now, title: 'corrected' }]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: old new']);
    expect(set.silences).toEqual([]);
  });

  it('a hub that writes an entry otherwise than its topic does is not blamed', async () => {
    const set = await setUp();
    const first = set.news('first');
    set.publisher.body = atom([{ ...first, title: 'with 17 views' }, set.old]);
    await set.deliver([first]);
    await set.pass(HOUR);
    expect(set.got).toEqual(['hub: first new']);
    expect(set.silences).toEqual([]);
  });

  it('is conditional, and what could not be stored is handed over at a later poll', async () => {
    const set = await setUp();
    await set.pass(HOUR);
    expect(set.publisher.answered.slice(-3)).toEqual([304, 304, 304]);
    set.publisher.body = atom([set.news('silent'), set.old]);
    set.store.faults = new Set(['set']);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual([]);
    set.store.faults = new Set();
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: silent new']);
  });

  it('goes on after a restart, knowing what was handed over', async () => {
    const set = await setUp();
    const silent = set.news('silent');
    set.publisher.body = atom([silent, set.old]);
    await set.pass(25 * MINUTE);
    await set.runtime.stop();
    set.world.pass(HOUR);
    await set.start();
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: silent new']);
    set.publisher.body = atom([set.news('later'), silent, set.old]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: silent new', 'poll: later new']);
  });

  it('a topic that is no feed, or cannot be had, is no more than logged', async () => {
    const set = await setUp();
    set.publisher.body = '<feed xmlns="http://www.w3.org/2005/Atom"><entry>';
    await set.pass(25 * MINUTE);
    set.publisher.status = 500;
    await set.pass(25 * MINUTE);
    expect(set.world.logged('a topic could not be polled').length).toBeGreaterThan(1);
    expect(set.got).toEqual([]);
  });

  it('knows what it handed over of a feed of more than a mebibyte', async () => {
    const set = await setUp();
    const long = { ...set.news('long'), title: 'x'.repeat(1_200_000) };
    set.publisher.body = atom([long, set.old]);
    set.publisher.hasEtag = false;
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: long new']);
    expect(set.silences).toHaveLength(1);
  });

  it('after days in which the topic could not be had, what came since the last look is news, and what is older is not', async () => {
    const set = await setUp();
    await set.pass(HOUR);
    set.publisher.status = 500;
    await set.pass(4 * DAY, HOUR);
    set.publisher.status = 200;
    set.publisher.body = atom([
      set.news('since', set.world.now - 3 * DAY),
      set.news('before', set.world.now - 9 * DAY),
    ]);
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: since new']);
  });

  it('goes on when a topic takes longer than its interval', async () => {
    const set = await setUp();
    const turn = deferred();
    set.publisher.turn = turn.promise;
    const { length } = set.publisher.answered;
    for (let minute = 0; minute < 60; minute += 1) {
      set.world.pass(MINUTE);
      await quiet();
    }
    expect(set.publisher.answered).toHaveLength(length);
    turn.resolve();
    await until(() => set.publisher.answered.length > length);
    await set.settle();
    set.publisher.body = atom([set.news('later'), set.old]);
    await set.pass(25 * MINUTE);
    expect(set.got).toEqual(['poll: later new']);
  });

  it('finds what the topic says is deleted', async () => {
    const set = await setUp();
    await set.pass(HOUR);
    set.publisher.body = atom([]).replace(
      '</feed>',
      '<at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="old" when="2020-01-01T00:00:00Z"/></feed>',
    );
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: old deleted']);
  });

  it('what the first look found is news all the same when its hub delivers it', async () => {
    const fresh = { id: 'fresh', at: Date.parse('2030-01-01T00:00:00Z') };
    const set = await setUp({ delivery: { dedupe: 'entries' }, entries: [fresh] });
    const [delivery] = await set.deliver([fresh]);
    expect(delivery?.status).toBe(202);
    await set.pass(HOUR);
    expect(set.got).toEqual(['hub: fresh new']);
    expect(set.silences).toEqual([]);
  });

  it('a dead letter is not missing, also after a restart', async () => {
    let tries = 0;
    const set = await setUp({
      delivery: { retryForSeconds: 0, catchUp: false },
      handle: () => {
        tries += 1;
        throws(new Error('never'));
      },
    });
    const bad = set.news('bad');
    set.publisher.body = atom([bad, set.old]);
    await set.deliver([bad]);
    await set.pass(HOUR);
    await set.runtime.stop();
    await set.start();
    set.publisher.body = atom([bad]);
    await set.pass(HOUR);
    expect([tries, set.silences]).toEqual([1, []]);
  });

  it('undated news is found however long each poll finds some', { timeout: 60_000 }, async () => {
    const set = await setUp({ pollSeconds: 3_600 });
    const all: Written[] = [set.old];
    for (let hour = 0; hour < 60; hour += 0.1) {
      all.unshift({ id: `n${all.length}` });
      set.publisher.body = atom(all);
      await set.pass(6 * MINUTE, 6 * MINUTE);
    }
    await set.pass(3 * HOUR, 3 * MINUTE);
    expect(all.map(({ id }) => id).filter((id) => id !== 'old' && !set.got.includes(`poll: ${id} new`))).toEqual([]);
  });

  it('what is in hand while polled, and comes to nothing, is found later', async () => {
    let turn: Promise<void> | undefined;
    let isBroken = false;
    // What was refused would be fetched by that as well.
    const set = await setUp({
      delivery: { catchUp: false },
      handle: async () => {
        await turn;
        if (isBroken) throws(new Error('not now'));
      },
    });
    const fresh = set.news('fresh');
    set.publisher.body = atom([fresh, set.old]);
    const held = deferred();
    turn = held.promise;
    const delivering = set.deliver([fresh]);
    await quiet();
    const { length } = set.publisher.answered;
    for (let step = 0; step < 40 && set.publisher.answered.length === length; step += 1) {
      set.world.pass(30 * SECOND);
      await until(() => set.publisher.answered.length >= set.publisher.asked.length);
      await quiet();
    }
    await until(() => set.publisher.answered.length > length);
    await quiet();
    set.store.faults = new Set(['set']);
    isBroken = true;
    held.resolve();
    expect((await delivering)[0]?.status).toBe(503);
    set.store.faults = new Set();
    isBroken = false;
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: fresh new']);
  });

  it('a clock that is set back while the hub has its time holds nothing back', async () => {
    const set = await setUp();
    set.publisher.body = atom([set.news('silent'), set.old]);
    const { length } = set.publisher.asked;
    for (let step = 0; step < 40 && set.publisher.asked.length === length; step += 1) await set.pass(30 * SECOND);
    set.world.pass(-DAY);
    await set.settle();
    await set.pass(HOUR);
    expect(set.got).toEqual(['poll: silent new']);
  });
});
