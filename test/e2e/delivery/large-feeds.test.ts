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

/** Enough entries to be parsed in a thread. */
const many = (count: number, name = 'e'): readonly WrittenEntry[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${name}${index}`, at: AT }));

const LARGE = atom(many(700));

const entries = { dedupe: 'entries' } as const satisfies DeliveryConfig;

it('entries of a large feed have the right `change`, even after a restart', async () => {
  const changes: string[] = [];
  const set = await startSubscriber(async (event) => {
    const read = await event.entries();
    changes.push([...new Set(read.map(({ change }) => change))].join());
  });
  await set.publish(LARGE);
  await set.publish(LARGE);
  await set.runtime.stop();
  await set.startAgain();
  await set.publish(atom([...many(700), ...many(1, 'fresh')]));
  expect(changes).toEqual(['new', 'unchanged', 'unchanged,new']);
});

it('the same large feed from two hubs at the same time is delivered once', async () => {
  let runs = 0;
  const set = await startSubscriber(() => void (runs += 1), { delivery: entries });
  const both = await Promise.all([set.publish(LARGE), set.publish(LARGE), set.publish(LARGE)]);
  expect(both.map(({ status }) => status)).toEqual([202, 202, 202]);
  expect(runs).toBe(1);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 2 });
});

it('a small feed waits for a large one in parsing with the same entry, and is then a duplicate', async () => {
  const received: number[] = [];
  const set = await startSubscriber((event) => void received.push(event.bytes().byteLength), { delivery: entries });
  const large = set.publish(LARGE);
  await until(() => whenIdle() !== undefined);
  const small = set.publish(atom(many(1)));
  await Promise.all([large, small]);
  expect(received).toHaveLength(1);
});

it('C4 D12 a feed above a limit fails in the handler that parses it, and never for the hub', async () => {
  const errors: unknown[] = [];
  const set = await startSubscriber(
    async (event) => {
      try {
        await event.entries();
      } catch (error) {
        errors.push(error);
        throw error;
      }
    },
    { delivery: entries },
  );
  const { status } = await set.publish(`<feed>${'<entry/>'.repeat(50_001)}</feed>`);
  expect(status).toBe(202);
  expect(errors).toMatchObject([{ name: 'RangeError', message: 'The feed has more than 50000 entries' }]);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, failed: 1 });
});

it('C4 a rejection that no handler awaits does not end the process', async () => {
  const set = await startSubscriber((event) => {
    void event.entries();
    void event.feed();
  });
  expect((await set.publish('<feed><entry>')).status).toBe(202);
  expect((await set.publish('<feed><entry>'.repeat(600))).status).toBe(202);
});

it('C9 a hub is answered in time however long its feed takes to parse, and the feed is delivered once', async () => {
  const received: ContentDistributionMessage[] = [];
  const set = await startSubscriber((event) => void received.push(event), { delivery: { ...entries, ackAfterMs: 1 } });
  expect((await set.publish(LARGE)).status).toBe(202);
  expect((await set.publish(LARGE)).status).toBe(202);
  await until(async () => (await statsOf(set.runtime))?.duplicates === 1);
  await untilIdle();
  expect(received).toHaveLength(1);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await set.runtime.stop();
  await set.startAgain();
  expect((await set.publish(LARGE)).status).toBe(202);
  await untilIdle();
  expect(received).toHaveLength(1);
});

it.each([
  ['few entries', atom(many(3))],
  ['many entries', LARGE],
  ['more entries than are stored with an event', atom(many(1_500))],
])('a stored event that waits after a restart is not delivered twice: %s', async (_what, feed) => {
  let isBroken = true;
  let runs = 0;
  const set = await startSubscriber(
    () => {
      runs += 1;
      if (isBroken) throws(new Error('not now'));
    },
    { delivery: entries },
  );
  await set.publish(feed);
  await set.runtime.stop();
  await set.startAgain();
  const before = runs;
  expect((await set.publish(feed)).status).toBe(202);
  expect(runs).toBe(before);
  isBroken = false;
  set.world.advance(3_600_000);
  await until(() => runs > before);
  await untilIdle();
  expect((await set.publish(feed)).status).toBe(202);
  await untilIdle();
  expect(runs).toBe(before + 1);
});

it('D12 polls and catch-up skip a topic above a limit, and read it once it is below', async () => {
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
  const pass = async (): Promise<void> => {
    for (let minute = 0; minute < 30; minute += 1) {
      world.advance(60_000);
      await untilIdle();
      await until(() => publisher.statuses.length >= publisher.requests.length);
      await untilIdle();
    }
  };
  await pass();
  publisher.body = `<feed>${'<entry/>'.repeat(50_001)}</feed>`;
  await pass();
  publisher.body = atom([{ id: 'fresh', at: world.now }]);
  // Failed polls are retried after growing waits, at most an hour.
  for (let half = 0; half < 3; half += 1) await pass();
  expect(received).toEqual(['poll: fresh']);
});
