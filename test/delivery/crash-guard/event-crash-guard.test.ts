import { describe, expect, test } from 'vitest';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { encodeEvent } from '../../../src/delivery/inbox/stored-event.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { deferred, type Deferred } from '../../kit/deferred.js';
import { failed, setUp } from '../inbox/inbox-set-up.js';
import { storedEventWith, type EventFields } from '../message/event-fixtures.js';
import { macrotasks } from '../../kit/until-idle.js';

const DONE: StoredRun = { type: 'done', acknowledgement: undefined };
const LIMITS = { concurrency: 4, retryForSeconds: 600, order: 'none' } as const;
const MINUTE = 60_000;

/** Stores an event that is due in the order of its position. */
async function put(store: RecordStore, id: string, position: number, fields: EventFields = {}): Promise<void> {
  const nextAttemptAt = position - 1_000;
  await store.set('event', id, encodeEvent(storedEventWith({ id, position, nextAttemptAt, ...fields })));
}

/** A store with events, for one process after another. */
async function storeWith(ids: readonly string[]): Promise<RecordStore> {
  const store = await openStore('memory');
  for (const [position, id] of ids.entries()) await put(store, id, position);
  return store;
}

interface Limits {
  readonly concurrency: number;
  readonly retryForSeconds: number;
  readonly order: 'none' | 'subscription';
}

/** Starts a process on a store. The test ends its runs by id. A process whose runs are not ended has crashed. */
async function processOn(store: RecordStore, limits: Limits = LIMITS, otherServices: readonly string[] = []) {
  const runs = new Map<string, Deferred<StoredRun>>();
  const started: string[] = [];
  const inboxParts = await setUp(
    ({ meta: { id } }) => {
      const run = deferred<StoredRun>();
      runs.set(id, run);
      started.push(id);
      return run.promise.finally(() => runs.delete(id));
    },
    limits,
    store,
  );
  for (const service of otherServices) inboxParts.services.set(service, limits);
  await inboxParts.markers.load();
  await inboxParts.inbox.load();
  const pass = async (milliseconds = 0): Promise<void> => {
    inboxParts.pass(milliseconds);
    await macrotasks(30);
  };
  const end = async (id: string, run: StoredRun = DONE): Promise<void> => {
    const current = runs.get(id);
    if (current === undefined) throw new Error(`${id} does not run`);
    current.resolve(run);
    await macrotasks(30);
  };
  await pass();
  return { ...inboxParts, started, pass, end, running: () => [...runs.keys()] };
}

/** Starts processes that all crash while the stored events run. From the second on, suspects run one at a time. */
async function crash(store: RecordStore, times: number, limits: Limits = LIMITS): Promise<void> {
  for (let process = 0; process < times; process += 1) await processOn(store, limits);
}

describe('an event that was in the store at the start', () => {
  test('C7 has a marker before its first run begins', async () => {
    const store = await storeWith(['a']);
    const markerReady = deferred();
    const set = store.set.bind(store);
    store.set = async (...args) => {
      if (args[0] === 'marker') await markerReady.promise;
      await set(...args);
    };
    const { started } = await processOn(store);
    expect(started).toEqual([]);
    markerReady.resolve();
    await macrotasks(30);
    expect(started).toEqual(['a']);
    expect(JSON.stringify(await store.get('marker', 'runs'))).toContain('event.a');
  });

  test('C7 has no marker after it was processed or failed', async () => {
    const store = await storeWith(['a', 'b']);
    const { end } = await processOn(store);
    await end('a');
    await end('b', failed('no'));
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 has no marker during later runs', async () => {
    const store = await storeWith(['a']);
    const { end, pass, running } = await processOn(store);
    await end('a', failed('no'));
    const writes: string[] = [];
    const set = store.set.bind(store);
    store.set = (...args) => {
      writes.push(args[0]);
      return set(...args);
    };
    await pass(MINUTE);
    expect(running()).toEqual(['a']);
    expect(writes).toEqual([]);
  });

  test('C7 runs even if its marker cannot be stored', async () => {
    const store = await storeWith(['a']);
    const set = store.set.bind(store);
    store.set = (...args) => (args[0] === 'marker' ? Promise.reject(new Error('out of order')) : set(...args));
    const { end, inbox, world } = await processOn(store);
    await end('a');
    expect(inbox.loadOf('news').events).toBe(0);
    expect(world.logged('crash-markers.not-stored')).toHaveLength(1);
  });
});

