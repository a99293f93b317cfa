import type { EventCrashGuard } from '../crash-guard/event-crash-guard.js';
import { log } from '../../log-events.js';
import type { Timetable } from '../../engine/engine.js';
import { createYielder } from '../../engine/slices.js';
import { toStoreError } from '../../store/store-error.js';
import { withTimeout } from '../../store/timeout.js';
import { HANDLER, STORE_RETRY_MS } from '../../subscription/retry-policy.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import type { DeliveryContext } from '../delivery-context.js';
import { EventCache } from './event-cache.js';
import { crashedEvent, failedEvent, requeuedEvent } from './failed-event.js';
import type { StoredRun } from '../handler/handler-run.js';
import { runSafely } from './run-safely.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { FifoPerSubscription, type FifoItem } from './fifo-per-subscription.js';
import { decodeEvent, encodeEvent, readEvent, type StoredEvent } from './stored-event.js';
import { WaitingEvents, type InboxLoad } from './waiting-events.js';
import { TimedOutWrites } from './timed-out-writes.js';

/** Runs the stored events, and learns of their fate. */
export interface EventConsumer {
  /** Runs the handler for a stored event. Does not throw. */
  run(event: StoredEvent): Promise<StoredRun>;
  /** Called for each waiting event of a previous process, and for each requeued event. */
  onRecovered(event: StoredEvent): void;
  /** Called for each dead letter of a previous process. */
  onRecoveredDeadLetter(event: StoredEvent): void;
  /** Called for each new dead letter. */
  onDeadLetter(event: StoredEvent): void;
}

/** Keeps the events in the store until there is a consumer. */
const NO_CONSUMER: EventConsumer = {
  run: async () => ({ type: 'interrupted' }),
  onRecovered: () => {},
  onRecoveredDeadLetter: () => {},
  onDeadLetter: () => {},
};

/**
 * Stored events whose handler has not succeeded yet. Dispatches and retries them, because hubs do not send acknowledged
 * content again.
 */
export class Inbox {
  readonly #context: DeliveryContext;
  readonly #crashGuard: EventCrashGuard;
  readonly #due: Timetable;
  readonly #timedOutWrites: TimedOutWrites;
  readonly #limiter: ConcurrencyLimiter;
  readonly #waiting: WaitingEvents;
  /** Events of services with `order: 'subscription'`. */
  readonly #fifo = new FifoPerSubscription();
  /** Outcomes that could not be stored. They are stored later, without another run of the handler. */
  readonly #unsettled = new Map<string, { readonly event: StoredEvent; readonly outcome: StoredRun }>();
  readonly #cache = new EventCache();
  /** Higher than the position of any stored event, also after a restart. */
  #nextPosition = 0;
  #consumer: EventConsumer = NO_CONSUMER;

