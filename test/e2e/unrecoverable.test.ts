import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import {
  defineSubscriber,
  UnrecoverableEventError,
  type ContentDistributionMessage,
  type DeadLetter,
  type DeliveryConfig,
  type HookPayload,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { FaultyStore } from '../kit/faulty-store.js';
import { DAY_MS, quiet, setUp, statsOf, throws } from '../kit/news-service.js';
import { atom, publisherAt } from '../kit/publisher.js';
import { until } from '../kit/world.js';

async function lettersOf(runtime: SubscriberRuntime): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of runtime.deadLetters) letters.push(letter);
  return letters;
}

/** Notes which hooks are called about an event, and with which error. */
function hooksOf(runtime: SubscriberRuntime): string[] {
  const called: string[] = [];
  const note = (name: string) => (payload: HookPayload) =>
    void called.push(`${name} ${payload.error?.name}: ${payload.error?.message} ${payload.cause ?? ''}`.trim());
  for (const name of ['handler-error', 'dead-letter', 'delivered'] as const) runtime.hooks.on(name, note(name));
  return called;
}

const TOLD = [
  'handler-error UnrecoverableEventError: no use',
  'dead-letter UnrecoverableEventError: no use unrecoverable',
];

/** A service whose handler throws it, in a run of which this tells. */
async function hopeless(delivery: DeliveryConfig, before: (attempt: number) => Promise<void> | void = () => {}) {
  let runs = 0;
  const set = await setUp(
    async ({ attempt }) => {
      runs += 1;
      await before(attempt);
      throw new UnrecoverableEventError('no use');
    },
    { delivery },
  );
  return { ...set, told: hooksOf(set.runtime), runs: () => runs };
}

async function isBuriedOnce(
  { runtime, world, told, runs }: Awaited<ReturnType<typeof hopeless>>,
  { attempts = 1, ran = attempts }: { readonly attempts?: number; readonly ran?: number } = {},
) {
  expect(await until(async () => (await lettersOf(runtime)).length === 1)).toBe(true);
  world.pass(DAY_MS);
  await quiet();
  expect(runs()).toBe(ran);
  expect(told.slice(-2)).toEqual(TOLD);
  const [letter] = await lettersOf(runtime);
  expect(letter).toMatchObject({ cause: 'unrecoverable', attempts });
  expect(letter?.errors.at(-1)?.message).toBe('no use');
  const lines = world.logged('given up').map(({ level, fields }) => [level, fields['cause']]);
  expect(lines).toEqual([['error', 'unrecoverable']]);
}

test('C7 thrown while the hub waits: 202, a dead letter at once, and no further run', async () => {
  const set = await hopeless({});
  const { status, body } = await set.publish();
  expect([status, body]).toEqual([202, '']);
  await isBuriedOnce(set);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 0, failed: 1 });
});

