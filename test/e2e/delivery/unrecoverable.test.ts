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
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { throws } from '../../kit/throws.js';
import { atom, startPublisher } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { startHub } from '../../kit/start-hub.js';

async function deadLettersOf(runtime: SubscriberRuntime): Promise<DeadLetter[]> {
  const deadLetters: DeadLetter[] = [];
  for await (const letter of runtime.deadLetters) deadLetters.push(letter);
  return deadLetters;
}

/** Records which hooks are called for an event, and with which error. */
function hooksOf(runtime: SubscriberRuntime): string[] {
  const called: string[] = [];
  const note = (name: string) => (payload: HookPayload) =>
    void called.push(`${name} ${payload.error?.name}: ${payload.error?.message} ${payload.cause ?? ''}`.trim());
  for (const name of ['handler-error', 'dead-letter', 'delivered'] as const) runtime.hooks.on(name, note(name));
  return called;
}

const HOOK_CALLS = [
  'handler-error UnrecoverableEventError: no use',
  'dead-letter UnrecoverableEventError: no use unrecoverable',
];

/** A service with a handler that throws an UnrecoverableEventError; `before` runs first in each attempt. */
async function failingService(delivery: DeliveryConfig, before: (attempt: number) => Promise<void> | void = () => {}) {
  let runs = 0;
  const set = await startSubscriber(
    async ({ attempt }) => {
      runs += 1;
      await before(attempt);
      throw new UnrecoverableEventError('no use');
    },
    { delivery },
  );
  return { ...set, hookCalls: hooksOf(set.runtime), runs: () => runs };
}

async function isDeadLetterOnce(
  { runtime, world, hookCalls, runs }: Awaited<ReturnType<typeof failingService>>,
  { attempts = 1, ran = attempts }: { readonly attempts?: number; readonly ran?: number } = {},
) {
  expect(await until(async () => (await deadLettersOf(runtime)).length === 1)).toBe(true);
  world.advance(DAY_MS);
  await untilIdle();
  expect(runs()).toBe(ran);
  expect(hookCalls.slice(-2)).toEqual(HOOK_CALLS);
  const [letter] = await deadLettersOf(runtime);
  expect(letter).toMatchObject({ cause: 'unrecoverable', attempts });
  expect(letter?.errors.at(-1)?.message).toBe('no use');
  const lines = world.logged('given up').map(({ level, fields }) => [level, fields['cause']]);
  expect(lines).toEqual([['error', 'unrecoverable']]);
}

test('C7 thrown while the hub waits: the hub gets 202, and the event is a dead letter without another run', async () => {
  const set = await failingService({});
  const { status, body } = await set.publish();
  expect([status, body]).toEqual([202, '']);
  await isDeadLetterOnce(set);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 0, failed: 1 });
});

