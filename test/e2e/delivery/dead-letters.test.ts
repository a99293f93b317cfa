import { expect, test } from 'vitest';
import type { DeadLetter, SubscriberRuntime } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

async function lettersOf(runtime: SubscriberRuntime): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of runtime.deadLetters) letters.push(letter);
  return letters;
}

const textsOf = async (runtime: SubscriberRuntime): Promise<readonly (string | undefined)[]> =>
  (await lettersOf(runtime)).map(({ event }) => event?.text());

/** A service whose handler fails while `fault.message` is set. */
async function failing(retryForSeconds = 0, deadLetters: { keepSeconds?: number; keepCount?: number } = {}) {
  const runs: string[] = [];
  const fault = { message: 'no' as string | undefined };
  const world = new FakeWorld();
  const subscriber = await startSubscriber(
    (event) => {
      runs.push(`${event.text()} ${event.attempt}`);
      if (fault.message !== undefined) throw new Error(fault.message);
    },
    { world, delivery: { retryForSeconds, deadLetters } },
  );
  const pass = async (milliseconds: number): Promise<void> => {
    world.advance(milliseconds);
    await untilIdle();
  };
  return { ...subscriber, runs, fault, pass };
}

test('C7 dead letters are listed, each with the errors of all its attempts', async () => {
  const { runtime, world, publish, pass, fault } = await failing(3);
  const startedAt = world.now;
  await publish('one');
  fault.message = 'still no';
  await pass(1_000);
  expect(await lettersOf(runtime), 'an event that is retried is not a dead letter').toEqual([]);
  await pass(2_000);
  const [letter, ...otherLetters] = await lettersOf(runtime);
  expect(otherLetters).toEqual([]);
  expect(letter).toMatchObject({
    service: 'news',
    receivedAt: new Date(startedAt),
    deadSince: new Date(startedAt + 3_000),
    attempts: 3,
    errors: [
      { message: 'no', at: new Date(startedAt) },
      { message: 'still no', at: new Date(startedAt + 1_000) },
      { message: 'still no', at: new Date(startedAt + 3_000) },
    ],
  });
  expect(letter?.event).toMatchObject({ id: letter?.id, attempt: 3 });
  expect(letter?.event?.text()).toBe('one');
  expect(letter?.subscriptionId).toBe((await runtime.subscriptions.find())[0]?.id);
});

test('C7 a replayed dead letter is processed and then removed', async () => {
  const { runtime, store, publish, pass, fault, runs } = await failing();
  await publish('one');
  await pass(DAY_MS);
  fault.message = undefined;
  const [{ id } = { id: '' }] = await lettersOf(runtime);
  await runtime.deadLetters.replay(id);
  expect(await lettersOf(runtime)).toEqual([]);
  expect(store.events, 'the event is in the store until it is processed').toHaveLength(1);
  await pass(1_000);
  expect([runs, store.events]).toEqual([['one 1', 'one 1'], []]);
  await expect(runtime.deadLetters.replay(id)).rejects.toMatchObject({
    code: 'ERR_WEBSUB',
    message: expect.stringContaining(`no dead letter ${id}`),
  });
});

test('C7 a replayed dead letter that fails again has the full retry time, and keeps its earlier errors', async () => {
  const { runtime, publish, pass, fault, runs } = await failing(3);
  await publish('one');
  for (const wait of [1_000, 2_000, DAY_MS]) await pass(wait);
  expect(runs).toHaveLength(3);
  const [{ id } = { id: '' }] = await lettersOf(runtime);
  fault.message = 'replayed';
  await runtime.deadLetters.replay(id);
  for (const wait of [1_000, 1_000, 2_000]) {
    expect(await lettersOf(runtime)).toEqual([]);
    await pass(wait);
  }
  expect(runs).toEqual(['one 1', 'one 2', 'one 3', 'one 1', 'one 2', 'one 3']);
  const [letter] = await lettersOf(runtime);
  expect(letter).toMatchObject({ id, attempts: 3 });
  expect(letter?.errors.map(({ message }) => message)).toEqual(['no', 'no', 'no', ...Array(3).fill('replayed')]);
});

