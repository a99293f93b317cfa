import { expect, test } from 'vitest';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { encodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { SubscriptionDeletedError } from 'websub-subscriber';
import { deferred } from '../../kit/fake-world.js';
import { quiet } from '../../kit/news-service.js';
import { failed, setUp } from './inbox-set-up.js';
import { storedEventWith, type EventFields } from '../message/reception.js';

const DONE: StoredRun = { type: 'done', acknowledgement: undefined };

const event = (id: string, fields: EventFields = {}): StoredEvent => storedEventWith({ id, ...fields });

/** An inbox in order, whose runs end as they are told to, at once where nothing was said. */
async function inOrder(outcomes: Record<string, StoredRun | Promise<StoredRun>> = {}) {
  const runs: string[] = [];
  const set = await setUp(
    async ({ meta: { id } }) => {
      runs.push(id);
      return outcomes[id] ?? DONE;
    },
    { concurrency: 16, retryForSeconds: 60, order: 'subscription' },
  );
  const store = { ...set.store };
  const fault = { before: async (_operation: 'get' | 'set' | 'delete', _id: string): Promise<void> => {} };
  set.store.get = async (kind, id) => {
    await fault.before('get', id);
    return store.get(kind, id);
  };
  set.store.set = async (kind, id, value) => {
    await fault.before('set', id);
    await store.set(kind, id, value);
  };
  set.store.delete = async (kind, id) => {
    await fault.before('delete', id);
    await store.delete(kind, id);
  };
  return { ...set, runs, fault };
}

test('an event that is being stored holds back those that are stored already, and the others not', async () => {
  const { inbox, fault, runs } = await inOrder();
  const write = deferred();
  fault.before = async (_operation, id) => {
    if (id === 'one') await write.promise;
  };
  const stored = [event('one'), event('two'), event('other', { subscriptionId: 's2' })].map((each) =>
    inbox.enqueue(each),
  );
  await Promise.all(stored.slice(1));
  await quiet();
  expect(runs).toEqual(['other']);
  write.resolve();
  await quiet();
  expect(runs).toEqual(['other', 'one', 'two']);
});

test.each(['one', 'two', 'three'])('where %s cannot be stored the others go on', async (refused) => {
  const { inbox, fault, runs } = await inOrder();
  fault.before = async (operation, id) => {
    if (operation !== 'set') return;
    await quiet();
    if (id === refused) throw new Error('no');
  };
  const ids = ['one', 'two', 'three'];
  const stored = await Promise.allSettled(ids.map((id) => inbox.enqueue(event(id))));
  expect(stored.map(({ status }) => status === 'fulfilled')).toEqual(ids.map((id) => id !== refused));
  await quiet();
  expect(runs).toEqual(ids.filter((id) => id !== refused));
  expect(inbox.loadOf('news').events).toBe(0);
});

test('a failing event is tried after its backoff, before what came later, which goes on when it is a dead letter', async () => {
  const { inbox, runs, dead, pass } = await inOrder({ one: failed('no') });
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  for (const wait of [0, 999]) {
    pass(wait);
    await quiet();
    expect(runs).toEqual(['one']);
  }
  for (const wait of [1, 2_000, 4_000, 8_000, 16_000]) {
    pass(wait);
    await quiet();
  }
  expect(runs).toEqual(Array(5).fill('one'));
  pass(30_000);
  await quiet();
  expect(runs.slice(5)).toEqual(['one', 'two']);
  expect(dead.map(({ meta }) => meta.id)).toEqual(['one']);
});

test('what ends the subscription, and what cannot be read, holds back nobody', async () => {
  const turn = deferred<StoredRun>();
  const { inbox, store, runs, world, pass } = await inOrder({ one: turn.promise });
  for (const [position, id] of ['one', 'two', 'three'].entries()) {
    await store.set('event', id, encodeEvent(event(id, { position })));
  }
  await inbox.load();
  await store.set('event', 'two', { v: 1, data: {} });
  pass(0);
  turn.resolve({ type: 'deleted', error: new SubscriptionDeletedError('gone') });
  await quiet();
  expect(runs).toEqual(['one', 'three']);
  expect(world.logged('cannot be read')).toHaveLength(1);
  expect(inbox.loadOf('news').events).toBe(0);
});

test('an event that was handled and cannot be removed yet holds back the next: it would come again after that', async () => {
  const { inbox, fault, runs, pass } = await inOrder();
  const { before } = fault;
  fault.before = async (operation) => {
    if (operation === 'delete') throw new Error('no');
  };
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  await quiet();
  expect(runs).toEqual(['one']);
  fault.before = before;
  pass(60_000);
  await quiet();
  expect(runs).toEqual(['one', 'two']);
});

test('an event that cannot be read now is waited for', async () => {
  const { inbox, store, fault, runs, pass } = await inOrder();
  for (const [position, id] of ['one', 'two'].entries()) {
    await store.set('event', id, encodeEvent(event(id, { position })));
  }
  const { before } = fault;
  fault.before = async (operation, id) => {
    if (operation === 'get' && id === 'one') throw new Error('no');
  };
  await inbox.load();
  pass(1_000);
  await quiet();
  expect(runs).toEqual([]);
  fault.before = before;
  pass(60_000);
  await quiet();
  expect(runs).toEqual(['one', 'two']);
});

test('after a stop nobody’s turn comes', async () => {
  const turn = deferred<StoredRun>();
  const { inbox, runs } = await inOrder({ one: turn.promise });
  for (const id of ['one', 'two']) await inbox.enqueue(event(id));
  await quiet();
  const stopped = inbox.stop();
  turn.resolve(DONE);
  await stopped;
  await quiet();
  expect([runs, inbox.loadOf('news').events]).toEqual([['one'], 1]);
});

test('a replayed event comes after what was received before the replay, also after a restart', async () => {
  const first = await inOrder({ one: failed('no') });
  await first.store.set('event', 'late', encodeEvent(event('late', { position: 3, deadSince: 5 })));
  await first.store.set('event', 'one', encodeEvent(event('one', { position: 8 })));
  await first.inbox.load();
  await first.inbox.requeue(event('late', { position: 3, deadSince: 5 }));
  await first.inbox.enqueue(event('two'));
  const { position: late = 0 } = (await first.read('late')).meta;
  expect(late).toBeGreaterThan(8);
  expect((await first.read('two')).meta.position).toBeGreaterThan(late);
});

test('after a restart it is the order of reception, whatever the ids, and however the clock was set', async () => {
  const { inbox, store, runs, pass } = await inOrder();
  const left = [
    event('c', { receivedAt: 500 }),
    event('d', { receivedAt: 600 }),
    event('b', { receivedAt: 9_000, position: 0 }),
    event('e', { receivedAt: 9_000, position: 1 }),
    event('a', { receivedAt: 10, position: 2 }),
  ];
  for (const each of left.toReversed()) await store.set('event', each.meta.id, encodeEvent(each));
  await inbox.load();
  await inbox.enqueue(event('0', { receivedAt: 1 }));
  pass(0);
  await quiet();
  expect(runs).toEqual(['c', 'd', 'b', 'e', 'a', '0']);
});

test('after a restart the first of a line is waited for where it is to be tried later', async () => {
  const { inbox, store, runs, pass } = await inOrder();
  await store.set('event', 'one', encodeEvent(event('one', { position: 1, nextAttemptAt: 5_000 })));
  await store.set('event', 'two', encodeEvent(event('two', { position: 2 })));
  await inbox.load();
  pass(4_999);
  await quiet();
  expect(runs).toEqual([]);
  pass(1);
  await quiet();
  expect(runs).toEqual(['one', 'two']);
});
