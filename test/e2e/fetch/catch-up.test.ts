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
import { untilIdle, untilSettled } from '../../kit/until-idle.js';
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
  /** Whether the hub fails from the start, until the test configures it again. */
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
  const oldEntry: WrittenEntry = { id: 'old', publishedAt: world.now - 30 * DAY };
  const publisher = await startPublisher(hub, atom([oldEntry]));
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
  const entryAt = (id: string, publishedAt = world.now): WrittenEntry => ({ id, publishedAt });
  return { world, hub, publisher, store, received, oldEntry, start, stop, pass, settle, subscription, entryAt };
}

const stateOf = async (fixture: Awaited<ReturnType<typeof setUp>>) => (await fixture.subscription())?.state;

describe('L3 after an expired lease', () => {
  it('the topic is fetched, and new entries are delivered once', async () => {
    const fixture = await setUp({ leaseSeconds: 600 });
    // The hub fails for an hour: nothing is renewed, and nothing delivered.
    fixture.hub.fail(503, { times: 1_000 });
    await fixture.pass(11 * MINUTE);
    expect(await stateOf(fixture)).toBe('expired');
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    await fixture.pass(MINUTE);
    await until(() => fixture.publisher.statuses.length > 1);
    fixture.hub.configure({ fail: undefined });
    await fixture.pass(HOUR);
    await until(async () => (await stateOf(fixture)) === 'active');
    await fixture.pass(1_000);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

describe('after downtime of the process', () => {
  it('entries published meanwhile are delivered with source catch-up, and older ones are not', async () => {
    const fixture = await setUp();
    await fixture.pass(5 * HOUR);
    await fixture.stop();
    fixture.world.advance(DAY);
    const second = fixture.entryAt('second');
    fixture.publisher.body = atom([second, fixture.entryAt('first', fixture.world.now - HOUR), fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['second new', 'first new'] }]);
    // A processed entry is not delivered after the next downtime, although it is dated within the gap.
    await fixture.stop();
    fixture.publisher.body = atom([fixture.entryAt('third'), second, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 1);
    expect(fixture.received.slice(1)).toEqual([{ source: 'catch-up', attempt: 1, entries: ['third new'] }]);
  });

  it('a fetched entry is delivered once, also to a handler that reads no entries', async () => {
    const fixture = await setUp({ reads: () => false });
    await fixture.pass(5 * HOUR);
    await fixture.stop();
    const missed = fixture.entryAt('missed');
    fixture.publisher.body = atom([missed, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    // The entry is within the hour of slack, so it counts as published in the next gap.
    await fixture.stop();
    fixture.publisher.body = atom([{ ...fixture.oldEntry, id: 'another old one' }, missed, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.publisher.statuses.filter((status) => status === 200).length > 2);
    await fixture.settle();
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: [] }]);
  });

  it('the topic is fetched conditionally, and nothing is delivered if it has not changed', async () => {
    const fixture = await setUp();
    for (const expected of [200, 304]) {
      await fixture.stop();
      fixture.world.advance(HOUR);
      await fixture.start();
      const countBefore = fixture.publisher.statuses.length;
      await fixture.pass(MINUTE);
      await until(() => fixture.publisher.statuses.length > countBefore);
      expect(fixture.publisher.statuses.slice(countBefore)).toEqual([expected]);
      await fixture.settle();
    }
    expect(fixture.publisher.requests.at(-1)).toMatchObject({ 'if-none-match': expect.stringMatching(/^"/) });
    expect(fixture.publisher.requests.at(-1)?.accept).toMatch(/^application\/atom\+xml/);
    expect(fixture.received).toEqual([]);
  });

  it('missed entries are delivered even if the stop unsubscribed, which is the default', async () => {
    const fixture = await setUp({ config: { unsubscribeOnShutdown: true } });
    await fixture.stop();
    await fixture.hub.settled();
    expect(fixture.hub.subscriptions.filter(({ state }) => state === 'active')).toEqual([]);
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    await fixture.start();
    await until(async () => (await stateOf(fixture)) === 'active');
    await fixture.pass(1_000);
    await until(() => fixture.received.length > 0);
    await fixture.pass(5 * MINUTE);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('missed entries are delivered a minute after the start if the hub fails', async () => {
    const fixture = await setUp({ config: { unsubscribeOnShutdown: true } });
    await fixture.stop();
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    fixture.hub.fail(503, { times: 1_000 });
    await fixture.start();
    await fixture.pass(30_000);
    expect(fixture.received).toEqual([]);
    await fixture.pass(31_000);
    await until(() => fixture.received.length > 0);
    expect(await stateOf(fixture)).toBe('failed');
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('missed entries are delivered if the process crashed right after its first start', async () => {
    const fixture = await setUp();
    const storedRows = new Map(fixture.store);
    await fixture.stop();
    fixture.store.clear();
    for (const [key, row] of storedRows) fixture.store.set(key, row);
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('undated entries are delivered, because they may be from the gap', async () => {
    const fixture = await setUp();
    await fixture.stop();
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([{ id: 'undated' }, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['undated new'] }]);
  });

  it("with dedupe: 'entries' an unprocessed entry from before the gap is delivered", async () => {
    const fixture = await setUp({ delivery: { dedupe: 'entries' } });
    await fixture.pass(2 * DAY);
    // Older than the gap, but not older than the subscription.
    const backdated = fixture.entryAt('backdated', fixture.world.now - DAY);
    await fixture.pass(DAY);
    await fixture.stop();
    fixture.world.advance(HOUR);
    fixture.publisher.body = atom([backdated, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['backdated new'] }]);
  });

  it('content that is not a feed is ignored', async () => {
    const fixture = await setUp();
    await fixture.stop();
    fixture.publisher.contentType = 'text/html';
    fixture.publisher.body = '<!doctype html><title>a page</title>';
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('catch-up.nothing-new').length > 0);
    await fixture.settle();
    expect(fixture.received).toEqual([]);
  });

  it('nothing is fetched with catchUp: false', async () => {
    const fixture = await setUp({ delivery: { catchUp: false } });
    await fixture.stop();
    fixture.world.advance(DAY);
    await fixture.start();
    const countBefore = fixture.publisher.requests.length;
    await fixture.pass(5 * MINUTE);
    expect(fixture.publisher.requests).toHaveLength(countBefore);
  });

  it('a topic that answers 503 is fetched again after a restart, and a topic that answers 410 is not', async () => {
    const fixture = await setUp();
    await fixture.stop();
    fixture.world.advance(DAY);
    fixture.publisher.status = 503;
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('catch-up.delayed').length === 1);
    await fixture.settle();
    await fixture.stop();
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    fixture.publisher.status = 200;
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toMatchObject([{ entries: ['missed new'] }]);

    await fixture.stop();
    fixture.publisher.status = 410;
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('catch-up.failed').length === 1);
    await fixture.settle();
    const countBefore = fixture.publisher.requests.length;
    await fixture.pass(DAY);
    expect(fixture.publisher.requests).toHaveLength(countBefore);
  });

  it.each([
    ['its handler fails again', true],
    ['its handler succeeds and reads no entries', false],
  ])('L3 an entry that waits in the inbox is not delivered a second time (%s)', async (_title, failsAgain) => {
    let isBroken = true;
    const fixture = await setUp({
      handle: ({ source }) => {
        if (isBroken && source === 'hub') throws(new Error('not now'));
      },
      reads: ({ source }) => failsAgain || source === 'catch-up',
    });
    const waiting = fixture.entryAt('waiting');
    await fixture.hub.distribute(fixture.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await fixture.settle();
    await fixture.stop();
    fixture.world.advance(HOUR);
    isBroken = failsAgain;
    fixture.publisher.body = atom([fixture.entryAt('missed'), waiting, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.some(({ source }) => source === 'catch-up'));
    isBroken = false;
    for (let hour = 0; hour < 3; hour += 1) await fixture.pass(HOUR);
    await until(() => fixture.received.some(({ source }) => source === 'hub'));
    const received = fixture.received.map(({ source, entries }) => ({ source, entries }));
    expect(received.toSorted((one, other) => one.source.localeCompare(other.source))).toEqual([
      { source: 'catch-up', entries: ['missed new'] },
      { source: 'hub', entries: failsAgain ? ['waiting new'] : [] },
    ]);
  });

  it('L3 a later version of an entry in the inbox is delivered', async () => {
    const fixture = await setUp({
      handle: ({ source }) => {
        if (source === 'hub') throws(new Error('not now'));
      },
    });
    const waiting = fixture.entryAt('waiting');
    await fixture.hub.distribute(fixture.publisher.url, atom([waiting]), { contentType: 'application/atom+xml' });
    await fixture.settle();
    await fixture.stop();
    fixture.world.advance(HOUR);
    fixture.publisher.body = atom([{ ...waiting, updated: fixture.world.now, title: 'corrected' }, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['waiting new'] }]);
  });

  it.each(['entries', false] as const)(
    'L3 an entry from nine minutes before the first verification is delivered, and older ones are not (dedupe: %s)',
    async (dedupe) => {
      const fixture = await setUp({ delivery: { dedupe }, isFailingFirst: true });
      const hoursBefore = fixture.entryAt('before');
      fixture.world.advance(HOUR);
      fixture.hub.configure({ fail: undefined });
      await fixture.pass(HOUR);
      await until(async () => (await stateOf(fixture)) === 'active');
      const justBefore = fixture.entryAt('just before', fixture.world.now - 9 * MINUTE);
      fixture.publisher.body = atom([justBefore, hoursBefore, fixture.oldEntry]);
      await fixture.stop();
      await fixture.start();
      await fixture.pass(MINUTE);
      await until(() => fixture.received.length > 0);
      expect(fixture.received.flatMap(({ entries }) => entries)).toEqual(['just before new']);
    },
  );

  it('fetched content is retried until its handler succeeds, like any other event', async () => {
    let isBroken = true;
    const fixture = await setUp({
      handle: () => {
        if (isBroken) throws(new Error('not now'));
      },
    });
    await fixture.stop();
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('handler.failed').length > 0);
    await fixture.settle();
    await fixture.stop();
    isBroken = false;
    // The topic no longer has the entry.
    fixture.publisher.body = atom([fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 2, entries: ['missed new'] }]);
  });

  it('content that cannot be stored is fetched again', async () => {
    const fixture = await setUp();
    await fixture.stop();
    fixture.world.advance(DAY);
    fixture.publisher.body = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    await fixture.start();
    fixture.store.faults = new Set(['set']);
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('delivery.not-stored').length > 0);
    await fixture.settle();
    expect(fixture.received).toEqual([]);
    fixture.store.faults = new Set();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toMatchObject([{ entries: ['missed new'] }]);
  });

  it.each(['a broken feed', 404] as const)('a topic that answers with %s is fetched again', async (answer) => {
    const fixture = await setUp();
    await fixture.stop();
    fixture.world.advance(DAY);
    const completeFeed = atom([fixture.entryAt('missed'), fixture.oldEntry]);
    fixture.publisher.body = answer === 'a broken feed' ? completeFeed.slice(0, -20) : completeFeed;
    fixture.publisher.status = answer === 'a broken feed' ? 200 : answer;
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.world.logged('catch-up.delayed').length === 1);
    await fixture.settle();
    fixture.publisher.status = 200;
    fixture.publisher.body = completeFeed;
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('entries published while a service was not declared are delivered when it is declared again', async () => {
    const fixture = await setUp();
    await fixture.stop();
    const otherService = defineSubscriber({ name: 'other' }, { onEventNotification: () => {} });
    const otherRuntime = await fixture.world.start(otherService, { store: fixture.store.keyv });
    fixture.world.advance(5 * HOUR);
    const missed = fixture.entryAt('missed');
    fixture.world.advance(DAY);
    await otherRuntime.stop();
    fixture.publisher.body = atom([missed, fixture.oldEntry]);
    await fixture.start();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });

  it('entries published while the machine slept are delivered when it wakes', async () => {
    const fixture = await setUp();
    fixture.publisher.body = atom([fixture.entryAt('missed', fixture.world.now + HOUR), fixture.oldEntry]);
    fixture.world.advance(5 * HOUR);
    fixture.world.runCron('30 * * * * *');
    await untilIdle();
    await fixture.pass(MINUTE);
    await until(() => fixture.received.length > 0);
    expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
  });
});

it('L3 entries published while a hub fails, with a restart meanwhile, are delivered when the hub is back', async () => {
  const fixture = await setUp();
  fixture.hub.fail(503, { times: 1_000 });
  await fixture.pass(9 * DAY);
  await until(async () => ((await fixture.subscription())?.attempts ?? 0) > 0);
  await fixture.stop();
  await fixture.start();
  await fixture.pass(5 * MINUTE);
  await fixture.settle();
  expect(await fixture.subscription()).toMatchObject({ state: 'active' });
  const missed = fixture.entryAt('missed');
  fixture.publisher.body = atom([missed, fixture.oldEntry]);
  await fixture.pass(HOUR);
  fixture.hub.configure({ fail: undefined });
  for (let hour = 0; hour < 3; hour += 1) await fixture.pass(HOUR);
  expect(await fixture.subscription()).toMatchObject({ state: 'active', attempts: 0 });
  await fixture.pass(MINUTE);
  await until(() => fixture.received.length > 0);
  expect(fixture.received).toEqual([{ source: 'catch-up', attempt: 1, entries: ['missed new'] }]);
});
