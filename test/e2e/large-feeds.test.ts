import { expect, it, onTestFinished } from 'vitest';
import { defineSubscriber, type ContentDistributionMessage, type DeliveryConfig } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { whenIdle } from '../../src/feed/parse/parse.js';
import { FakeWorld } from '../kit/fake-world.js';
import { quiet, setUp, statsOf, throws } from '../kit/news-service.js';
import { atom, publisherAt, type Written } from '../kit/publisher.js';
import { until } from '../kit/world.js';

const AT = Date.parse('2029-12-31T00:00:00Z');

/** So many entries are parsed in a thread. */
const many = (count: number, name = 'e'): readonly Written[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${name}${index}`, at: AT }));

const LARGE = atom(many(700));

const entries = { dedupe: 'entries' } as const satisfies DeliveryConfig;

it('entries of a large feed say how they compare with what the handler had, also after a restart', async () => {
  const changes: string[] = [];
  const set = await setUp(async (event) => {
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

it('the same large feed from two hubs at the same time is handed over once', async () => {
  let runs = 0;
  const set = await setUp(() => void (runs += 1), { delivery: entries });
  const both = await Promise.all([set.publish(LARGE), set.publish(LARGE), set.publish(LARGE)]);
  expect(both.map(({ status }) => status)).toEqual([202, 202, 202]);
  expect(runs).toBe(1);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 2 });
});

it('a small feed with an entry of a large one that is being parsed waits for it, and is known', async () => {
  const got: number[] = [];
  const set = await setUp((event) => void got.push(event.bytes().byteLength), { delivery: entries });
  const large = set.publish(LARGE);
  await until(() => whenIdle() !== undefined);
  const small = set.publish(atom(many(1)));
  await Promise.all([large, small]);
  expect(got).toHaveLength(1);
});

it('C4, D12: what is over a bound is the error of the handler that asks for it, and never of the hub', async () => {
  const errors: unknown[] = [];
  const set = await setUp(
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

it('C4: a rejection that no handler looks at ends nothing', async () => {
  const set = await setUp((event) => {
    void event.entries();
    void event.feed();
  });
  expect((await set.publish('<feed><entry>')).status).toBe(202);
  expect((await set.publish('<feed><entry>'.repeat(600))).status).toBe(202);
});

it('C9: a hub is answered in time however long its feed takes to parse, and the feed is handed over once', async () => {
  const got: ContentDistributionMessage[] = [];
  const set = await setUp((event) => void got.push(event), { delivery: { ...entries, ackAfterMs: 1 } });
  expect((await set.publish(LARGE)).status).toBe(202);
  expect((await set.publish(LARGE)).status).toBe(202);
  await until(async () => (await statsOf(set.runtime))?.duplicates === 1);
  await quiet();
  expect(got).toHaveLength(1);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await set.runtime.stop();
  await set.startAgain();
  expect((await set.publish(LARGE)).status).toBe(202);
  await quiet();
  expect(got).toHaveLength(1);
});

it.each([
  ['few entries', atom(many(3))],
  ['many entries', LARGE],
  ['more entries than are stored with an event', atom(many(1_500))],
])('what waits in the store after a restart is not handed over beside that: %s', async (_what, feed) => {
  let isBroken = true;
  let runs = 0;
  const set = await setUp(
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
  set.world.pass(3_600_000);
  await until(() => runs > before);
  await quiet();
  expect((await set.publish(feed)).status).toBe(202);
  await quiet();
  expect(runs).toBe(before + 1);
});

it('D12: with polls and catch-up, a topic over a bound is left alone, and the next one that is within is read', async () => {
  const world = new FakeWorld();
  await using hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  const publisher = await publisherAt(hub, atom([]));
  const got: string[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, delivery: { pollSeconds: 600 } },
    {
      async onEventNotification(event) {
        for (const { id } of await event.entries()) got.push(`${event.source}: ${id}`);
      },
    },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  await runtime.ready({ timeoutMs: 5_000 });
  const pass = async (): Promise<void> => {
    for (let minute = 0; minute < 30; minute += 1) {
      world.pass(60_000);
      await quiet();
      await until(() => publisher.answered.length >= publisher.asked.length);
      await quiet();
    }
  };
  await pass();
  publisher.body = `<feed>${'<entry/>'.repeat(50_001)}</feed>`;
  await pass();
  publisher.body = atom([{ id: 'fresh', at: world.now }]);
  // Polls that fail come after growing waits, of an hour at most.
  for (let half = 0; half < 3; half += 1) await pass();
  expect(got).toEqual(['poll: fresh']);
});