test('C7 an event received by this process causes no store operation for markers, not even at a retry', async () => {
  const store = await storeWith([]);
  const { inbox, end, pass, running } = await processOn(store);
  const operations: string[] = [];
  const get = store.get.bind(store);
  const set = store.set.bind(store);
  const remove = store.delete.bind(store);
  store.get = (...args) => (operations.push(`get ${args[0]}`), get(...args));
  store.set = (...args) => (operations.push(`set ${args[0]}`), set(...args));
  store.delete = (...args) => (operations.push(`delete ${args[0]}`), remove(...args));
  await inbox.enqueue(storedEventWith({ id: 'a' }));
  await macrotasks(30);
  await end('a', failed('no'));
  await pass(MINUTE);
  expect(running()).toEqual(['a']);
  await end('a');
  await inbox.storeUnscheduled(storedEventWith({ id: 'b' }));
  await inbox.settle(storedEventWith({ id: 'b' }), DONE);
  expect(operations).toEqual(['set event', 'set event', 'get event', 'delete event', 'set event', 'delete event']);
});

describe('events whose marker is found at start', () => {
  test('C7 run one at a time until they succeed, while other events run beside them', async () => {
    const store = await storeWith(['a', 'b', 'c']);
    const first = await processOn(store);
    expect(first.running()).toEqual(['a', 'b', 'c']);
    await put(store, 'd', 9);
    await put(store, 'e', 10);
    const { running, end, world } = await processOn(store);
    expect(running()).toEqual(['a', 'd', 'e']);
    await end('d');
    expect(running()).toEqual(['a', 'e']);
    await end('a');
    expect(running()).toEqual(['e', 'b']);
    await end('b');
    expect(running()).toEqual(['e', 'c']);
    await end('c');
    expect((await processOn(store)).running()).toEqual(['e']);
    expect(world.logged('event.crash-suspects').map(({ fields }) => fields)).toEqual([{ events: 3 }]);
  });

  test('C7 run one at a time also at a retry', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    const { running, end, pass } = await processOn(store);
    await end('a', failed('no'));
    expect(running()).toEqual(['b']);
    await pass(MINUTE);
    expect(running()).toEqual(['b']);
    await end('b');
    expect(running()).toEqual(['a']);
    await end('a');
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 wait until the previous success is stored, so that no later crash counts for that event', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    const remove = store.delete.bind(store);
    const set = store.set.bind(store);
    const storeReady = { event: deferred(), marker: deferred() };
    const urgencies: unknown[] = [];
    const { running, end } = await processOn(store);
    store.delete = async (kind, id, urgency) => {
      urgencies.push(urgency);
      await storeReady.event.promise;
      await remove(kind, id, urgency);
    };
    store.set = async (...args) => {
      await storeReady.marker.promise;
      await set(...args);
    };
    await end('a');
    expect(running()).toEqual([]);
    storeReady.event.resolve();
    await macrotasks(30);
    expect(running()).toEqual([]);
    storeReady.marker.resolve();
    await macrotasks(30);
    expect(running()).toEqual(['b']);
    expect(urgencies).toEqual(['now']);
  });

  test('C7 run one at a time across all services', async () => {
    const store = await storeWith(['a', 'b']);
    await put(store, 'c', 5, { service: 'other' });
    await processOn(store, LIMITS, ['other']);
    const { running, end } = await processOn(store, LIMITS, ['other']);
    expect(running()).toEqual(['a']);
    await end('a');
    await end('b');
    expect(running()).toEqual(['c']);
  });

  test('C7 respect the concurrency of their service', async () => {
    const limits = { ...LIMITS, concurrency: 1 };
    const store = await storeWith(['a', 'b']);
    await crash(store, 1, limits);
    const { running, end } = await processOn(store, limits);
    expect(running()).toEqual(['a']);
    await end('a');
    expect(running()).toEqual(['b']);
  });

  test('C7 delay only later events of their subscription if the order is per subscription', async () => {
    const limits = { ...LIMITS, order: 'subscription' } as const;
    const store = await storeWith(['a1', 'a2']);
    for (const [position, id] of ['b1', 'b2', 'c1'].entries()) {
      await put(store, id, position + 5, { subscriptionId: id.slice(0, 1) });
    }
    const first = await processOn(store, limits);
    expect(first.running()).toEqual(['a1', 'b1', 'c1']);
    await first.end('c1');
    const { running, end, inbox } = await processOn(store, limits);
    expect(running()).toEqual(['a1']);
    await inbox.enqueue(storedEventWith({ id: 'd1', subscriptionId: 'd' }));
    await macrotasks(30);
    expect(running()).toEqual(['a1', 'd1']);
    await end('a1');
    expect(new Set(running())).toEqual(new Set(['d1', 'a2', 'b1']));
    await end('b1');
    expect(new Set(running())).toEqual(new Set(['d1', 'a2', 'b2']));
  });

  test('C7 wait at most five minutes for a handler that never returns', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    const { running, pass } = await processOn(store);
    await pass(4 * MINUTE);
    expect(running()).toEqual(['a']);
    await pass(MINUTE);
    expect(running()).toEqual(['a', 'b']);
  });

  test('C7 lose their marker if they no longer exist', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    await store.delete('event', 'a');
    const { running, end } = await processOn(store);
    expect(running()).toEqual(['b']);
    expect(JSON.stringify(await store.get('marker', 'runs'))).not.toContain('event.a');
    await end('b');
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 keep their marker while their service is not declared', async () => {
    const store = await storeWith(['a']);
    await crash(store, 2);
    const withoutService = await setUp(async () => DONE, LIMITS, store);
    withoutService.services.delete('news');
    await withoutService.markers.load();
    await withoutService.inbox.load();
    withoutService.pass(MINUTE);
    await macrotasks(30);
    await crash(store, 1);
    const { started, deadLetters } = await processOn(store);
    expect([started, deadLetters.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });
});

