import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Delivery } from '../../src/delivery/delivery.js';
import type { DeliveryOptions } from '../../src/delivery/delivery-options.js';
import type { DeliveryTarget } from '../../src/delivery/delivery-target.js';
import { SubscriptionDeletedError } from '../../src/errors.js';
import { type HookPayload, subscriberHooks } from '../../src/delivery/hook-payloads.js';
import type { EventHandler } from '../../src/delivery/handler/handlers.js';
import type { StoredSubscription } from '../../src/subscription/registry/registry.js';
import { deferred, FakeWorld } from '../kit/fake-world.js';
import { entryOf, grant, storedEvent, storedEventWith } from './message/reception.js';

const content = { headers: [], raw: new Uint8Array([1]) };

function setUp(
  onEventNotification: EventHandler['onEventNotification'],
  {
    entry = entryOf(),
    isDeclared = true,
    waiting = 0,
  }: { entry?: StoredSubscription | undefined; isDeclared?: boolean; waiting?: number } = {},
) {
  const world = new FakeWorld();
  let isFailing = false;
  const hooks = subscriberHooks(world.logger);
  const calls: string[] = [];
  const target: DeliveryTarget = {
    name: 'news',
    handlers: { onEventNotification },
    delivery: {
      mode: 'inline',
      ackAfterMs: 60_000,
      retryForSeconds: 1,
      concurrency: 1,
      order: 'none',
      maxPending: 2,
      maxPendingBytes: 1_000,
      dedupe: false,
      dedupeWindowSeconds: 60,
      fetchThinPings: false,
      catchUp: true,
      pollSeconds: 0,
      deadLetters: { keepSeconds: 1, keepCount: 1 },
    },
  };
  const record = (call: string) => async () => void calls.push(call);
  const inbox = {
    enqueue: record('enqueue'),
    storeUnscheduled: record('storeUnscheduled'),
    schedule: () => {},
    storeFailed: record('storeFailed'),
    settle: record('settle'),
    loadOf: () => ({ events: waiting, bytes: waiting * 100 }),
    newPosition: () => 0,
  };
  const seen: DeliveryOptions['processedLog'] = {
    answerToDuplicate: () => undefined,
    trackDelivery: async (_pieces, hand) => hand(),
    markEnqueued: () => {},
    changeOf: () => 'new',
    markProcessed: () => {},
    markDeadLettered: () => {},
    settled: async () => {},
  };
  const delivery = new Delivery({
    inbox,
    processedLog: seen,
    hooks,
    storeTimeoutMs: 5_000,
    logger: world.logger,
    now: () => world.now,
    readEvent: async () => undefined,
    targetOf: () => (isDeclared ? target : undefined),
    fetchPingContent: async () => new Error('nothing is to be fetched'),
    subscriptionOf: (id) => (id === entry.record.id ? entry : undefined),
    onDeleted: async () => {
      if (isFailing) throw new Error('the store is down');
      calls.push('deleted');
    },
  });
  const fail = (): void => void (isFailing = true);
  return { delivery, target, entry, hooks, calls, world, inbox, fail };
}

