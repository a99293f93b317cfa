import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Delivery } from '../../src/delivery/delivery.js';
import type { DeliveryParts } from '../../src/delivery/delivery.js';
import type { DeliveryService } from '../../src/delivery/delivery-service.js';
import { SubscriptionDeletedError } from '../../src/errors.js';
import { type HookPayload, subscriberHooks } from '../../src/delivery/hook-payloads.js';
import type { EventHandler } from '../../src/delivery/handler/handlers.js';
import type { StoredSubscription } from '../../src/subscription/registry/registry.js';
import { deferred } from '../kit/deferred.js';
import { FakeWorld } from '../kit/fake-world.js';
import { servicesWith, testContext } from '../kit/test-context.js';
import { grant, storedEvent, storedEventWith, storedSubscription } from './message/event-fixtures.js';

const content = { headers: [], raw: new Uint8Array([1]) };

function setUp(
  onEventNotification: EventHandler['onEventNotification'],
  {
    subscription = storedSubscription(),
    isDeclared = true,
    waitingEvents = 0,
  }: { subscription?: StoredSubscription | undefined; isDeclared?: boolean; waitingEvents?: number } = {},
) {
  const world = new FakeWorld();
  let isEndFailing = false;
  const hooks = subscriberHooks(world.logger);
  const calls: string[] = [];
  const service: DeliveryService = {
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
    loadOf: () => ({ events: waitingEvents, bytes: waitingEvents * 100 }),
    newPosition: () => 0,
  };
  const processedLog: DeliveryParts['processedLog'] = {
    answerToDuplicate: () => undefined,
    trackDelivery: async (_dedupeKeys, dispatch) => dispatch(),
    markEnqueued: () => {},
    changeOf: () => 'new',
    markProcessed: () => {},
    markDeadLettered: () => {},
    settled: async () => {},
  };
  const context = testContext({
    hooks,
    logger: world.logger,
    now: () => world.now,
    services: servicesWith({ get: () => (isDeclared ? service : undefined) }),
  });
  const registry: DeliveryParts['registry'] = {
    get: (id) => (id === subscription.record.id ? subscription : undefined),
    apply: async () => {
      if (isEndFailing) throw new Error('the store is down');
      calls.push('deleted');
      return subscription.record;
    },
  };
  const reader = { readPingContent: async () => new Error('nothing is to be fetched') };
  const delivery = new Delivery(context, { inbox, processedLog, registry, reader });
  const failOnDeleted = (): void => void (isEndFailing = true);
  return { delivery, service, subscription, hooks, calls, world, inbox, failOnDeleted };
}

describe('a new delivery', () => {
  test('is answered without a promise if the handler has returned', () => {
    const { delivery, service, subscription, calls } = setUp(() => ({ body: { a: 'b' } }));
    expect(delivery.deliver(service, subscription, grant, content)).toEqual({
      type: 'acknowledged',
      acknowledgement: { body: { a: 'b' } },
    });
    expect(subscription.counters.stats()).toMatchObject({ received: 1, delivered: 1 });
    expect(calls).toEqual([]);
  });

  test.each([
    [0, 1],
    [30_000, 0],
  ])(
    'that waited %i ms for parsing before its slow handler logs this many warnings: %i',
    async (parsingMs, warnings) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      onTestFinished(() => void vi.useRealTimers());
      const [parsing, handlerEnd] = [deferred(), deferred()];
      const { delivery, service, subscription, calls, world } = setUp(() => handlerEnd.promise);
      const trackingService = { ...service, delivery: { ...service.delivery, dedupe: 'entries' as const } };
      const exclusiveRun = delivery.runExclusive(subscription.record.id, () => parsing.promise);
      const answer = delivery.deliver(trackingService, subscription, grant, content);
      await vi.advanceTimersByTimeAsync(parsingMs);
      parsing.resolve();
      await exclusiveRun;
      await vi.advanceTimersByTimeAsync(60_000 - parsingMs);
      expect(await answer).toEqual({ type: 'acknowledged' });
      expect(calls).toEqual(['storeUnscheduled']);
      expect(world.lines.filter(({ level }) => level === 'warn')).toHaveLength(warnings);
      handlerEnd.resolve();
      await delivery.settled();
    },
  );

  test('C9 is answered at once by stopWaiting, and its event stays stored until the handler ends', async () => {
    const handlerEnd = deferred();
    const { delivery, service, subscription, calls, world } = setUp(() => handlerEnd.promise);
    const answer = delivery.deliver(service, subscription, grant, content);
    let hasSettled = false;
    const settled = (async () => {
      await delivery.settled();
      hasSettled = true;
    })();
    delivery.stopWaiting();
    expect(await answer).toEqual({ type: 'acknowledged' });
    await delivery.allAnswered();
    expect([calls, hasSettled]).toEqual([['storeUnscheduled'], false]);
    // The handler is not slow: the wait ended early.
    expect(world.lines).toEqual([]);
    handlerEnd.resolve();
    await settled;
    expect(calls).toEqual(['storeUnscheduled', 'settle']);

    expect(await delivery.deliver(service, subscription, grant, content)).toEqual({
      type: 'acknowledged',
      acknowledgement: undefined,
    });
    expect(calls).toEqual(['storeUnscheduled', 'settle']);
  });

  test('does not count as failed if the handler was aborted', async () => {
    const outcomes: unknown[] = [];
    const { delivery, service, subscription, inbox, world } = setUp(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', reject)),
    );
    inbox.settle = async (...[, outcome]: unknown[]) => void outcomes.push(outcome);
    const answer = delivery.deliver(service, subscription, grant, content);
    delivery.stopWaiting();
    await answer;
    delivery.abort();
    await delivery.settled();
    expect(outcomes).toEqual([{ type: 'interrupted' }]);
    expect(subscription.counters.stats()).toMatchObject({ failed: 0, delivered: 0 });
    expect(world.lines).toEqual([]);
  });

  test('gets 503 if the inbox is full', async () => {
    const { delivery, service, subscription, calls } = setUp(() => Promise.reject(new Error('not now')), {
      waitingEvents: 2,
    });
    expect(await delivery.deliver(service, subscription, grant, content)).toMatchObject({ type: 'unavailable' });
    expect(calls).toEqual([]);
    expect(delivery.isFull(service)).toBe(true);
    const roomierConfig = { ...service.delivery, maxPending: 3 };
    expect(delivery.isFull({ ...service, delivery: roomierConfig })).toBe(false);
    expect(delivery.isFull({ ...service, delivery: { ...roomierConfig, maxPendingBytes: 200 } })).toBe(true);
  });
});

