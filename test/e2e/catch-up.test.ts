import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { quiet, throws } from '../kit/news-service.js';
import { atom, publisherAt, type Written } from '../kit/publisher.js';
import { until } from '../kit/world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type Got = Pick<ContentDistributionMessage, 'source' | 'attempt'> & { readonly entries: readonly string[] };

interface Options {
  readonly delivery?: DeliveryConfig;
  readonly config?: SubscriberServiceConfig;
  readonly leaseSeconds?: number;
  readonly handle?: (event: ContentDistributionMessage) => void;
  /** Whether the handler asks for the entries of an event. */
  readonly reads?: (event: ContentDistributionMessage) => boolean;
  /** Whether the hub fails until it is told otherwise. */
  readonly isFailingFirst?: boolean;
}

/** A publisher and a hub, and a service that is subscribed and notes the entries it is handed. */
async function setUp({
  delivery = {},
  config = {},
  leaseSeconds = 10 * 86_400,
  handle = () => {},
  reads = () => true,
  isFailingFirst = false,
}: Options = {}) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds });
  onTestFinished(() => hub.close());
  const old: Written = { id: 'old', at: world.now - 30 * DAY };
  const publisher = await publisherAt(hub, atom([old]));
  const store = new FaultyStore();
  const got: Got[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery, ...config },
    {
      onEventNotification: async (event) => {
        handle(event);
        const { source, attempt } = event;
        const entries = reads(event) ? await event.entries() : [];
        got.push({ source, attempt, entries: entries.map(({ id, change }) => `${id} ${change}`) });
      },
    },
  );
  let runtime: SubscriberRuntime | undefined;
  const start = async (): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store: store.keyv, port: runtime?.port ?? 0 });
    onTestFinished(() => started.stopNow());
    runtime = started;
    return started;
  };
  if (isFailingFirst) {
    hub.fail(503, { times: 1_000 });
    await start();
  } else {
    await (await start()).ready({ timeoutMs: 5_000 });
  }
  await hub.settled();
  /** Time passes, and what comes due by then is done. */
  const pass = async (milliseconds: number): Promise<void> => {
    world.pass(milliseconds);
    await settle();
  };
  const settle = async (): Promise<void> => {
    await quiet();
    await hub.settled();
    await quiet();
  };
  const stop = async (): Promise<void> => await runtime?.stop();
  const seen = async () => (await runtime?.subscriptions.find())?.[0];
  const news = (id: string, at = world.now): Written => ({ id, at });
  return { world, hub, publisher, store, got, old, start, stop, pass, settle, seen, news };
}

const state = async (set: Awaited<ReturnType<typeof setUp>>) => (await set.seen())?.state;

