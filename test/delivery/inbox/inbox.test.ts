import { expect, test } from 'vitest';
import { encodeEvent } from '../../../src/delivery/inbox/stored-event.js';
import { deferred } from '../../kit/deferred.js';
import { failed, setUp } from './inbox-set-up.js';
import { storedEvent, storedEventWith, type EventFields } from '../message/event-fixtures.js';

test('an event is counted once, however often it is stored, until its handler succeeds', async () => {
  const { inbox, store } = await setUp(async () => failed('no'));
  await inbox.storeUnscheduled(storedEvent);
  await inbox.storeUnscheduled(storedEvent);
  await inbox.settle(storedEvent, failed('no'));
  expect([inbox.loadOf('news').events, inbox.loadOf('other').events]).toEqual([1, 0]);
  await inbox.settle(storedEvent, { type: 'done', acknowledgement: undefined });
  await inbox.settle(storedEvent, { type: 'done', acknowledgement: undefined });
  expect(inbox.loadOf('news').events).toBe(0);
  expect(await store.get('event', 'e1')).toBeUndefined();
});

test('an event counts while it is being stored, and stops counting if the write fails', async () => {
  const { inbox, store } = await setUp(async () => failed('no'));
  const write = inbox.storeUnscheduled(storedEvent);
  expect(inbox.loadOf('news').events).toBe(1);
  await write;
  await store.close();
  const secondEvent = storedEventWith({ id: 'e2' });
  const failedWrite = inbox.storeUnscheduled(secondEvent);
  expect(inbox.loadOf('news').events).toBe(2);
  await expect(failedWrite).rejects.toThrow('is closed');
  expect(inbox.loadOf('news').events).toBe(1);
  await expect(inbox.storeFailed(storedEvent, new Error('no'))).rejects.toThrow('is closed');
  expect(inbox.loadOf('news').events, 'an event in the store stays counted').toBe(1);
});

test('C7 the bytes of an event, with its headers, count until it is processed or cannot be stored', async () => {
  const { inbox, store } = await setUp(async () => failed('no'));
  const fields: EventFields = { headers: [['link', 'x'.repeat(96)]], raw: new Uint8Array(50) };
  const event = storedEventWith(fields);
  await inbox.storeUnscheduled(event);
  await inbox.storeUnscheduled(storedEventWith({ ...fields, id: 'e2', decoded: new Uint8Array(100) }));
  await inbox.storeUnscheduled(event);
  expect([inbox.loadOf('news'), inbox.loadOf('other')]).toEqual([
    { events: 2, bytes: 400 },
    { events: 0, bytes: 0 },
  ]);
  await inbox.settle(event, { type: 'done', acknowledgement: undefined });
  expect(inbox.loadOf('news')).toEqual({ events: 1, bytes: 250 });
  await store.close();
  await expect(inbox.storeUnscheduled(event)).rejects.toThrow('is closed');
  expect(inbox.loadOf('news')).toEqual({ events: 1, bytes: 250 });
});

test('C7 the events of a previous process count once they are loaded', async () => {
  const { inbox, store } = await setUp(async () => failed('no'));
  await store.set('event', 'e1', encodeEvent(storedEventWith({ raw: new Uint8Array(50) })));
  await store.set('event', 'e2', encodeEvent(storedEventWith({ id: 'e2', raw: new Uint8Array(70), deadSince: 1 })));
  await inbox.load();
  expect(inbox.loadOf('news')).toEqual({ events: 1, bytes: 50 });
});

test.each(['storeUnscheduled', 'enqueue', 'storeFailed'] as const)(
  'C9 %s waits for the store up to its timeout, and an event that is stored later is removed',
  async (method) => {
    const { inbox, store, pass } = await setUp(async () => failed('no'));
    const set = store.set.bind(store);
    const storeReady = deferred();
    store.set = async (...args) => {
      await storeReady.promise;
      await set(...args);
    };
    const storing =
      method === 'storeFailed' ? inbox.storeFailed(storedEvent, new Error('no'), 5) : inbox[method](storedEvent, 5);
    await expect(storing).rejects.toMatchObject({
      code: 'ERR_WEBSUB_STORE',
      message: expect.stringMatching(/\be1\b.* within 5 ms/),
    });
    expect(inbox.loadOf('news').events).toBe(0);
    storeReady.resolve();
    await expect.poll(() => store.get('event', 'e1')).toBeDefined();
    pass(60_000);
    await expect.poll(() => store.get('event', 'e1')).toBeUndefined();
  },
);

test('an event that has just been stored runs without a read, even if it has to wait', async () => {
  const runs: string[] = [];
  const handlerEnd = deferred();
  const { inbox, store } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    await handlerEnd.promise;
    return { type: 'done', acknowledgement: undefined };
  });
  store.get = () => Promise.reject(new Error('nothing is to be read'));
  for (const id of ['e1', 'e2', 'e3']) await inbox.enqueue(storedEventWith({ id }));
  expect(runs).toEqual(['e1']);
  handlerEnd.resolve();
  await expect.poll(() => inbox.loadOf('news').events).toBe(0);
  expect(runs).toEqual(['e1', 'e2', 'e3']);
});

