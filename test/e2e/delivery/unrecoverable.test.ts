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
  const hookCalls: string[] = [];
  const note = (name: string) => (payload: HookPayload) =>
    void hookCalls.push(`${name} ${payload.error?.name}: ${payload.error?.message} ${payload.cause ?? ''}`.trim());
  for (const name of ['handler-error', 'dead-letter', 'delivered'] as const) runtime.hooks.on(name, note(name));
  return hookCalls;
}

const HOOK_CALLS = [
  'handler-error UnrecoverableEventError: no use',
  'dead-letter UnrecoverableEventError: no use unrecoverable',
];

/** A service with a handler that throws an UnrecoverableEventError; `beforeThrow` runs first in each attempt. */
async function failingService(
  delivery: DeliveryConfig,
  beforeThrow: (attempt: number) => Promise<void> | void = () => {},
) {
  let runs = 0;
  const subscriber = await startSubscriber(
    async ({ attempt }) => {
      runs += 1;
      await beforeThrow(attempt);
      throw new UnrecoverableEventError('no use');
    },
    { delivery },
  );
  return { ...subscriber, hookCalls: hooksOf(subscriber.runtime), runs: () => runs };
}

async function expectOneDeadLetter(
  { runtime, world, hookCalls, runs }: Awaited<ReturnType<typeof failingService>>,
  { attempts = 1, runCount = attempts }: { readonly attempts?: number; readonly runCount?: number } = {},
) {
  expect(await until(async () => (await deadLettersOf(runtime)).length === 1)).toBe(true);
  world.advance(DAY_MS);
  await untilIdle();
  expect(runs()).toBe(runCount);
  expect(hookCalls.slice(-2)).toEqual(HOOK_CALLS);
  const [letter] = await deadLettersOf(runtime);
  expect(letter).toMatchObject({ cause: 'unrecoverable', attempts });
  expect(letter?.errors.at(-1)?.message).toBe('no use');
  const lines = world.logged('event.dead-lettered').map(({ level, fields }) => [level, fields['cause']]);
  expect(lines).toEqual([['error', 'unrecoverable']]);
}

test('C7 an UnrecoverableEventError while the hub waits leads to 202 and a dead letter without a retry', async () => {
  const subscriber = await failingService({});
  const { status, body } = await subscriber.publish();
  expect([status, body]).toEqual([202, '']);
  await expectOneDeadLetter(subscriber);
  expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, delivered: 0, failed: 1 });
});

