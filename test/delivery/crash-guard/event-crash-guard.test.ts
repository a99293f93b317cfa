import { setImmediate as macrotask } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { encodeEvent } from '../../../src/delivery/inbox/stored-event.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { deferred, type Deferred } from '../../kit/fake-world.js';
import { failed, setUp } from '../inbox/inbox-set-up.js';
import { storedEventWith, type EventFields } from '../message/reception.js';

const DONE: StoredRun = { type: 'done', acknowledgement: undefined };
const LIMITS = { concurrency: 4, retryForSeconds: 600, order: 'none' } as const;
const MINUTE = 60_000;

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await macrotask();
}

/** Puts an event into a store, due in the order of its position. */
async function put(store: RecordStore, id: string, position: number, more: EventFields = {}): Promise<void> {
  const nextAttemptAt = position - 1_000;
  await store.set('event', id, encodeEvent(storedEventWith({ id, position, nextAttemptAt, ...more })));
}

/** A store with events, on which one process after another runs. */
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

/** A process on a store: the runs it has begun, by id, which end when they are told to. One that is left alone has crashed. */
async function processOn(store: RecordStore, limits: Limits = LIMITS, others: readonly string[] = []) {
  const runs = new Map<string, Deferred<StoredRun>>();
  const begun: string[] = [];
  const set = await setUp(
    ({ meta: { id } }) => {
      const run = deferred<StoredRun>();
      runs.set(id, run);
      begun.push(id);
      return run.promise.finally(() => runs.delete(id));
    },
    limits,
    store,
  );
  for (const other of others) set.services.set(other, limits);
  await set.markers.load();
  await set.inbox.load();
  const pass = async (milliseconds = 0): Promise<void> => {
    set.pass(milliseconds);
    await quiet();
  };
  const end = async (id: string, run: StoredRun = DONE): Promise<void> => {
    const open = runs.get(id);
    if (open === undefined) throw new Error(`${id} does not run`);
    open.resolve(run);
    await quiet();
  };
  await pass();
  return { ...set, begun, pass, end, running: () => [...runs.keys()] };
}

/** So many processes in a row crash while these events run, one after the other from the second on. */
async function crash(store: RecordStore, times: number, limits: Limits = LIMITS): Promise<void> {
  for (let process = 0; process < times; process += 1) await processOn(store, limits);
}

describe('an event that was in the store at the start', () => {
  test('C7 has a marker before its first run begins', async () => {
    const store = await storeWith(['a']);
    const turn = deferred();
    const set = store.set.bind(store);
    store.set = async (...given) => {
      if (given[0] === 'marker') await turn.promise;
      await set(...given);
    };
    const { begun } = await processOn(store);
    expect(begun).toEqual([]);
    turn.resolve();
    await quiet();
    expect(begun).toEqual(['a']);
    expect(JSON.stringify(await store.get('marker', 'runs'))).toContain('event.a');
  });

  test('C7 leaves no marker when it was handled, and none when it failed', async () => {
    const store = await storeWith(['a', 'b']);
    const { end } = await processOn(store);
    await end('a');
    await end('b', failed('no'));
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 has no marker for later runs', async () => {
    const store = await storeWith(['a']);
    const { end, pass, running } = await processOn(store);
    await end('a', failed('no'));
    const writes: string[] = [];
    const set = store.set.bind(store);
    store.set = (...given) => {
      writes.push(given[0]);
      return set(...given);
    };
    await pass(MINUTE);
    expect(running()).toEqual(['a']);
    expect(writes).toEqual([]);
  });

  test('C7 runs although its marker cannot be stored', async () => {
    const store = await storeWith(['a']);
    const set = store.set.bind(store);
    store.set = (...given) => (given[0] === 'marker' ? Promise.reject(new Error('out of order')) : set(...given));
    const { end, inbox, world } = await processOn(store);
    await end('a');
    expect(inbox.loadOf('news').events).toBe(0);
    expect(world.logged('crash markers cannot be stored')).toHaveLength(1);
  });
});

