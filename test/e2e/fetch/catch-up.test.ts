import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
} from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { untilSettled } from '../../kit/until-idle.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher, type WrittenEntry } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type ReceivedEvent = Pick<ContentDistributionMessage, 'source' | 'attempt'> & { readonly entries: readonly string[] };

interface Options {
  readonly delivery?: DeliveryConfig;
  readonly config?: SubscriberServiceConfig;
  readonly leaseSeconds?: number;
  readonly handle?: (event: ContentDistributionMessage) => void;
  /** Whether the handler reads the entries of an event. */
  readonly reads?: (event: ContentDistributionMessage) => boolean;
  /** Whether the hub fails until the test ends that. */
  readonly isFailingFirst?: boolean;
}

/** A publisher, a hub, and a subscribed service that records the entries it receives. */
async function setUp({
  delivery = {},
  config = {},
  leaseSeconds = 10 * 86_400,
  handle = () => {},
  reads = () => true,
  isFailingFirst = false,
}: Options = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds });
  const old: WrittenEntry = { id: 'old', at: world.now - 30 * DAY };
  const publisher = await startPublisher(hub, atom([old]));
  const store = new FaultyStore();
  const received: ReceivedEvent[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery, ...config },
    {
      onEventNotification: async (event) => {
        handle(event);
        const { source, attempt } = event;
        const entries = reads(event) ? await event.entries() : [];
        received.push({ source, attempt, entries: entries.map(({ id, change }) => `${id} ${change}`) });
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
  /** Advances the clock and runs the work that comes due. */
  const pass = async (milliseconds: number): Promise<void> => {
    world.advance(milliseconds);
    await settle();
  };
  const settle = (): Promise<void> => untilSettled(hub);
  const stop = async (): Promise<void> => await runtime?.stop();
  const subscription = async () => (await runtime?.subscriptions.find())?.[0];
  const entryAt = (id: string, at = world.now): WrittenEntry => ({ id, at });
  return { world, hub, publisher, store, received, old, start, stop, pass, settle, subscription, entryAt };
}

const state = async (set: Awaited<ReturnType<typeof setUp>>) => (await set.subscription())?.state;

describe('L3 after an expired lease', () => {
  it('the topic is fetched, and new entries are delivered once', async () => {
    const set = await setUp({ leaseSeconds: 600 });
    // The hub fails for an hour: nothing is renewed, and nothing delivered.
    set.hub.fail(503, { times: 1_000 });
    await set.pass(11 * MINUTE);
    expect(await state(set)).toBe('expired');
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    await set.pass(MINUTE);
    await until(() => set.publisher.statuses.length > 1);
    set.hub.configure({ fail: undefined });
    await set.pass(HOUR);
    await until(async () => (await state(set)) === 'active');
    await set.pass(1_000);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

describe('after downtime of the process', () => {
  it('entries published meanwhile are delivered with source catch-up, and older ones are not', async () => {
    const set = await setUp();
    await set.pass(5 * HOUR);
    await set.stop();
    set.world.advance(DAY);
    const second = set.entryAt('second');
    set.publisher.body = atom([second, set.entryAt('first', set.world.now - HOUR), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['second new', 'first new'] }]);
    // A processed entry is not delivered after the next downtime, although it is dated within the gap.
    await set.stop();
    set.publisher.body = atom([set.entryAt('third'), second, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 1);
    expect(set.received.slice(1)).toEqual([{ source: 'catch-up', attempt: 1, entries: ['third new'] }]);
  });

  it('a fetched entry is delivered once, also to a handler that reads no entries', async () => {
    const set = await setUp({ reads: () => false });
    await set.pass(5 * HOUR);
    await set.stop();
    const missed = set.entryAt('missed');
    set.publisher.body = atom([missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    // The entry is within the hour of slack, so it counts as published in the next gap.
    await set.stop();
    set.publisher.body = atom([{ ...set.old, id: 'another old one' }, missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.publisher.statuses.filter((status) => status === 200).length > 2);
    await set.settle();
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: [] }]);
  });

  it('the topic is fetched conditionally, and nothing is delivered if it has not changed', async () => {
    const set = await setUp();
    for (const expected of [200, 304]) {
      await set.stop();
      set.world.advance(HOUR);
      await set.start();
      const before = set.publisher.statuses.length;
      await set.pass(MINUTE);
      await until(() => set.publisher.statuses.length > before);
      expect(set.publisher.statuses.slice(before)).toEqual([expected]);
      await set.settle();
    }
    expect(set.publisher.requests.at(-1)).toMatchObject({ 'if-none-match': expect.stringMatching(/^"/) });
    expect(set.publisher.requests.at(-1)?.accept).toMatch(/^application\/atom\+xml/);
    expect(set.received).toEqual([]);
  });

  it('missed entries are delivered when the stop unsubscribed, as is the default', async () => {
    const set = await setUp({ config: { unsubscribeOnShutdown: true } });
    await set.stop();
    await set.hub.settled();
    expect(set.hub.subscriptions.filter((one) => one.state === 'active')).toEqual([]);
    set.world.advance(DAY);
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    await set.start();
    await until(async () => (await state(set)) === 'active');
    await set.pass(1_000);
    await until(() => set.received.length > 0);
    await set.pass(5 * MINUTE);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('missed entries are delivered a minute after the start if no hub answers', async () => {
    const set = await setUp({ config: { unsubscribeOnShutdown: true } });
    await set.stop();
    set.world.advance(DAY);
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    set.hub.fail(503, { times: 1_000 });
    await set.start();
    await set.pass(30_000);
    expect(set.received).toEqual([]);
    await set.pass(31_000);
    await until(() => set.received.length > 0);
    expect(await state(set)).toBe('failed');
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('missed entries are delivered if the process crashed right after its first start', async () => {
    const set = await setUp();
    const storedRows = new Map(set.store);
    await set.stop();
    set.store.clear();
    for (const [key, row] of storedRows) set.store.set(key, row);
    set.world.advance(DAY);
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('undated entries are delivered, because they may be from the gap', async () => {
    const set = await setUp();
    await set.stop();
    set.world.advance(DAY);
    set.publisher.body = atom([{ id: 'undated' }, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['undated new'] }]);
  });

  it("with dedupe: 'entries' an older entry is delivered if it was not processed and is not older than the subscription", async () => {
    const set = await setUp({ delivery: { dedupe: 'entries' } });
    await set.pass(2 * DAY);
    const early = set.entryAt('backdated', set.world.now - DAY);
    await set.pass(DAY);
    await set.stop();
    set.world.advance(HOUR);
    set.publisher.body = atom([early, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['backdated new'] }]);
  });

  it('content that is not a feed is ignored', async () => {
    const set = await setUp();
    await set.stop();
    set.publisher.contentType = 'text/html';
    set.publisher.body = '<!doctype html><title>a page</title>';
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('the topic was fetched after a gap').length > 0);
    await set.settle();
    expect(set.received).toEqual([]);
  });

  it('nothing is fetched with catchUp: false', async () => {
    const set = await setUp({ delivery: { catchUp: false } });
    await set.stop();
    set.world.advance(DAY);
    await set.start();
    const before = set.publisher.requests.length;
    await set.pass(5 * MINUTE);
    expect(set.publisher.requests).toHaveLength(before);
  });

  it('a topic that cannot be fetched now is retried, also after a restart; a deleted one is not', async () => {
    const set = await setUp();
    await set.stop();
    set.world.advance(DAY);
    set.publisher.status = 503;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('cannot be fetched now').length === 1);
    await set.settle();
    await set.stop();
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    set.publisher.status = 200;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toMatchObject([{ entries: ['missed new'] }]);

    await set.stop();
    set.publisher.status = 410;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('what no hub sent is missing').length === 1);
    await set.settle();
    const before = set.publisher.requests.length;
    await set.pass(DAY);
    expect(set.publisher.requests.length - before).toBeLessThanOrEqual(1);
  });

  it.each([
    ['that fails again', true],
    ['that is processed at once, unread', false],
  ])('L3 an entry that waits in the inbox (%s) is not delivered a second time', async (_title, failsAgain) => {
    let isBroken = true;
    const set = await setUp({
      handle: ({ source }) => {
        if (isBroken && source === 'hub') throws(new Error('not now'));
      },
      reads: ({ source }) => failsAgain || source === 'catch-up',
    });
    const waiting = set.entryAt('waiting');
    await set.hub.distribute(set.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await set.settle();
    await set.stop();
    set.world.advance(HOUR);
    isBroken = failsAgain;
    set.publisher.body = atom([set.entryAt('missed'), waiting, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.some(({ source }) => source === 'catch-up'));
    isBroken = false;
    for (let hour = 0; hour < 3; hour += 1) await set.pass(HOUR);
    await until(() => set.received.some(({ source }) => source === 'hub'));
    const received = set.received.map(({ source, entries }) => ({ source, entries }));
    expect(received.toSorted((one, other) => one.source.localeCompare(other.source))).toEqual([
      { source: 'catch-up', entries: ['missed new'] },
      { source: 'hub', entries: failsAgain ? ['waiting new'] : [] },
    ]);
  });

  it('L3 a later version of an entry in the inbox is delivered', async () => {
    const set = await setUp({
      handle: ({ source }) => {
        if (source === 'hub') throws(new Error('not now'));
      },
    });
    const waiting = set.entryAt('waiting');
    await set.hub.distribute(set.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await set.settle();
    await set.stop();
    set.world.advance(HOUR);
    set.publisher.body = atom([{ ...waiting, updated: set.world.now, title: 'corrected' }, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['waiting new'] }]);
  });

  it.each(['entries', false] as const)(
    'L3 nothing from before the first verification is delivered, however long its hub failed (dedupe: %s)',
    async (dedupe) => {
      const set = await setUp({ delivery: { dedupe }, isFailingFirst: true });
      const before = set.entryAt('before');
      set.world.advance(HOUR);
      set.hub.configure({ fail: undefined });
      await set.pass(HOUR);
      await until(async () => (await state(set)) === 'active');
      const justBefore = set.entryAt('just before', set.world.now - 9 * MINUTE);
      set.publisher.body = atom([justBefore, before, set.old]);
      await set.stop();
      await set.start();
      await set.pass(MINUTE);
      await until(() => set.received.length > 0);
      expect(set.received.flatMap(({ entries }) => entries)).toEqual(['just before new']);
    },
  );

  it('fetched content is retried until its handler succeeds, like any other event', async () => {
    let isBroken = true;
    const set = await setUp({
      handle: () => {
        if (isBroken) throws(new Error('not now'));
      },
    });
    await set.stop();
    set.world.advance(DAY);
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('a handler failed').length > 0);
    await set.settle();
    await set.stop();
    isBroken = false;
    // The topic no longer has the entry.
    set.publisher.body = atom([set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 2, entries: ['missed new'] }]);
  });

  it('content that cannot be stored is fetched again', async () => {
    const set = await setUp();
    await set.stop();
    set.world.advance(DAY);
    set.publisher.body = atom([set.entryAt('missed'), set.old]);
    await set.start();
    set.store.faults = new Set(['set']);
    await set.pass(MINUTE);
    await until(() => set.world.logged('an event cannot be stored').length > 0);
    await set.settle();
    expect(set.received).toEqual([]);
    set.store.faults = new Set();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toMatchObject([{ entries: ['missed new'] }]);
  });

  it.each(['broken', 404] as const)('a topic that is %s at that moment is fetched again', async (how) => {
    const set = await setUp();
    await set.stop();
    set.world.advance(DAY);
    const completeFeed = atom([set.entryAt('missed'), set.old]);
    set.publisher.body = how === 'broken' ? completeFeed.slice(0, -20) : completeFeed;
    set.publisher.status = how === 'broken' ? 200 : how;
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.world.logged('cannot be fetched now').length === 1);
    await set.settle();
    set.publisher.status = 200;
    set.publisher.body = completeFeed;
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('entries published while a service was not declared are delivered when it is declared again', async () => {
    const set = await setUp();
    await set.stop();
    const other = defineSubscriber({ name: 'other' }, { onEventNotification: () => {} });
    const between = await set.world.start(other, { store: set.store.keyv });
    set.world.advance(5 * HOUR);
    const missed = set.entryAt('missed');
    set.world.advance(DAY);
    await between.stop();
    set.publisher.body = atom([missed, set.old]);
    await set.start();
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('entries published while the machine slept are delivered when it wakes', async () => {
    const set = await setUp();
    set.publisher.body = atom([set.entryAt('missed', set.world.now + HOUR), set.old]);
    set.world.advance(5 * HOUR);
    set.world.runCron('30 * * * * *');
    await set.pass(MINUTE);
    await until(() => set.received.length > 0);
    expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

it('L3 entries published while a hub fails, with a restart meanwhile, are delivered when the hub is back', async () => {
  const set = await setUp();
  set.hub.fail(503, { times: 1_000 });
  await set.pass(9 * DAY);
  await until(async () => ((await set.subscription())?.attempts ?? 0) > 0);
  await set.stop();
  await set.start();
  await set.pass(5 * MINUTE);
  await set.settle();
  expect(await set.subscription()).toMatchObject({ state: 'active' });
  const missed = set.entryAt('missed');
  set.publisher.body = atom([missed, set.old]);
  await set.pass(HOUR);
  set.hub.configure({ fail: undefined });
  for (let hour = 0; hour < 3; hour += 1) await set.pass(HOUR);
  expect(await set.subscription()).toMatchObject({ state: 'active', attempts: 0 });
  await set.pass(MINUTE);
  await until(() => set.received.length > 0);
  expect(set.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
});
