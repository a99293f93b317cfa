import { expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type ContentDistributionMessage, type DeliveryConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { whenIdle } from '../../../src/feed/parse/parse.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher, type WrittenEntry } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';

const AT = Date.parse('2029-12-31T00:00:00Z');

/** Different entries. */
const writtenEntries = (count: number, idPrefix = 'e'): readonly WrittenEntry[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${idPrefix}${index}`, publishedAt: AT }));

/** A feed with enough entries to be parsed in a thread. */
const LARGE = atom(writtenEntries(700));

const dedupeEntries = { dedupe: 'entries' } as const satisfies DeliveryConfig;

it('entries of a large feed are unchanged after they were processed, even after a restart', async () => {
  const changes: string[] = [];
  const subscriber = await startSubscriber(async (event) => {
    const entries = await event.entries();
    changes.push([...new Set(entries.map(({ change }) => change))].join());
  });
  await subscriber.publish(LARGE);
  await subscriber.publish(LARGE);
  await subscriber.runtime.stop();
  await subscriber.startAgain();
  await subscriber.publish(atom([...writtenEntries(700), ...writtenEntries(1, 'fresh')]));
  expect(changes).toEqual(['new', 'unchanged', 'unchanged,new']);
});

it('a large feed that a hub sends three times at once is delivered once', async () => {
  let runs = 0;
  const subscriber = await startSubscriber(() => void (runs += 1), { delivery: dedupeEntries });
  const deliveries = await Promise.all([
    subscriber.publish(LARGE),
    subscriber.publish(LARGE),
    subscriber.publish(LARGE),
  ]);
  expect(deliveries.map(({ status }) => status)).toEqual([202, 202, 202]);
  expect(runs).toBe(1);
  expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 2 });
});

it('a small feed waits while a large feed with the same entry is parsed, and is then a duplicate', async () => {
  const received: number[] = [];
  const subscriber = await startSubscriber((event) => void received.push(event.bytes().byteLength), {
    delivery: dedupeEntries,
  });
  const large = subscriber.publish(LARGE);
  await until(() => whenIdle() !== undefined);
  const small = subscriber.publish(atom(writtenEntries(1)));
  await Promise.all([large, small]);
  expect(received).toHaveLength(1);
});

it('C4 D12 a feed with too many entries fails in the handler that parses it, but the hub gets 202', async () => {
  const errors: unknown[] = [];
  const subscriber = await startSubscriber(
    async (event) => {
      try {
        await event.entries();
      } catch (error) {
        errors.push(error);
        throw error;
      }
    },
    { delivery: dedupeEntries },
  );
  const { status } = await subscriber.publish(`<feed>${'<entry/>'.repeat(50_001)}</feed>`);
  expect(status).toBe(202);
  expect(errors).toMatchObject([{ name: 'RangeError', message: 'The feed has more than 50000 entries' }]);
  expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, failed: 1 });
});

it('C4 a rejection that no handler awaits does not end the process', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  onTestFinished(() => void process.off('unhandledRejection', onUnhandled));
  const parses: Promise<unknown>[] = [];
  const subscriber = await startSubscriber((event) => void parses.push(event.entries(), event.feed()));
  expect((await subscriber.publish('<feed><entry>')).status).toBe(202);
  expect((await subscriber.publish('<feed><entry>'.repeat(600))).status).toBe(202);
  await untilIdle();
  expect(unhandled).toEqual([]);
  const outcomes = await Promise.allSettled(parses);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
});

it('C9 a hub gets 202 for a large feed even if `ackAfterMs` is 1, and the feed is delivered once', async () => {
  const received: ContentDistributionMessage[] = [];
  const subscriber = await startSubscriber((event) => void received.push(event), {
    delivery: { ...dedupeEntries, ackAfterMs: 1 },
  });
  expect((await subscriber.publish(LARGE)).status).toBe(202);
  expect((await subscriber.publish(LARGE)).status).toBe(202);
  await until(async () => (await statsOf(subscriber.runtime))?.duplicates === 1);
  await untilIdle();
  expect(received).toHaveLength(1);
  expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await subscriber.runtime.stop();
  await subscriber.startAgain();
  expect((await subscriber.publish(LARGE)).status).toBe(202);
  await untilIdle();
  expect(received).toHaveLength(1);
});

it.each([
  ['few entries', atom(writtenEntries(3))],
  ['many entries', LARGE],
  ['more entries than are stored with an event', atom(writtenEntries(1_500))],
])('a stored feed with %s that waits for a retry after a restart is not delivered twice', async (_what, feed) => {
  let isBroken = true;
  let runs = 0;
  const subscriber = await startSubscriber(
    () => {
      runs += 1;
      if (isBroken) throws(new Error('not now'));
    },
    { delivery: dedupeEntries },
  );
  await subscriber.publish(feed);
  await subscriber.runtime.stop();
  await subscriber.startAgain();
  const runsBefore = runs;
  expect((await subscriber.publish(feed)).status).toBe(202);
  expect(runs).toBe(runsBefore);
  isBroken = false;
  subscriber.world.advance(3_600_000);
  await until(() => runs > runsBefore);
  await untilIdle();
  expect((await subscriber.publish(feed)).status).toBe(202);
  await untilIdle();
  expect(runs).toBe(runsBefore + 1);
});

it('D12 a poll skips a topic with too many entries, and a later poll reads the topic when it has fewer', async () => {
  const world = new FakeWorld();
  await using hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  const publisher = await startPublisher(hub, atom([]));
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, delivery: { pollSeconds: 600 } },
    {
      async onEventNotification(event) {
        for (const { id } of await event.entries()) received.push(`${event.source}: ${id}`);
      },
    },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  const passHalfAnHour = async (): Promise<void> => {
    for (let minute = 0; minute < 30; minute += 1) {
      world.advance(60_000);
      await untilIdle();
      await until(() => publisher.statuses.length >= publisher.requests.length);
      await untilIdle();
    }
  };
  await passHalfAnHour();
  publisher.body = `<feed>${'<entry/>'.repeat(50_001)}</feed>`;
  await passHalfAnHour();
  publisher.body = atom([{ id: 'fresh', publishedAt: world.now }]);
  // Failed polls are retried after growing waits, at most an hour.
  for (let round = 0; round < 3; round += 1) await passHalfAnHour();
  expect(received).toEqual(['poll: fresh']);
});