test('C7 a dead letter replayed twice at once is processed once', async () => {
  const { runtime, publish, pass, fault, runs } = await failing();
  await publish('one');
  fault.message = undefined;
  const [{ id } = { id: '' }] = await lettersOf(runtime);
  const replays = await Promise.allSettled([runtime.deadLetters.replay(id), runtime.deadLetters.replay(id)]);
  expect(replays.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await pass(1_000);
  expect(runs).toEqual(['one 1', 'one 1']);
});

test('C7 discarding a dead letter removes it and nothing else', async () => {
  const { runtime, store, publish } = await failing();
  await publish('one');
  await publish('two');
  const [first] = await lettersOf(runtime);
  await runtime.deadLetters.discard(first?.id ?? '');
  expect(await textsOf(runtime)).toEqual(['two']);
  expect(store.events).toHaveLength(1);
  await expect(runtime.deadLetters.discard('other')).rejects.toMatchObject({
    code: 'ERR_WEBSUB',
    message: expect.stringContaining('no dead letter other'),
  });
});

test('replay and discard reject while the store fails, and the dead letter can be replayed later', async () => {
  const { runtime, store, publish, pass, fault, runs } = await failing();
  await publish('one');
  const [{ id } = { id: '' }] = await lettersOf(runtime);
  store.faults = new Set(['set', 'delete']);
  await expect(runtime.deadLetters.replay(id)).rejects.toMatchObject({ code: 'ERR_WEBSUB_STORE' });
  await expect(runtime.deadLetters.discard(id)).rejects.toMatchObject({ code: 'ERR_WEBSUB_STORE' });
  store.faults = new Set();
  await pass(DAY_MS);
  expect([await textsOf(runtime), runs]).toEqual([['one'], ['one 1']]);
  fault.message = undefined;
  await runtime.deadLetters.replay(id);
  await pass(1_000);
  expect(store.events).toEqual([]);
});

test('the oldest dead letters above keepCount are removed, with a log line', async () => {
  const { runtime, store, world, publish, pass } = await failing(0, { keepCount: 2 });
  for (const body of ['one', 'two', 'three']) {
    await publish(body);
    await pass(1);
  }
  await expect.poll(() => store.events.length).toBe(2);
  expect(await textsOf(runtime)).toEqual(['two', 'three']);
  expect(world.logged('dead-letter.removed')).toMatchObject([{ message: expect.stringContaining('more than 2') }]);
});

test('dead letters keep their order after a restart, and are removed when older than keepSeconds', async () => {
  const { runtime, startAgain, world, store, publish, pass } = await failing(0, { keepSeconds: 60 });
  await publish('one');
  await pass(30_000);
  await publish('two');
  await runtime.stop();
  const restarted = await startAgain();
  expect(await textsOf(restarted)).toEqual(['one', 'two']);
  await pass(40_000);
  await publish('three');
  await expect.poll(() => store.events.length).toBe(2);
  expect(await textsOf(restarted)).toEqual(['two', 'three']);
  expect(world.logged('dead-letter.removed')).toMatchObject([{ message: expect.stringContaining('older than 60 s') }]);
});

test('a dead letter on disk can be replayed after a restart, and delivers the same text', async () => {
  const directory = temporaryDirectory();
  const world = new FakeWorld();
  const bodies: string[] = [];
  const fault = { isOn: true };
  const subscriber = await startSubscriber(
    (event) => {
      if (fault.isOn) throw new Error('no');
      bodies.push(event.text());
    },
    { world, delivery: { retryForSeconds: 0 }, options: { store: `lmdb://${directory}` } },
  );
  await subscriber.publish('news é');
  await subscriber.runtime.stop();
  const restarted = await subscriber.startAgain();
  fault.isOn = false;
  const [{ id } = { id: '' }] = await lettersOf(restarted);
  await restarted.deadLetters.replay(id);
  await expect
    .poll(async () => {
      world.advance(1_000);
      await untilIdle();
      return bodies;
    })
    .toEqual(['news é']);
  await restarted.stop();
  const refusal = { code: 'ERR_WEBSUB', message: expect.stringContaining('has stopped') };
  await expect(restarted.deadLetters.replay(id)).rejects.toMatchObject(refusal);
  await expect(restarted.deadLetters.discard(id)).rejects.toMatchObject(refusal);
});