describe('an event that ran during three crashes of the process', () => {
  test('C7 becomes a dead letter with the cause `crashed`, without another run or a failed attempt', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const { started, deadLetters, read, inbox } = await processOn(store);
    expect(started).toEqual([]);
    expect(deadLetters.map(({ meta }) => meta.id)).toEqual(['a']);
    const deadLetter = await read('a');
    expect(deadLetter.retry).toMatchObject({ deadSince: 0, deadCause: 'crashed', attempts: 0 });
    expect(deadLetter.retry.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/ended 3 times .*replay/),
    ]);
    expect(inbox.loadOf('news').events).toBe(0);
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 is the only dead letter, and the events that ran at the same time are processed', async () => {
    const ids = ['a', 'b', 'poison', 'c', 'd'];
    const store = await storeWith(ids);
    const wideLimits = { ...LIMITS, concurrency: 16 };
    const processed = new Set<string>();
    const processAll = async ({ running, end }: Awaited<ReturnType<typeof processOn>>): Promise<void> => {
      // Stops as soon as the poisoned event runs.
      for (let [id] = running(); id !== undefined && id !== 'poison'; [id] = running()) {
        processed.add(id);
        await end(id);
      }
    };
    const first = await processOn(store, wideLimits);
    expect(first.running()).toEqual(ids);
    await processAll(await processOn(store, wideLimits));
    expect(processed).toEqual(new Set(['a', 'b']));
    await processAll(await processOn(store, wideLimits));
    const last = await processOn(store, wideLimits);
    await processAll(last);
    expect(last.deadLetters.map(({ meta }) => meta.id)).toEqual(['poison']);
    expect(processed).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  test('C7 becomes a dead letter even if its handler failed without a crash in between', async () => {
    const store = await storeWith(['a']);
    await crash(store, 2);
    const third = await processOn(store);
    await third.end('a', failed('no'));
    await third.pass(MINUTE);
    expect(third.running()).toEqual(['a']);
    const fourth = await processOn(store);
    await fourth.pass(MINUTE);
    expect(fourth.deadLetters).toMatchObject([{ meta: { id: 'a' }, retry: { deadCause: 'crashed', attempts: 1 } }]);
  });

  test('C7 lets the next event of its subscription run', async () => {
    const limits = { ...LIMITS, order: 'subscription' } as const;
    const store = await storeWith(['a', 'b']);
    await crash(store, 3, limits);
    const { running } = await processOn(store, limits);
    expect(running()).toEqual(['b']);
  });

  test('C7 becomes a dead letter again only after three more crashes if it is replayed', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const deadLettering = await processOn(store);
    const next = await processOn(store);
    expect(next.recoveredDeadLetters).toEqual(['a']);
    await next.inbox.requeue(await deadLettering.read('a'));
    expect((await next.read('a')).retry.deadCause).toBeUndefined();
    await next.pass();
    expect(next.running()).toEqual(['a']);
    await crash(store, 2);
    const { deadLetters, started } = await processOn(store);
    expect([started, deadLetters.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });

  test('C7 is a dead letter once the store works again, and does not run before that', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const set = store.set.bind(store);
    store.set = (...args) => (args[0] === 'event' ? Promise.reject(new Error('out of order')) : set(...args));
    const { started, deadLetters, pass } = await processOn(store);
    expect([started, deadLetters]).toEqual([[], []]);
    store.set = set;
    await pass(MINUTE);
    expect([started, deadLetters.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });
});