describe('L3 after a lease that ran out', () => {
  it('the topic is fetched, and what is new is handed over once', async () => {
    const set = await setUp({ leaseSeconds: 600 });
    // The hub is gone for an hour: nothing is renewed, and nothing delivered.
    set.hub.fail(503, { times: 1_000 });
    await set.pass(11 * MINUTE);
    expect(await state(set)).toBe('expired');
    set.publisher.body = atom([set.news('missed'), set.old]);
    await set.pass(MINUTE);
    await until(() => set.publisher.answered.length > 1);
    set.hub.configure({ fail: undefined });
    await set.pass(HOUR);
    await until(async () => (await state(set)) === 'active');
    await set.pass(1_000);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

describe('after a time in which the process was down', () => {
  it('what was published meanwhile is handed over, with source catch-up, and what is older is not', async () => {
    const set = await setUp();
    await set.pass(5 * HOUR);
    await set.stop();
    set.world.pass(DAY);
    const second = set.news('second');
    set.publisher.body = atom([second, set.news('first', set.world.now - HOUR), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['second new', 'first new'] }]);
    // What its handler has had is not handed over after the next absence, although it is of its time.
    await set.stop();
    set.publisher.body = atom([set.news('third'), second, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 1);
    expect(set.got.slice(1)).toEqual([{ source: 'catch-up', attempt: 1, entries: ['third new'] }]);
  });

  it('an entry that was fetched is delivered once, also to a handler that reads no entries', async () => {
    const set = await setUp({ reads: () => false });
    await set.pass(5 * HOUR);
    await set.stop();
    const missed = set.news('missed');
    set.publisher.body = atom([missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    // Within the hour in which clocks may differ the entry counts as published in the next gap.
    await set.stop();
    set.publisher.body = atom([{ ...set.old, id: 'another old one' }, missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.publisher.answered.filter((status) => status === 200).length > 2);
    await set.settle();
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: [] }]);
  });

  it('the topic is asked whether it is what was fetched last, and nothing is handed over where it is', async () => {
    const set = await setUp();
    for (const expected of [200, 304]) {
      await set.stop();
      set.world.pass(HOUR);
      await set.start();
      const before = set.publisher.answered.length;
      await set.pass(MINUTE);
      await until(() => set.publisher.answered.length > before);
      expect(set.publisher.answered.slice(before)).toEqual([expected]);
      await set.settle();
    }
    expect(set.publisher.asked.at(-1)).toMatchObject({ 'if-none-match': expect.stringMatching(/^"/) });
    expect(set.publisher.asked.at(-1)?.accept).toMatch(/^application\/atom\+xml/);
    expect(set.got).toEqual([]);
  });

  it('also where it was unsubscribed meanwhile, as is the default', async () => {
    const set = await setUp({ config: { unsubscribeOnShutdown: true } });
    await set.stop();
    await set.hub.settled();
    expect(set.hub.subscriptions.filter((one) => one.state === 'active')).toEqual([]);
    set.world.pass(DAY);
    set.publisher.body = atom([set.news('missed'), set.old]);
    await set.start();
    await until(async () => (await state(set)) === 'active');
    await set.pass(1_000);
    await until(() => set.got.length > 0);
    await set.pass(5 * MINUTE);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('also where no hub comes back: a minute after the start', async () => {
    const set = await setUp({ config: { unsubscribeOnShutdown: true } });
    await set.stop();
    set.world.pass(DAY);
    set.publisher.body = atom([set.news('missed'), set.old]);
    set.hub.fail(503, { times: 1_000 });
    await set.start();
    await set.pass(30_000);
    expect(set.got).toEqual([]);
    await set.pass(31_000);
    await until(() => set.got.length > 0);
    expect(await state(set)).toBe('failed');
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('also where it ended a moment after its first start, without a word', async () => {
    const set = await setUp();
    const left = new Map(set.store);
    await set.stop();
    set.store.clear();
    for (const [key, row] of left) set.store.set(key, row);
    set.world.pass(DAY);
    set.publisher.body = atom([set.news('missed'), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('entries without a time are handed over, as they may be of it', async () => {
    const set = await setUp();
    await set.stop();
    set.world.pass(DAY);
    set.publisher.body = atom([{ id: 'undated' }, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['undated new'] }]);
  });

  it("with dedupe: 'entries' also what says that it is older, where it was not handed over and the subscription is not younger", async () => {
    const set = await setUp({ delivery: { dedupe: 'entries' } });
    await set.pass(2 * DAY);
    const early = set.news('backdated', set.world.now - DAY);
    await set.pass(DAY);
    await set.stop();
    set.world.pass(HOUR);
    set.publisher.body = atom([early, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['backdated new'] }]);
  });

  it('what is no feed is left alone', async () => {
    const set = await setUp();
    await set.stop();
    set.publisher.contentType = 'text/html';
    set.publisher.body = '<!doctype html><title>a page</title>';
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('the topic was fetched after a gap').length > 0);
    await set.settle();
    expect(set.got).toEqual([]);
  });

  it('nothing is fetched with catchUp: false', async () => {
    const set = await setUp({ delivery: { catchUp: false } });
    await set.stop();
    set.world.pass(DAY);
    await set.start();
    const before = set.publisher.asked.length;
    await set.pass(5 * MINUTE);
    expect(set.publisher.asked).toHaveLength(before);
  });

  it('a topic that cannot be had now is tried again, also after a restart; one that is gone is not', async () => {
    const set = await setUp();
    await set.stop();
    set.world.pass(DAY);
    set.publisher.status = 503;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('cannot be fetched now').length === 1);
    await set.settle();
    await set.stop();
    set.publisher.body = atom([set.news('missed'), set.old]);
    set.publisher.status = 200;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toMatchObject([{ entries: ['missed new'] }]);

    await set.stop();
    set.publisher.status = 410;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('what no hub sent is missing').length === 1);
    await set.settle();
    const before = set.publisher.asked.length;
    await set.pass(DAY);
    expect(set.publisher.asked.length - before).toBeLessThanOrEqual(1);
  });

  it.each([
    ['that fails again', true],
    ['that is handled at once, unread', false],
  ])('L3 an entry that waits in the inbox (%s) is not delivered a second time', async (_how, failsAgain) => {
    let isBroken = true;
    const set = await setUp({
      handle: ({ source }) => {
        if (isBroken && source === 'hub') throws(new Error('not now'));
      },
      reads: ({ source }) => failsAgain || source === 'catch-up',
    });
    const waiting = set.news('waiting');
    await set.hub.distribute(set.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await set.settle();
    await set.stop();
    set.world.pass(HOUR);
    isBroken = failsAgain;
    set.publisher.body = atom([set.news('missed'), waiting, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.some(({ source }) => source === 'catch-up'));
    isBroken = false;
    for (let hour = 0; hour < 3; hour += 1) await set.pass(HOUR);
    await until(() => set.got.some(({ source }) => source === 'hub'));
    const got = set.got.map(({ source, entries }) => ({ source, entries }));
    expect(got.toSorted((one, other) => one.source.localeCompare(other.source))).toEqual([
      { source: 'catch-up', entries: ['missed new'] },
      { source: 'hub', entries: failsAgain ? ['waiting new'] : [] },
    ]);
  });

  it('L3 a later version of what waits in the inbox is delivered', async () => {
    const set = await setUp({
      handle: ({ source }) => {
        if (source === 'hub') throws(new Error('not now'));
      },
    });
    const waiting = set.news('waiting');
    await set.hub.distribute(set.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await set.settle();
    await set.stop();
    set.world.pass(HOUR);
    set.publisher.body = atom([{ ...waiting, updated: set.world.now, title: 'corrected' }, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['waiting new'] }]);
  });

  it.each(['entries', false] as const)(
    'L3 nothing from before the first verification is delivered, however long its hub failed (dedupe: %s)',
    async (dedupe) => {
      const set = await setUp({ delivery: { dedupe }, isFailingFirst: true });
      const before = set.news('before');
      set.world.pass(HOUR);
      set.hub.configure({ fail: undefined });
      await set.pass(HOUR);
      await until(async () => (await state(set)) === 'active');
      const justBefore = set.news('just before', set.world.now - 9 * MINUTE);
      set.publisher.body = atom([justBefore, before, set.old]);
      await set.stop();
      await set.start();
      await set.pass(MINUTE);
      await until(() => set.got.length > 0);
      expect(set.got.flatMap(({ entries }) => entries)).toEqual(['just before new']);
    },
  );

  it('what was fetched is kept until its handler has succeeded, like any other news', async () => {
    let isBroken = true;
    const set = await setUp({
      handle: () => {
        if (isBroken) throws(new Error('not now'));
      },
    });
    await set.stop();
    set.world.pass(DAY);
    set.publisher.body = atom([set.news('missed'), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('a handler failed').length > 0);
    await set.settle();
    await set.stop();
    isBroken = false;
    // The topic has it no more.
    set.publisher.body = atom([set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 2, entries: ['missed new'] }]);
  });

  it('what cannot be stored is fetched again', async () => {
    const set = await setUp();
    await set.stop();
    set.world.pass(DAY);
    set.publisher.body = atom([set.news('missed'), set.old]);
    await set.start();
    set.store.faults = new Set(['set']);
    await set.pass(MINUTE);
    await until(() => set.world.logged('an event cannot be stored').length > 0);
    await set.settle();
    expect(set.got).toEqual([]);
    set.store.faults = new Set();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toMatchObject([{ entries: ['missed new'] }]);
  });

  it.each(['broken', 404] as const)('a topic that is %s at that moment is fetched again', async (how) => {
    const set = await setUp();
    await set.stop();
    set.world.pass(DAY);
    const whole = atom([set.news('missed'), set.old]);
    set.publisher.body = how === 'broken' ? whole.slice(0, -20) : whole;
    set.publisher.status = how === 'broken' ? 200 : how;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('cannot be fetched now').length === 1);
    await set.settle();
    set.publisher.status = 200;
    set.publisher.body = whole;
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('what came out while a service was not declared is handed over when it is again', async () => {
    const set = await setUp();
    await set.stop();
    const other = defineSubscriber({ name: 'other' }, { onEventNotification: () => {} });
    const between = await set.world.start(other, { store: set.store.keyv });
    set.world.pass(5 * HOUR);
    const missed = set.news('missed');
    set.world.pass(DAY);
    await between.stop();
    set.publisher.body = atom([missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('what came out while the machine slept is handed over when it wakes', async () => {
    const set = await setUp();
    set.publisher.body = atom([set.news('missed', set.world.now + HOUR), set.old]);
    set.world.pass(5 * HOUR);
    set.world.turn('30 * * * * *');
    await set.pass(MINUTE);
    await until(() => set.got.length > 0);
    expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

it('L3 what comes out while a hub fails, after a restart in the middle of that, is handed over when it is back', async () => {
  const set = await setUp();
  set.hub.fail(503, { times: 1_000 });
  await set.pass(9 * DAY);
  await until(async () => ((await set.seen())?.attempts ?? 0) > 0);
  await set.stop();
  await set.start();
  await set.pass(5 * MINUTE);
  await set.settle();
  expect(await set.seen()).toMatchObject({ state: 'active' });
  const missed = set.news('missed');
  set.publisher.body = atom([missed, set.old]);
  await set.pass(HOUR);
  set.hub.configure({ fail: undefined });
  for (let hour = 0; hour < 3; hour += 1) await set.pass(HOUR);
  expect(await set.seen()).toMatchObject({ state: 'active', attempts: 0 });
  await set.pass(MINUTE);
  await until(() => set.got.length > 0);
  expect(set.got).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
});