describe('C7 if a handler ends the subscription and the end cannot be stored,', () => {
  const deletedError = new SubscriptionDeletedError('no more');
  const setUpFailingEnd = () => {
    const deliveryParts = setUp(() => {
      throw deletedError;
    });
    deliveryParts.failOnDeleted();
    return deliveryParts;
  };

  test('the delivery is answered 503, so that the hub retries', async () => {
    const { delivery, service, subscription, world } = setUpFailingEnd();
    expect(await delivery.deliver(service, subscription, grant, content)).toMatchObject({ type: 'unavailable' });
    expect(world.logged('handler.failed')).toMatchObject([
      { fields: { err: { cause: new Error('the store is down') } } },
    ]);
    expect(world.logged('subscription.ended-by-handler')).toEqual([]);
    expect(subscription.counters.stats()).toMatchObject({ failed: 1, delivered: 0 });
  });

  test('the run of a stored event fails, so that it is retried', async () => {
    const { delivery } = setUpFailingEnd();
    expect(await delivery.redeliver(storedEvent)).toMatchObject({ type: 'failed' });
  });
});

describe('a stored event', () => {
  test('is delivered with the next attempt number', async () => {
    const attempts: number[] = [];
    const { delivery } = setUp(({ attempt }) => void attempts.push(attempt));
    expect(await delivery.redeliver(storedEventWith({ attempts: 4 }))).toMatchObject({ type: 'done' });
    expect(attempts).toEqual([5]);
  });

  test('is delivered with another grant if its grant no longer exists', async () => {
    const grants: string[] = [];
    const { delivery } = setUp((event) => void grants.push(event.grant.id));
    await delivery.redeliver(storedEventWith({ grantId: 'gone' }));
    expect(grants).toEqual(['g1']);
  });

  test('C5 is delivered empty, without a fetch, if it is a thin ping and its topic is not an http URL', async () => {
    const sizes: number[] = [];
    const subscription = storedSubscription([{ ...grant, topic: 'urn:fhircast:session:1' }]);
    const { delivery } = setUp((event) => void sizes.push(event.raw.length), { subscription });
    const ping = storedEventWith({ raw: new Uint8Array(), isPing: true });
    expect(await delivery.redeliver(ping)).toMatchObject({ type: 'done' });
    expect(sizes).toEqual([0]);
  });

  test.each([
    ['service', { isDeclared: false }, {}],
    ['subscription', {}, { subscriptionId: 'gone' }],
    ['grant', { subscription: storedSubscription([]) }, {}],
  ])('fails if its %s no longer exists', async (_missing, options, event) => {
    const { delivery } = setUp(() => expect.unreachable(), options);
    expect(await delivery.redeliver(storedEventWith({ ...event }))).toMatchObject({
      type: 'failed',
      error: { message: expect.stringContaining('"news" or its subscription no longer exists') },
    });
  });

  test('is logged when it becomes a dead letter, even if its subscription no longer exists', () => {
    const { delivery, hooks, world } = setUp(() => {});
    const payloads: HookPayload[] = [];
    hooks.on('dead-letter', (payload) => payloads.push(payload));
    delivery.recoveredEvents.onDeadLetter(storedEventWith({ attempts: 2, errors: [{ message: 'no', at: 0 }] }));
    delivery.recoveredEvents.onDeadLetter(storedEventWith({ subscriptionId: 'gone' }));
    expect(payloads.map(({ error, event }) => [error?.message, event?.id, event?.attempt])).toEqual([['no', 'e1', 2]]);
    expect(world.logged('event.dead-lettered')).toMatchObject([
      { level: 'error', fields: { eventId: 'e1', subscription: 's1', attempts: 2, cause: 'failed' } },
      { level: 'error', fields: { eventId: 'e1', subscription: 'gone' } },
    ]);
  });
});