test('C7 an UnrecoverableEventError that is thrown synchronously leads to 202 and a dead letter', async () => {
  const subscriber = await startSubscriber(() => throws(new UnrecoverableEventError('no use')));
  expect((await subscriber.publish()).status).toBe(202);
  expect(await deadLettersOf(subscriber.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C9 an UnrecoverableEventError after the 202 leads to a dead letter without a retry', async () => {
  const handlerRun = deferred();
  const subscriber = await failingService({ ackAfterMs: 1 }, () => handlerRun.promise);
  expect((await subscriber.publish()).status).toBe(202);
  expect(await deadLettersOf(subscriber.runtime)).toEqual([]);
  handlerRun.resolve();
  await expectOneDeadLetter(subscriber);
});

test('C7 an UnrecoverableEventError in queued mode leads to a dead letter without a retry', async () => {
  const subscriber = await failingService({ mode: 'queued' });
  expect((await subscriber.publish()).status).toBe(202);
  await expectOneDeadLetter(subscriber);
});

test('C7 an UnrecoverableEventError in a retry leads to a dead letter without a retry', async () => {
  const subscriber = await failingService({}, (attempt) => (attempt === 1 ? throws(new Error('not now')) : undefined));
  await subscriber.publish();
  expect(subscriber.hookCalls).toEqual(['handler-error Error: not now']);
  subscriber.world.advance(1_000);
  await expectOneDeadLetter(subscriber, { attempts: 2 });
});

test('C7 the next event of an ordered subscription runs after an UnrecoverableEventError', async () => {
  const received: string[] = [];
  const subscriber = await startSubscriber(
    (event) => {
      received.push(event.text());
      if (event.text() === 'one') throw new UnrecoverableEventError('no use');
    },
    { delivery: { mode: 'queued', order: 'subscription' } },
  );
  await subscriber.publish('one');
  await subscriber.publish('two');
  await until(() => received.length === 2);
  expect(received).toEqual(['one', 'two']);
});

test('C7 an UnrecoverableEventError whose dead letter cannot be stored leads to 503', async () => {
  const subscriber = await failingService({});
  subscriber.store.faults = new Set(['set']);
  expect((await subscriber.publish()).status).toBe(503);
  expect(await deadLettersOf(subscriber.runtime)).toEqual([]);
  subscriber.store.faults = new Set();
  expect((await subscriber.publish()).status).toBe(202);
  await expectOneDeadLetter(subscriber, { runCount: 2 });
});

test('C7 an UnrecoverableEventError leads to 202 and a dead letter even if the inbox is full', async () => {
  const handlerRun = deferred();
  const subscriber = await startSubscriber(
    async (event) => {
      if (event.text() === 'fails') throw new Error('not now');
      await handlerRun.promise;
      throw new UnrecoverableEventError('no use');
    },
    { delivery: { maxPending: 1 } },
  );
  const published = subscriber.publish('hopeless');
  await until(async () => (await statsOf(subscriber.runtime))?.received === 1);
  expect((await subscriber.publish('fails')).status).toBe(202);
  expect((await subscriber.publish('fails')).status).toBe(503);
  handlerRun.resolve();
  expect((await published).status).toBe(202);
  expect(await deadLettersOf(subscriber.runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C7 the dead letter of an UnrecoverableEventError can be replayed', async () => {
  let isMended = false;
  const subscriber = await startSubscriber(() => {
    if (!isMended) throw new UnrecoverableEventError('no use');
  });
  await subscriber.publish();
  isMended = true;
  const [{ id } = { id: '' }] = await deadLettersOf(subscriber.runtime);
  await subscriber.runtime.deadLetters.replay(id);
  subscriber.world.advance(1_000);
  await until(() => subscriber.store.events.length === 0);
  expect(await deadLettersOf(subscriber.runtime)).toEqual([]);
});

test('C7 the dead letter of an UnrecoverableEventError keeps its cause after a restart, without a retry', async () => {
  const subscriber = await failingService({});
  await subscriber.publish();
  await subscriber.runtime.stop();
  const runtime = await subscriber.startAgain();
  subscriber.world.advance(DAY_MS);
  await untilIdle();
  expect(subscriber.runs()).toBe(1);
  expect(await deadLettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable' }]);
});

test('C4 the dead letter of a failed event.parse() has the path of the error, and no values', async () => {
  const schema = z.object({ user: z.object({ id: z.number() }) });
  const received: number[] = [];
  const subscriber = await startSubscriber(async (event) => {
    const { user } = await event.parse(schema);
    received.push(user.id);
  });
  expect((await subscriber.publish('{"user":{"id":7}}')).status).toBe(202);
  expect((await subscriber.publish('{"user":{"id":"secret"}}')).status).toBe(202);
  expect((await subscriber.publish('{"user":')).status).toBe(202);
  expect(received).toEqual([7]);
  const deadLetters = await deadLettersOf(subscriber.runtime);
  expect(deadLetters.map(({ cause, errors }) => [cause, errors[0]?.message])).toEqual([
    ['unrecoverable', expect.stringMatching(/\bschema: user\.id: /)],
    ['unrecoverable', expect.stringContaining('not valid JSON')],
  ]);
  expect(JSON.stringify(deadLetters.map(({ errors }) => errors))).not.toContain('secret');
});

test.each([
  ['catch-up', {}],
  ['poll', { pollSeconds: 600, catchUp: false }],
] as const)('L3 an unrecoverable event fetched by %s becomes a dead letter at once', async (source, delivery) => {
  const world = new FakeWorld();
  const hub = await startHub({ leaseSeconds: 10 * 86_400 });
  const publisher = await startPublisher(hub, atom([{ id: 'old', publishedAt: world.now - 30 * DAY_MS }]));
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
  const firstRuntime = await start();
  for (let round = 0; round < 2; round += 1) {
    world.advance(11 * 60_000);
    await untilIdle();
    await until(() => publisher.statuses.length >= publisher.requests.length);
    await untilIdle();
  }
  await firstRuntime.stop();
  publisher.body = atom([{ id: 'fresh', publishedAt: world.now }]);
  const runtime = await start();
  await until(async () => {
    world.advance(60_000);
    await untilIdle();
    return (await deadLettersOf(runtime)).length === 1;
  });
  expect(received.map((event) => event.source)).toEqual([source]);
  expect(await deadLettersOf(runtime)).toMatchObject([{ cause: 'unrecoverable', attempts: 1 }]);
});