  /** @param waiting tracks the waiting events, for callers that need to know them */
  constructor(context: DeliveryContext, crashGuard: EventCrashGuard, waiting = new WaitingEvents()) {
    this.#context = context;
    this.#crashGuard = crashGuard;
    const { engine, services } = context;
    this.#waiting = waiting;
    this.#due = engine.timetable('events', (id) => this.#dispatch(id));
    this.#timedOutWrites = new TimedOutWrites(context);
    engine.onClockSetBack(() => this.#due.bringForwardTo(this.#latestDueTime()));
    this.#limiter = new ConcurrencyLimiter(services, crashGuard, (id, releaseSlot) => this.#run(id, releaseSlot));
  }

  /** Sets what runs the events. Called once, before `load()`. */
  consume(consumer: EventConsumer): void {
    this.#consumer = consumer;
  }

  /** Reads the events of a previous process. Logs a record that cannot be read and leaves it in the store. */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
    const crashGuard = this.#crashGuard;
    const onUnreadable = (error: unknown): void => log(logger, 'event.unreadable', { err: error });
    const fifoItems: FifoItem[] = [];
    const pause = createYielder();
    for await (const [id, raw] of store.list('event', { onUnreadable })) {
      try {
        const event = decodeEvent(id, raw);
        const { service, position, receivedAt, subscriptionId } = event.meta;
        const { deadSince, nextAttemptAt = receivedAt } = event.retry;
        crashGuard.addStored(id);
        this.#nextPosition = Math.max(this.#nextPosition, (position ?? -1) + 1);
        if (deadSince !== undefined) {
          this.#consumer.onRecoveredDeadLetter(event);
        } else if (this.#configOf(service) === undefined) {
          log(logger, 'event.service-missing', { eventId: id, service });
        } else {
          this.#waiting.add(event);
          if (this.#isFifo(event)) fifoItems.push({ id, subscriptionId, position, receivedAt });
          this.#due.set(id, Math.min(nextAttemptAt, this.#latestDueTime()));
          this.#consumer.onRecovered(event);
        }
      } catch (error) {
        onUnreadable(error);
      }
      await pause();
    }
    this.#fifo.appendInOrder(fifoItems);
    crashGuard.onLoaded();
  }

  /** The position of a new event in the order of reception. */
  newPosition(): number {
    return this.#nextPosition++;
  }

  /** The number of a service's waiting events and their bytes, without dead letters. */
  loadOf(service: string): InboxLoad {
    return this.#waiting.loadOf(service);
  }

  /**
   * Stores an event without scheduling it. Call `settle` or `schedule` later.
   *
   * @param timeoutMs milliseconds the store may take
   * @throws StoreError if the event cannot be stored
   */
  async storeUnscheduled(event: StoredEvent, timeoutMs?: number): Promise<void> {
    await this.#store(event, timeoutMs);
  }

  /** Schedules an event that `storeUnscheduled` stored and whose handler has not run. */
  schedule(event: StoredEvent): void {
    this.#cache.add(event);
    void this.#dispatch(event.meta.id);
  }

  /**
   * Stores an event whose handler has not run, and schedules it.
   *
   * @param timeoutMs milliseconds the store may take
   * @throws StoreError if the event cannot be stored
   */
  async enqueue(event: StoredEvent, timeoutMs?: number): Promise<void> {
    this.schedule(await this.#store(event, timeoutMs));
  }

  /**
   * Stores an event whose handler has failed, for its next attempt or as a dead letter.
   *
   * @param timeoutMs milliseconds the store may take
   * @throws StoreError if the event cannot be stored
   */
  async storeFailed(event: StoredEvent, error: Error, timeoutMs?: number): Promise<void> {
    const { now, random } = this.#context;
    const { id, service, subscriptionId, receivedAt } = event.meta;
    const { retryForSeconds = Infinity } = this.#configOf(service) ?? {};
    const next = failedEvent(event, error, { at: now(), random: random(), retryForSeconds });
    const { attempts, deadSince, nextAttemptAt = receivedAt } = next.retry;
    await this.#store(next, timeoutMs);
    if (deadSince === undefined) {
      this.#due.set(id, Math.min(nextAttemptAt, this.#latestDueTime()));
      const nextAttempt = { attempts, nextAttemptAt: new Date(nextAttemptAt).toISOString() };
      log(this.#context.logger, 'event.retry-scheduled', { eventId: id, subscription: subscriptionId, ...nextAttempt });
    } else {
      this.#deadLetter(next);
    }
  }

  /**
   * Stores a dead letter as a waiting event. It runs at the next tick and is retried for `retryForSeconds` from now on.
   * It comes after all events that its subscription has received so far.
   *
   * @throws StoreError if the event cannot be stored
   */
  async requeue(event: StoredEvent): Promise<void> {
    const at = this.#context.now();
    const next = requeuedEvent(event, at);
    await this.#store(next);
    this.#consumer.onRecovered(next);
    this.#due.set(next.meta.id, this.#context.now());
  }

  /** Removes a processed event, or schedules its next attempt. Never throws: a failed write is repeated later. */
  async settle(event: StoredEvent, outcome: StoredRun): Promise<void> {
    const { store, logger, now } = this.#context;
    const crashGuard = this.#crashGuard;
    const { id } = event.meta;
    if (outcome.type === 'interrupted') return;
    try {
      if (outcome.type === 'failed') {
        await this.storeFailed(event, outcome.error);
      } else if (outcome.type === 'crashed') {
        const dead = crashedEvent(event, outcome.error, now());
        await this.#store(dead);
        this.#deadLetter(dead);
      } else {
        // The next event of the subscription, or the next suspect, may wait for this removal.
        const isUrgent = this.#isFifo(event) || crashGuard.isSuspect(id);
        await store.delete('event', id, isUrgent ? 'now' : 'soon');
        this.#forget(id);
      }
      await crashGuard.settled(id, this.#waiting.serviceNameOf(id) === undefined);
    } catch (error) {
      this.#unsettled.set(id, { event, outcome });
      this.#due.set(id, now() + STORE_RETRY_MS);
      log(logger, 'event.result-not-stored', { eventId: id, err: error, isStopping: this.#limiter.isStopped });
    }
  }

  /** Starts no further runs. Resolves once the current runs have ended. */
  async stop(): Promise<void> {
    await this.#limiter.stop();
  }

  /** Counts and queues the event before the write. Later events then respect limits and order. */
  async #store(event: StoredEvent, timeoutMs?: number): Promise<StoredEvent> {
    const { meta } = event;
    const { id, subscriptionId } = meta;
    const hasPosition = meta.position !== undefined;
    const positioned = hasPosition ? event : { ...event, meta: { ...meta, position: this.newPosition() } };
    const isNew = this.#waiting.add(event);
    if (isNew && this.#isFifo(event)) this.#fifo.append(subscriptionId, id);
    try {
      const writing = this.#context.store.set('event', id, encodeEvent(positioned));
      await (timeoutMs === undefined ? writing : withTimeout(writing, timeoutMs));
      return positioned;
    } catch (cause) {
      if (isNew) {
        this.#forget(id);
        // A replayed event is still stored as a dead letter, so it must not be removed.
        if (event.retry.triedSince === undefined) this.#timedOutWrites.add(id);
      }
      throw toStoreError(`Event ${id} could not be stored`, cause);
    }
  }

  #deadLetter(event: StoredEvent): void {
    this.#forget(event.meta.id);
    this.#consumer.onDeadLetter(event);
  }

  #forget(id: string): void {
    if (!this.#waiting.delete(id)) return;
    const next = this.#fifo.remove(id);
    if (next !== undefined) void this.#dispatch(next);
  }

  #isFifo({ meta }: StoredEvent): boolean {
    return this.#configOf(meta.service)?.order === 'subscription';
  }

  /** Undefined for a service that is not declared. Its events stay in the store unchanged. */
  #configOf(service: string): CheckedDeliveryConfig | undefined {
    return this.#context.services.get(service)?.delivery;
  }

  /** The latest possible due time. A stored time after it comes from a clock that was set back since. */
  #latestDueTime(): number {
    return this.#context.now() + HANDLER.capMs;
  }

  #dispatch(id: string): void | Promise<void> {
    const service = this.#waiting.serviceNameOf(id);
    if (service === undefined || this.#limiter.isStopped) return;
    const unsettled = this.#unsettled.get(id);
    if (unsettled !== undefined) {
      this.#unsettled.delete(id);
      return this.settle(unsettled.event, unsettled.outcome);
    }
    if (this.#fifo.markReady(id)) this.#limiter.push(service, id);
  }

  async #run(id: string, releaseSlot: () => void): Promise<void> {
    const event = this.#cache.take(id) ?? (await this.#read(id));
    if (event === undefined) return;
    const outcome = await runSafely(() => this.#crashGuard.run(event, (one) => this.#consumer.run(one)));
    // The next handler does not wait until the outcome is stored.
    releaseSlot();
    await this.settle(event, outcome);
  }

  async #read(id: string): Promise<StoredEvent | undefined> {
    const { store, logger, now } = this.#context;
    const event = await readEvent(store, id, logger);
    if (typeof event === 'object') return event;
    if (event === 'unreadable') this.#forget(id);
    else this.#due.set(id, now() + STORE_RETRY_MS);
    return undefined;
  }
}