test('C7 thrown by a handler that does not wait it is the same', async () => {
  const set = await setUp(() => throws(new UnrecoverableEventError('no use')));
  expect((await set.publish()).status).toBe(202);
  expect(await lettersOf(set.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C9 thrown after the 202', async () => {
  const turn = deferred();
  const set = await hopeless({ ackAfterMs: 1 }, () => turn.promise);
  expect((await set.publish()).status).toBe(202);
  expect(await lettersOf(set.runtime)).toEqual([]);
  turn.resolve();
  await isBuriedOnce(set);
});

test('C7 thrown in queued mode', async () => {
  const set = await hopeless({ mode: 'queued' });
  expect((await set.publish()).status).toBe(202);
  await isBuriedOnce(set);
});

test('C7 thrown on a retry', async () => {
  const set = await hopeless({}, (attempt) => (attempt === 1 ? throws(new Error('not now')) : undefined));
  await set.publish();
  expect(set.told).toEqual(['handler-error Error: not now']);
  set.world.pass(1_000);
  await isBuriedOnce(set, { attempts: 2 });
});

test('C7 in order, the next event of the subscription has its turn', async () => {
  const got: string[] = [];
  const set = await setUp(
    (event) => {
      got.push(event.text());
      if (event.text() === 'one') throw new UnrecoverableEventError('no use');
    },
    { delivery: { mode: 'queued', order: 'subscription' } },
  );
  await set.publish('one');
  await set.publish('two');
  await until(() => got.length === 2);
  expect(got).toEqual(['one', 'two']);
});

test('C7 a dead letter that cannot be stored while the hub waits: 503, and the hub comes again', async () => {
  const set = await hopeless({});
  set.store.faults = new Set(['set']);
  expect((await set.publish()).status).toBe(503);
  expect(await lettersOf(set.runtime)).toEqual([]);
  set.store.faults = new Set();
  expect((await set.publish()).status).toBe(202);
  await isBuriedOnce(set, { ran: 2 });
});

test('C7 it takes no room: also with a full inbox the answer is 202', async () => {
  const turn = deferred();
  const set = await setUp(
    async (event) => {
      if (event.text() === 'fails') throw new Error('not now');
      await turn.promise;
      throw new UnrecoverableEventError('no use');
    },
    { delivery: { maxPending: 1 } },
  );
  const published = set.publish('hopeless');
  await until(async () => (await statsOf(set.runtime))?.received === 1);
  expect((await set.publish('fails')).status).toBe(202);
  expect((await set.publish('fails')).status).toBe(503);
  turn.resolve();
  expect((await published).status).toBe(202);
  expect(await lettersOf(set.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C7 it is replayed as any dead letter is', async () => {
  let isMended = false;
  const set = await setUp(() => {
    if (!isMended) throw new UnrecoverableEventError('no use');
  });
  await set.publish();
  isMended = true;
  const [{ id } = { id: '' }] = await lettersOf(set.runtime);
  await set.runtime.deadLetters.replay(id);
  set.world.pass(1_000);
  await until(() => set.store.events.length === 0);
  expect(await lettersOf(set.runtime)).toEqual([]);
});

test('C7 it stays one through restarts, and keeps its cause', async () => {
  const set = await hopeless({});
  await set.publish();
  await set.runtime.stop();
  const runtime = await set.startAgain();
  set.world.pass(DAY_MS);
  await quiet();
  expect(set.runs()).toBe(1);
  expect(await lettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C4 what event.parse() rejects with: the paths are with the dead letter, the values are not', async () => {
  const schema = z.object({ user: z.object({ id: z.number() }) });
  const got: number[] = [];
  const set = await setUp(async (event) => {
    const { user } = await event.parse(schema);
    got.push(user.id);
  });
  expect((await set.publish('{"user":{"id":7}}')).status).toBe(202);
  expect((await set.publish('{"user":{"id":"secret"}}')).status).toBe(202);
  expect((await set.publish('{"user":')).status).toBe(202);
  expect(got).toEqual([7]);
  const letters = await lettersOf(set.runtime);
  expect(letters.map(({ cause, errors }) => [cause, errors[0]?.message])).toEqual([
    ['unrecoverable', expect.stringMatching(/^The JSON body does not match the schema: user\.id: /)],
    ['unrecoverable', 'The body is not valid JSON.'],
  ]);
  expect(JSON.stringify(letters.map(({ errors }) => errors))).not.toContain('secret');
});

test.each([
  ['catch-up', {}],
  ['poll', { pollSeconds: 600, catchUp: false }],
] as const)('L3 what was fetched by %s is a dead letter at once as well', async (source, delivery) => {
  const world = new FakeWorld();
  const hub = await TestHub.start({ leaseSeconds: 10 * 86_400 });
  onTestFinished(() => hub.close());
  const publisher = await publisherAt(hub, atom([{ id: 'old', at: world.now - 30 * DAY_MS }]));
  const store = new FaultyStore();
  const got: ContentDistributionMessage[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery },
    {
      onEventNotification: (event) => {
        got.push(event);
        throw new UnrecoverableEventError('no use');
      },
    },
  );
  const start = async (): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store: store.keyv });
    onTestFinished(() => started.stopNow());
    await started.ready({ timeoutMs: 5_000 });
    await hub.settled();
    return started;
  };
  const first = await start();
  for (let look = 0; look < 2; look += 1) {
    world.pass(11 * 60_000);
    await quiet();
    await until(() => publisher.answered.length >= publisher.asked.length);
    await quiet();
  }
  await first.stop();
  publisher.body = atom([{ id: 'fresh', at: world.now }]);
  const runtime = await start();
  await until(async () => {
    world.pass(60_000);
    await quiet();
    return (await lettersOf(runtime)).length === 1;
  });
  expect(got.map((event) => event.source)).toEqual([source]);
  expect(await lettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable', attempts: 1 }]);
});