test('C7 an event that is received costs no operation for markers: not its first run, and no retry', async () => {
  const store = await storeWith([]);
  const { inbox, end, pass, running } = await processOn(store);
  const kinds: string[] = [];
  const get = store.get.bind(store);
  const set = store.set.bind(store);
  const remove = store.delete.bind(store);
  store.get = (...given) => (kinds.push(`get ${given[0]}`), get(...given));
  store.set = (...given) => (kinds.push(`set ${given[0]}`), set(...given));
  store.delete = (...given) => (kinds.push(`delete ${given[0]}`), remove(...given));
  await inbox.enqueue(storedEventWith({ id: 'a' }));
  await quiet();
  await end('a', failed('no'));
  await pass(MINUTE);
  expect(running()).toEqual(['a']);
  await end('a');
  await inbox.storeUnscheduled(storedEventWith({ id: 'b' }));
  await inbox.settle(storedEventWith({ id: 'b' }), DONE);
  expect(kinds).toEqual(['set event', 'set event', 'get event', 'delete event', 'set event', 'delete event']);
});

describe('events whose marker is found at a start', () => {
  test('C7 run one at a time until they succeed, and the others go on beside them', async () => {
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
    expect(world.logged('one at a time').map(({ fields }) => fields)).toEqual([{ events: 3 }]);
  });

  test('C7 one that fails does not run beside another one at its retry either', async () => {
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

  test('C7 the next one begins when it is stored that the one before has succeeded: no crash of the next counts for it', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    const remove = store.delete.bind(store);
    const set = store.set.bind(store);
    const turns = { event: deferred(), marker: deferred() };
    const urgencies: unknown[] = [];
    const { running, end } = await processOn(store);
    store.delete = async (kind, id, urgency) => {
      urgencies.push(urgency);
      await turns.event.promise;
      await remove(kind, id, urgency);
    };
    store.set = async (...given) => {
      await turns.marker.promise;
      await set(...given);
    };
    await end('a');
    expect(running()).toEqual([]);
    turns.event.resolve();
    await quiet();
    expect(running()).toEqual([]);
    turns.marker.resolve();
    await quiet();
    expect(running()).toEqual(['b']);
    expect(urgencies).toEqual(['now']);
  });

  test('C7 of all services together one runs at a time', async () => {
    const store = await storeWith(['a', 'b']);
    await put(store, 'c', 5, { service: 'other' });
    await processOn(store, LIMITS, ['other']);
    const { running, end } = await processOn(store, LIMITS, ['other']);
    expect(running()).toEqual(['a']);
    await end('a');
    await end('b');
    expect(running()).toEqual(['c']);
  });

  test('C7 keep to the concurrency of their service', async () => {
    const limits = { ...LIMITS, concurrency: 1 };
    const store = await storeWith(['a', 'b']);
    await crash(store, 1, limits);
    const { running, end } = await processOn(store, limits);
    expect(running()).toEqual(['a']);
    await end('a');
    expect(running()).toEqual(['b']);
  });

  test('C7 in order, hold back what came after them, and nothing else', async () => {
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
    await quiet();
    expect(running()).toEqual(['a1', 'd1']);
    await end('a1');
    expect(new Set(running())).toEqual(new Set(['d1', 'a2', 'b1']));
    await end('b1');
    expect(new Set(running())).toEqual(new Set(['d1', 'a2', 'b2']));
  });

  test('C7 one that never returns holds the others back for five minutes', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    const { running, pass } = await processOn(store);
    await pass(4 * MINUTE);
    expect(running()).toEqual(['a']);
    await pass(MINUTE);
    expect(running()).toEqual(['a', 'b']);
  });

  test('C7 whose event is gone are taken off', async () => {
    const store = await storeWith(['a', 'b']);
    await crash(store, 1);
    await store.delete('event', 'a');
    const { running, end } = await processOn(store);
    expect(running()).toEqual(['b']);
    expect(JSON.stringify(await store.get('marker', 'runs'))).not.toContain('event.a');
    await end('b');
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 of a service that is not declared keep, until it is', async () => {
    const store = await storeWith(['a']);
    await crash(store, 2);
    const without = await setUp(async () => DONE, LIMITS, store);
    without.services.delete('news');
    await without.markers.load();
    await without.inbox.load();
    without.pass(MINUTE);
    await quiet();
    await crash(store, 1);
    const { begun, dead } = await processOn(store);
    expect([begun, dead.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });
});

describe('an event during whose runs the process ended three times', () => {
  test('C7 is a dead letter with the cause `crashed`, and not run; no try of its handler counts as failed', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const { begun, dead, read, inbox } = await processOn(store);
    expect(begun).toEqual([]);
    expect(dead.map(({ meta }) => meta.id)).toEqual(['a']);
    const letter = await read('a');
    expect(letter.retry).toMatchObject({ deadSince: 0, deadCause: 'crashed', attempts: 0 });
    expect(letter.retry.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^The process ended 3 times .*replay/),
    ]);
    expect(inbox.loadOf('news').events).toBe(0);
    expect(await store.get('marker', 'runs')).toBeUndefined();
  });

  test('C7 is the only one: those that ran beside it each had their turn, and were handled', async () => {
    const ids = ['a', 'b', 'poison', 'c', 'd'];
    const store = await storeWith(ids);
    const wide = { ...LIMITS, concurrency: 16 };
    const handled = new Set<string>();
    const handle = async ({ running, end }: Awaited<ReturnType<typeof processOn>>): Promise<void> => {
      // It ends at once where the poisoned one has its turn.
      for (let [id] = running(); id !== undefined && id !== 'poison'; [id] = running()) {
        handled.add(id);
        await end(id);
      }
    };
    const first = await processOn(store, wide);
    expect(first.running()).toEqual(ids);
    await handle(await processOn(store, wide));
    expect(handled).toEqual(new Set(['a', 'b']));
    await handle(await processOn(store, wide));
    const last = await processOn(store, wide);
    await handle(last);
    expect(last.dead.map(({ meta }) => meta.id)).toEqual(['poison']);
    expect(handled).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  test('C7 also where its handler failed in between: that neither counts nor takes anything back', async () => {
    const store = await storeWith(['a']);
    await crash(store, 2);
    const third = await processOn(store);
    await third.end('a', failed('no'));
    await third.pass(MINUTE);
    expect(third.running()).toEqual(['a']);
    const fourth = await processOn(store);
    await fourth.pass(MINUTE);
    expect(fourth.dead).toMatchObject([{ meta: { id: 'a' }, retry: { deadCause: 'crashed', attempts: 1 } }]);
  });

  test('C7 lets the next one of its subscription go on', async () => {
    const limits = { ...LIMITS, order: 'subscription' } as const;
    const store = await storeWith(['a', 'b']);
    await crash(store, 3, limits);
    const { running } = await processOn(store, limits);
    expect(running()).toEqual(['b']);
  });

  test('C7 can be replayed: it has its three tries again, each with a marker', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const buried = await processOn(store);
    const next = await processOn(store);
    expect(next.foundDead).toEqual(['a']);
    await next.inbox.requeue(await buried.read('a'));
    expect((await next.read('a')).retry.deadCause).toBeUndefined();
    await next.pass();
    expect(next.running()).toEqual(['a']);
    await crash(store, 2);
    const { dead, begun } = await processOn(store);
    expect([begun, dead.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });

  test('C7 whose dead letter cannot be stored is one as soon as the store works, and is not run meanwhile', async () => {
    const store = await storeWith(['a']);
    await crash(store, 3);
    const set = store.set.bind(store);
    store.set = (...given) => (given[0] === 'event' ? Promise.reject(new Error('out of order')) : set(...given));
    const { begun, dead, pass } = await processOn(store);
    expect([begun, dead]).toEqual([[], []]);
    store.set = set;
    await pass(MINUTE);
    expect([begun, dead.map(({ meta }) => meta.id)]).toEqual([[], ['a']]);
  });
});