describe('news that has just come', () => {
  test('costs no promise where the handler has returned', () => {
    const { delivery, target, entry, calls } = setUp(() => ({ body: { a: 'b' } }));
    expect(delivery.deliver(target, entry, grant, content)).toEqual({
      type: 'acknowledged',
      acknowledgement: { body: { a: 'b' } },
    });
    expect(entry.counters.stats()).toMatchObject({ received: 1, delivered: 1 });
    expect(calls).toEqual([]);
  });

  test.each([
    [0, 1],
    [30_000, 0],
  ])('has a slow handler, but not where parsing took %i ms of its time (%i warnings)', async (parsingMs, warnings) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const [parsing, turn] = [deferred(), deferred()];
    const { delivery, target, entry, calls, world } = setUp(() => turn.promise);
    const tracking = { ...target, delivery: { ...target.delivery, dedupe: 'entries' as const } };
    const parsed = delivery.runExclusive(entry.record.id, () => parsing.promise);
    const answer = delivery.deliver(tracking, entry, grant, content);
    await vi.advanceTimersByTimeAsync(parsingMs);
    parsing.resolve();
    await parsed;
    await vi.advanceTimersByTimeAsync(60_000 - parsingMs);
    expect(await answer).toEqual({ type: 'acknowledged' });
    expect(calls).toEqual(['storeUnscheduled']);
    expect(world.lines.filter(({ level }) => level === 'warn')).toHaveLength(warnings);
    turn.resolve();
    await delivery.settled();
  });

  test('C9 is answered at once when patience ends, and the event is held until the handler is done', async () => {
    const turn = deferred();
    const { delivery, target, entry, calls, world } = setUp(() => turn.promise);
    const answer = delivery.deliver(target, entry, grant, content);
    let hasSettled = false;
    const settled = (async () => {
      await delivery.settled();
      hasSettled = true;
    })();
    delivery.stopWaiting();
    expect(await answer).toEqual({ type: 'acknowledged' });
    await delivery.allAnswered();
    expect([calls, hasSettled]).toEqual([['storeUnscheduled'], false]);
    // The handler was in time: it was not waited for.
    expect(world.lines).toEqual([]);
    turn.resolve();
    await settled;
    expect(calls).toEqual(['storeUnscheduled', 'settle']);

    expect(await delivery.deliver(target, entry, grant, content)).toEqual({
      type: 'acknowledged',
      acknowledgement: undefined,
    });
    expect(calls).toEqual(['storeUnscheduled', 'settle']);
  });

  test('is no failure of the handler when it was cut off', async () => {
    const outcomes: unknown[] = [];
    const set = setUp(({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', reject)));
    set.inbox.settle = async (...[, outcome]: unknown[]) => void outcomes.push(outcome);
    const answer = set.delivery.deliver(set.target, set.entry, grant, content);
    set.delivery.stopWaiting();
    await answer;
    set.delivery.abort();
    await set.delivery.settled();
    expect(outcomes).toEqual([{ type: 'interrupted' }]);
    expect(set.entry.counters.stats()).toMatchObject({ failed: 0, delivered: 0 });
    expect(set.world.lines).toEqual([]);
  });

  test('is too much where as many wait as may', async () => {
    const { delivery, target, entry, calls } = setUp(() => Promise.reject(new Error('not now')), { waiting: 2 });
    expect(await delivery.deliver(target, entry, grant, content)).toMatchObject({ type: 'unavailable' });
    expect(calls).toEqual([]);
    expect(delivery.isFull(target)).toBe(true);
    const roomier = { ...target.delivery, maxPending: 3 };
    expect(delivery.isFull({ ...target, delivery: roomier })).toBe(false);
    expect(delivery.isFull({ ...target, delivery: { ...roomier, maxPendingBytes: 200 } })).toBe(true);
  });
});

describe('C7 an end of the subscription that cannot be stored', () => {
  const gone = new SubscriptionDeletedError('no more');
  const cannotEnd = () => {
    const set = setUp(() => {
      throw gone;
    });
    set.fail();
    return set;
  };

  test('is no answer: the hub is to come again', async () => {
    const { delivery, target, entry, world } = cannotEnd();
    expect(await delivery.deliver(target, entry, grant, content)).toMatchObject({ type: 'unavailable' });
    expect(world.logged('a handler failed')).toMatchObject([
      { fields: { err: { cause: new Error('the store is down') } } },
    ]);
    expect(world.logged('ended the subscription')).toEqual([]);
    expect(entry.counters.stats()).toMatchObject({ failed: 1, delivered: 0 });
  });

  test('leaves a stored event to be handed over again', async () => {
    const { delivery } = cannotEnd();
    expect(await delivery.redeliver(storedEvent)).toMatchObject({ type: 'failed' });
  });
});

describe('a stored event', () => {
  test('is handed over with the next attempt', async () => {
    const attempts: number[] = [];
    const { delivery } = setUp(({ attempt }) => void attempts.push(attempt));
    expect(await delivery.redeliver(storedEventWith({ attempts: 4 }))).toMatchObject({ type: 'done' });
    expect(attempts).toEqual([5]);
  });

  test('is handed over under another grant where its own is forgotten', async () => {
    const grants: string[] = [];
    const { delivery } = setUp((event) => void grants.push(event.grant.id));
    await delivery.redeliver(storedEventWith({ grantId: 'gone' }));
    expect(grants).toEqual(['g1']);
  });

  test('C5 that is a thin ping, and whose topic is no URL, is handed over as it is: nothing is fetched', async () => {
    const sizes: number[] = [];
    const entry = entryOf([{ ...grant, topic: 'urn:fhircast:session:1' }]);
    const { delivery } = setUp((event) => void sizes.push(event.raw.length), { entry });
    const ping = storedEventWith({ raw: new Uint8Array(), isPing: true });
    expect(await delivery.redeliver(ping)).toMatchObject({ type: 'done' });
    expect(sizes).toEqual([0]);
  });

  test.each([
    ['service', { isDeclared: false }, {}],
    ['subscription', {}, { subscriptionId: 'gone' }],
    ['grant', { entry: entryOf([]) }, {}],
  ])('fails, and is not lost, where there is no %s for it any more', async (_what, options, event) => {
    const { delivery } = setUp(() => expect.unreachable(), options);
    expect(await delivery.redeliver(storedEventWith({ ...event }))).toMatchObject({
      type: 'failed',
      error: { message: 'Service news or its subscription is not there any more' },
    });
  });

  test('that is given up is logged, also where nobody is left to be told', () => {
    const { delivery, hooks, world } = setUp(() => {});
    const told: HookPayload[] = [];
    hooks.on('dead-letter', (payload) => told.push(payload));
    delivery.recoveredEvents.onDeadLetter(storedEventWith({ attempts: 2, errors: [{ message: 'no', at: 0 }] }));
    delivery.recoveredEvents.onDeadLetter(storedEventWith({ subscriptionId: 'gone' }));
    expect(told.map(({ error, event }) => [error?.message, event?.id, event?.attempt])).toEqual([['no', 'e1', 2]]);
    expect(world.logged('is given up').map(({ level }) => level)).toEqual(['error', 'error']);
  });
});