test('C7 thrown synchronously it has the same effect', async () => {
  const set = await startSubscriber(() => throws(new UnrecoverableEventError('no use')));
  expect((await set.publish()).status).toBe(202);
  expect(await deadLettersOf(set.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C9 thrown after the 202 it has the same effect', async () => {
  const handlerRun = deferred();
  const set = await failingService({ ackAfterMs: 1 }, () => handlerRun.promise);
  expect((await set.publish()).status).toBe(202);
  expect(await deadLettersOf(set.runtime)).toEqual([]);
  handlerRun.resolve();
  await isDeadLetterOnce(set);
});

test('C7 thrown in queued mode it has the same effect', async () => {
  const set = await failingService({ mode: 'queued' });
  expect((await set.publish()).status).toBe(202);
  await isDeadLetterOnce(set);
});

test('C7 thrown in a retry it has the same effect', async () => {
  const set = await failingService({}, (attempt) => (attempt === 1 ? throws(new Error('not now')) : undefined));
  await set.publish();
  expect(set.hookCalls).toEqual(['handler-error Error: not now']);
  set.world.advance(1_000);
  await isDeadLetterOnce(set, { attempts: 2 });
});

test('C7 with order, the next event of the subscription runs', async () => {
  const received: string[] = [];
  const set = await startSubscriber(
    (event) => {
      received.push(event.text());
      if (event.text() === 'one') throw new UnrecoverableEventError('no use');
    },
    { delivery: { mode: 'queued', order: 'subscription' } },
  );
  await set.publish('one');
  await set.publish('two');
  await until(() => received.length === 2);
  expect(received).toEqual(['one', 'two']);
});

test('C7 a dead letter that cannot be stored while the hub waits gets 503, and the hub delivers again', async () => {
  const set = await failingService({});
  set.store.faults = new Set(['set']);
  expect((await set.publish()).status).toBe(503);
  expect(await deadLettersOf(set.runtime)).toEqual([]);
  set.store.faults = new Set();
  expect((await set.publish()).status).toBe(202);
  await isDeadLetterOnce(set, { ran: 2 });
});

test('C7 it takes no room: even with a full inbox the answer is 202', async () => {
  const handlerRun = deferred();
  const set = await startSubscriber(
    async (event) => {
      if (event.text() === 'fails') throw new Error('not now');
      await handlerRun.promise;
      throw new UnrecoverableEventError('no use');
    },
    { delivery: { maxPending: 1 } },
  );
  const published = set.publish('hopeless');
  await until(async () => (await statsOf(set.runtime))?.received === 1);
  expect((await set.publish('fails')).status).toBe(202);
  expect((await set.publish('fails')).status).toBe(503);
  handlerRun.resolve();
  expect((await published).status).toBe(202);
  expect(await deadLettersOf(set.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C7 it can be replayed like any dead letter', async () => {
  let isMended = false;
  const set = await startSubscriber(() => {
    if (!isMended) throw new UnrecoverableEventError('no use');
  });
  await set.publish();
  isMended = true;
  const [{ id } = { id: '' }] = await deadLettersOf(set.runtime);
  await set.runtime.deadLetters.replay(id);
  set.world.advance(1_000);
  await until(() => set.store.events.length === 0);
  expect(await deadLettersOf(set.runtime)).toEqual([]);
});

test('C7 it stays a dead letter after restarts, and keeps its cause', async () => {
  const set = await failingService({});
  await set.publish();
  await set.runtime.stop();
  const runtime = await set.startAgain();
  set.world.advance(DAY_MS);
  await untilIdle();
  expect(set.runs()).toBe(1);
  expect(await deadLettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C4 an error of event.parse() stores its paths with the dead letter, and no values', async () => {
  const schema = z.object({ user: z.object({ id: z.number() }) });
  const received: number[] = [];
  const set = await startSubscriber(async (event) => {
    const { user } = await event.parse(schema);
    received.push(user.id);
  });
  expect((await set.publish('{"user":{"id":7}}')).status).toBe(202);
  expect((await set.publish('{"user":{"id":"secret"}}')).status).toBe(202);
  expect((await set.publish('{"user":')).status).toBe(202);
  expect(received).toEqual([7]);
  const deadLetters = await deadLettersOf(set.runtime);
  expect(deadLetters.map(({ cause, errors }) => [cause, errors[0]?.message])).toEqual([
    ['unrecoverable', expect.stringMatching(/^The JSON body does not match the schema: user\.id: /)],
    ['unrecoverable', 'The body is not valid JSON.'],
  ]);
  expect(JSON.stringify(deadLetters.map(({ errors }) => errors))).not.toContain('secret');
});

test.each([
  ['catch-up', {}],
  ['poll', { pollSeconds: 600, catchUp: false }],
] as const)('L3 an event fetched by %s is a dead letter at once, too', async (source, delivery) => {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const publisher = await startPublisher(hub, atom([{ id: 'old', at: world.now - 30 * DAY_MS }]));
  const store = new FaultyStore();
  const received: ContentDistributionMessage[] = [];
  const service = defineSubscriber(
    { name: 'news', target: publisher.url, secret: false, unsubscribeOnShutdown: false, delivery },
    {
      onEventNotification: (event) => {
        received.push(event);
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
    world.advance(11 * 60_000);
    await untilIdle();
    await until(() => publisher.statuses.length >= publisher.requests.length);
    await untilIdle();
  }
  await first.stop();
  publisher.body = atom([{ id: 'fresh', at: world.now }]);
  const runtime = await start();
  await until(async () => {
    world.advance(60_000);
    await untilIdle();
    return (await deadLettersOf(runtime)).length === 1;
  });
  expect(received.map((event) => event.source)).toEqual([source]);
  expect(await deadLettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable', attempts: 1 }]);
});