test.each([
  ['none', 'soon'],
  ['subscription', 'now'],
] as const)("with order '%s' a processed event is removed with the urgency '%s'", async (order, urgency) => {
  const limits = { concurrency: 1, retryForSeconds: 60, order };
  const { inbox, store } = await setUp(async () => ({ type: 'done', acknowledgement: undefined }), limits);
  const deleted: unknown[] = [];
  store.delete = async (...args) => void deleted.push(args);
  await inbox.enqueue(storedEvent);
  await inbox.stop();
  expect(deleted).toEqual([['event', 'e1', urgency]]);
});

test('an interrupted run leaves the event unchanged', async () => {
  const { inbox, read } = await setUp(async () => failed('no'));
  await inbox.storeUnscheduled(storedEvent);
  await inbox.settle(storedEvent, { type: 'interrupted' });
  expect((await read('e1')).retry).toMatchObject({ attempts: 0, errors: [] });
  expect(inbox.loadOf('news').events).toBe(1);
});

test('the errors of the last two hundred runs are stored as text', async () => {
  const { inbox, read } = await setUp(async () => failed('no'));
  let event = storedEvent;
  for (let run = 1; run <= 201; run += 1) {
    await inbox.storeFailed(event, Object.assign(new Error(), { message: run === 201 ? Symbol('odd') : `run ${run}` }));
    event = await read('e1');
  }
  const { attempts, errors } = event.retry;
  expect(attempts).toBe(201);
  expect(errors).toHaveLength(200);
  expect([errors[0]?.message, errors[199]?.message]).toEqual(['run 2', 'Symbol(odd)']);
});

test('a long error is cut without splitting a character', async () => {
  const { inbox, read } = await setUp(async () => failed('no'));
  await inbox.storeFailed(storedEvent, new Error(`x${'😀'.repeat(600)}`));
  expect((await read('e1')).retry.errors[0]?.message).toBe(`x${'😀'.repeat(499)}`);
});

test('an event of a service that is not declared never becomes a dead letter', async () => {
  const { inbox, services, deadLetters, read } = await setUp(async () => failed('no'));
  services.delete('news');
  await inbox.storeFailed(storedEvent, new Error('no'));
  expect(deadLetters).toEqual([]);
  expect((await read('e1')).retry.deadSince).toBeUndefined();
});

test('an event waits if its service is no longer declared when it is due', async () => {
  const runs: string[] = [];
  const { inbox, services, pass } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    return failed('no');
  });
  await inbox.storeFailed(storedEvent, new Error('no'));
  services.delete('news');
  pass(10_000);
  await inbox.stop();
  expect([runs, inbox.loadOf('news').events]).toEqual([[], 1]);
});

test('dead letters are not loaded as waiting events', async () => {
  const runs: string[] = [];
  const { inbox, store, recoveredDeadLetters, pass } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    return { type: 'done', acknowledgement: undefined };
  });
  await store.set('event', 'e1', encodeEvent(storedEventWith({ deadSince: 5 })));
  await store.set('event', 'e2', encodeEvent(storedEventWith({ id: 'e2' })));
  await inbox.load();
  expect([inbox.loadOf('news').events, recoveredDeadLetters]).toEqual([1, ['e1']]);
  pass(0);
  await inbox.stop();
  expect(runs).toEqual(['e2']);
});

test('no run starts after a stop', async () => {
  const runs: string[] = [];
  const { inbox, pass } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    return failed('no');
  });
  await inbox.storeFailed(storedEvent, new Error('no'));
  await inbox.stop();
  pass(60_000);
  await inbox.stop();
  expect(runs).toEqual([]);
});

test('a clock that was set back delays no attempt beyond the longest wait', async () => {
  const runs: string[] = [];
  const { inbox, world, pass } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    return { type: 'done', acknowledgement: undefined };
  });
  world.advance(86_400_000);
  pass(0);
  await inbox.storeFailed(storedEventWith({ receivedAt: world.now }), new Error('no'));
  pass(-86_400_000);
  pass(3_600_000);
  await expect.poll(() => runs).toEqual(['e1']);
});

test('a clock set back during a write or between two processes delays no attempt beyond the longest wait', async () => {
  const runs: string[] = [];
  const { inbox, store, world, pass } = await setUp(async ({ meta: { id } }) => {
    runs.push(id);
    return { type: 'done', acknowledgement: undefined };
  });
  world.advance(86_400_000);
  await store.set('event', 'e2', encodeEvent(storedEventWith({ id: 'e2', nextAttemptAt: world.now })));
  pass(0);
  const write = inbox.storeFailed(storedEventWith({ receivedAt: world.now }), new Error('no'));
  pass(-86_400_000);
  await write;
  await inbox.load();
  pass(3_600_000);
  await expect.poll(() => runs.toSorted()).toEqual(['e1', 'e2']);
});
