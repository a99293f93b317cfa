import { expect, test } from 'vitest';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { encodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { untilIdle } from '../../kit/until-idle.js';
import { failed, setUp } from './inbox-set-up.js';
import { storedEventWith, type EventFields } from '../message/event-fixtures.js';

const DONE: StoredRun = { type: 'done', acknowledgement: undefined };

const event = (id: string, fields: EventFields = {}): StoredEvent => storedEventWith({ id, ...fields });

/**
 * An inbox with `order: 'subscription'`, on a new store or on the store of an earlier inbox. A run ends with its outcome
 * in `outcomes`, or succeeds at once.
 */
async function setUpInOrder(
  outcomes: Record<string, StoredRun | Promise<StoredRun>> = {},
  previousStore?: RecordStore,
) {
  const runs: string[] = [];
  const inboxParts = await setUp(
    async ({ meta: { id } }) => {
      runs.push(id);
      return outcomes[id] ?? DONE;
    },
    { concurrency: 16, retryForSeconds: 60, order: 'subscription' },
    previousStore,
  );
  const { store } = inboxParts;
  const originalStore = { ...store };
  const fault = { beforeOperation: async (_operation: 'get' | 'set' | 'delete', _id: string): Promise<void> => {} };
  store.get = async (kind, id) => {
    await fault.beforeOperation('get', id);
    return originalStore.get(kind, id);
  };
  store.set = async (kind, id, value) => {
    await fault.beforeOperation('set', id);
    await originalStore.set(kind, id, value);
  };
  store.delete = async (kind, id) => {
    await fault.beforeOperation('delete', id);
    await originalStore.delete(kind, id);
  };
  return { ...inboxParts, runs, fault };
}

test('an event that is being stored delays only later events of its subscription', async () => {
  const { inbox, fault, runs } = await setUpInOrder();
  const writeEnd = deferred();
  fault.beforeOperation = async (_operation, id) => {
    if (id === 'one') await writeEnd.promise;
  };
  const writes = [event('one'), event('two'), event('other', { subscriptionId: 's2' })].map((newEvent) =>
    inbox.enqueue(newEvent),
  );
  await Promise.all(writes.slice(1));
  await untilIdle();
  expect(runs).toEqual(['other']);
  writeEnd.resolve();
  await untilIdle();
  expect(runs).toEqual(['other', 'one', 'two']);
});

test.each(['one', 'two', 'three'])('if event %s cannot be stored, the other events run', async (failedId) => {
  const { inbox, fault, runs } = await setUpInOrder();
  fault.beforeOperation = async (operation, id) => {
    if (operation !== 'set') return;
    await untilIdle();
    if (id === failedId) throw new Error('no');
  };
  const ids = ['one', 'two', 'three'];
  const writes = await Promise.allSettled(ids.map((id) => inbox.enqueue(event(id))));
  expect(writes.map(({ status }) => status === 'fulfilled')).toEqual(ids.map((id) => id !== failedId));
  await untilIdle();
  expect(runs).toEqual(ids.filter((id) => id !== failedId));
  expect(inbox.loadOf('news').events).toBe(0);
});

test('a failing event delays later events until it is a dead letter, and is retried after its backoff', async () => {
  const { inbox, runs, deadLetters, pass } = await setUpInOrder({ one: failed('no') });
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  for (const wait of [0, 999]) {
    pass(wait);
    await untilIdle();
    expect(runs).toEqual(['one']);
  }
  for (const wait of [1, 2_000, 4_000, 8_000, 16_000]) {
    pass(wait);
    await untilIdle();
  }
  expect(runs).toEqual(Array(5).fill('one'));
  pass(30_000);
  await untilIdle();
  expect(runs.slice(5)).toEqual(['one', 'two']);
  expect(deadLetters.map(({ meta }) => meta.id)).toEqual(['one']);
});

test('an event that ends the subscription or cannot be read delays no other event', async () => {
  const handlerEnd = deferred<StoredRun>();
  const { inbox, store, runs, world, pass } = await setUpInOrder({ one: handlerEnd.promise });
  for (const [position, id] of ['one', 'two', 'three'].entries()) {
    await store.set('event', id, encodeEvent(event(id, { position })));
  }
  await inbox.load();
  await store.set('event', 'two', { v: 1, data: {} });
  pass(0);
  handlerEnd.resolve({ type: 'deleted', error: new SubscriptionDeletedError('gone') });
  await untilIdle();
  expect(runs).toEqual(['one', 'three']);
  expect(world.logged('event.unreadable')).toHaveLength(1);
  expect(inbox.loadOf('news').events).toBe(0);
});

test('a processed event that is not removed yet delays the next event, as a restart would run it again', async () => {
  const { inbox, fault, runs, pass } = await setUpInOrder();
  const { beforeOperation: noFault } = fault;
  fault.beforeOperation = async (operation) => {
    if (operation === 'delete') throw new Error('no');
  };
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  await untilIdle();
  expect(runs).toEqual(['one']);
  fault.beforeOperation = noFault;
  pass(60_000);
  await untilIdle();
  expect(runs).toEqual(['one', 'two']);
});

test('an event that cannot be read now delays later events until it can be read', async () => {
  const { inbox, store, fault, runs, pass } = await setUpInOrder();
  for (const [position, id] of ['one', 'two'].entries()) {
    await store.set('event', id, encodeEvent(event(id, { position })));
  }
  const { beforeOperation: noFault } = fault;
  fault.beforeOperation = async (operation, id) => {
    if (operation === 'get' && id === 'one') throw new Error('no');
  };
  await inbox.load();
  pass(1_000);
  await untilIdle();
  expect(runs).toEqual([]);
  fault.beforeOperation = noFault;
  pass(60_000);
  await untilIdle();
  expect(runs).toEqual(['one', 'two']);
});

test('no event runs after a stop', async () => {
  const handlerEnd = deferred<StoredRun>();
  const { inbox, runs } = await setUpInOrder({ one: handlerEnd.promise });
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  await untilIdle();
  const stopping = inbox.stop();
  handlerEnd.resolve(DONE);
  await stopping;
  await untilIdle();
  expect([runs, inbox.loadOf('news').events]).toEqual([['one'], 1]);
});

test('a replayed event runs after earlier events and before later events, also after a restart', async () => {
  const { inbox, store, runs } = await setUpInOrder();
  await store.set('event', 'replayed', encodeEvent(event('replayed', { position: 3, deadSince: 5 })));
  await store.set('event', 'one', encodeEvent(event('one', { position: 8 })));
  await inbox.load();
  await inbox.requeue(event('replayed', { position: 3, deadSince: 5 }));
  await inbox.enqueue(event('two'));
  await untilIdle();
  expect(runs).toEqual([]);
  const next = await setUpInOrder({}, store);
  await next.inbox.load();
  next.pass(0);
  await untilIdle();
  expect(next.runs).toEqual(['one', 'replayed', 'two']);
});

test('after a restart events run in the order of reception, whatever their ids and reception times', async () => {
  const { inbox, store, runs, pass } = await setUpInOrder();
  const events = [
    event('c', { receivedAt: 500 }),
    event('d', { receivedAt: 600 }),
    event('b', { receivedAt: 9_000, position: 0 }),
    event('e', { receivedAt: 9_000, position: 1 }),
    event('a', { receivedAt: 10, position: 2 }),
  ];
  for (const stored of events.toReversed()) await store.set('event', stored.meta.id, encodeEvent(stored));
  await inbox.load();
  await inbox.enqueue(event('0', { receivedAt: 1 }));
  pass(0);
  await untilIdle();
  expect(runs).toEqual(['c', 'd', 'b', 'e', 'a', '0']);
});

test('after a restart all events wait until the first event is due', async () => {
  const { inbox, store, runs, pass } = await setUpInOrder();
  await store.set('event', 'one', encodeEvent(event('one', { position: 1, nextAttemptAt: 5_000 })));
  await store.set('event', 'two', encodeEvent(event('two', { position: 2 })));
  await inbox.load();
  pass(4_999);
  await untilIdle();
  expect(runs).toEqual([]);
  pass(1);
  await untilIdle();
  expect(runs).toEqual(['one', 'two']);
});
