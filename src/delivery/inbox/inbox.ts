import type { Timetable } from '../../engine/engine.js';
import { breaks } from '../../engine/slices.js';
import { storeFailure } from '../../store/store-error.js';
import { within } from '../../store/timeout.js';
import { HANDLER, STORE_RETRY_MS } from '../../subscription/retry-policy.js';
import { AtHand } from './event-cache.js';
import { crashedEvent, failedEvent, revivedEvent } from './failed-event.js';
import type { StoredRun } from '../handler/handler-run.js';
import { outcomeOf } from './run-safely.js';
import type { InboxOptions } from './inbox-options.js';
import { Lanes } from './concurrency-limiter.js';
import { Lines, type Place } from './fifo-per-subscription.js';
import { decodeEvent, encodeEvent, readEvent, type StoredEvent } from './stored-event.js';
import { WaitingEvents, type InboxLoad } from './waiting-events.js';
import { Withdrawals } from './timed-out-writes.js';

/** Events that the hub was told 2xx about and whose handler has not succeeded: kept in the store and tried again. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #due: Timetable;
  readonly #withdrawals: Withdrawals;
  readonly #lanes: Lanes;
  readonly #waiting: WaitingEvents;
  /** Those that go in order, a line for each subscription. */
  readonly #lines = new Lines();
  /** What the store did not take when a run had ended: it is written later, and the handler is not run for it. */
  readonly #unsettled = new Map<string, { readonly event: StoredEvent; readonly outcome: StoredRun }>();
  readonly #atHand = new AtHand();
  /** Also across restarts: what is stored has a lower position. */
  #nextPosition = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
    const { engine, limitsOf, waiting = new WaitingEvents() } = options;
    this.#waiting = waiting;
    this.#due = engine.timetable((id) => this.#ready(id));
    this.#withdrawals = new Withdrawals(options);
    engine.onSetBack(() => this.#due.noLaterThan(this.#latest()));
    this.#lanes = new Lanes({
      concurrencyOf: (service) => limitsOf(service)?.concurrency ?? 0,
      run: (id, free) => this.#run(id, free),
      suspects: options.marked,
    });
  }

  /** Reads what a previous process left. What cannot be read is logged and left in the store as it is. */
  async load(): Promise<void> {
    const { store, logger, limitsOf, onFound, onFoundDead, marked } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'a stored event cannot be read: left as it is');
    const places: Place[] = [];
    const pause = breaks();
    for await (const [id, raw] of store.entries('event', { onUnreadable: unreadable })) {
      try {
        const event = decodeEvent(id, raw);
        const { service, position, receivedAt, subscriptionId: line } = event.meta;
        const { deadSince, nextAttemptAt = receivedAt } = event.retry;
        marked.found(id);
        this.#nextPosition = Math.max(this.#nextPosition, (position ?? -1) + 1);
        if (deadSince !== undefined) {
          onFoundDead(event);
        } else if (limitsOf(service) === undefined) {
          logger.warn({ event: id, service }, 'a stored event waits for a service that is not declared');
        } else {
          this.#waiting.add(event);
          if (this.#isInOrder(event)) places.push({ id, line, position, receivedAt });
          this.#due.set(id, Math.min(nextAttemptAt, this.#latest()));
          onFound(event);
        }
      } catch (error) {
        unreadable(error);
      }
      await pause();
    }
    this.#lines.joinInOrder(places);
    marked.loaded();
  }

  /** The place of an event that has just been received in the order of all. */
  newPosition(): number {
    return this.#nextPosition++;
  }

  /** How many events of a service are in it, and their bytes, dead letters apart. */
  loadOf(service: string): InboxLoad {
    return this.#waiting.loadOf(service);
  }

  /** Stores an event whose handler is still running, as `enqueue` does; `settle` is to be called when it has ended. */
  async hold(event: StoredEvent, withinMs?: number): Promise<void> {
    await this.#store(event, withinMs);
  }

  /** An event that was stored by `hold`, and whose handler has not run, has its turn from now on. */
  release(event: StoredEvent): void {
    this.#atHand.keep(event);
    this.#ready(event.meta.id);
  }

  /**
   * Stores an event whose handler has not run, for its turn.
   *
   * @param withinMs milliseconds the store has
   * @throws StoreError where it cannot be stored
   */
  async enqueue(event: StoredEvent, withinMs?: number): Promise<void> {
    this.release(await this.#store(event, withinMs));
  }

  /**
   * Stores an event whose handler has failed, for its next try.
   *
   * @param withinMs milliseconds the store has
   * @throws StoreError where it cannot be stored
   */
  async keep(event: StoredEvent, error: Error, withinMs?: number): Promise<void> {
    const { now, random, limitsOf } = this.#options;
    const { id, service, subscriptionId, receivedAt } = event.meta;
    const { retryForSeconds = Infinity } = limitsOf(service) ?? {};
    const next = failedEvent(event, error, { at: now(), random: random(), retryForSeconds });
    const { attempts, deadSince, nextAttemptAt = receivedAt } = next.retry;
    await this.#store(next, withinMs);
    if (deadSince === undefined) {
      this.#due.set(id, Math.min(nextAttemptAt, this.#latest()));
      this.#options.logger.info(
        { event: id, subscription: subscriptionId, attempts },
        `the event is kept (next try: ${new Date(nextAttemptAt).toISOString()})`,
      );
    } else {
      this.#bury(next);
    }
  }

  /**
   * Stores an event that was given up as one that waits: it is run at the next tick, and tried for its time from now on. It
   * comes after all that its subscription has received by then.
   *
   * @throws StoreError where it cannot be stored
   */
  async revive(event: StoredEvent): Promise<void> {
    const at = this.#options.now();
    const next = revivedEvent(event, at);
    await this.#store(next);
    this.#options.onFound(next);
    this.#due.set(next.meta.id, this.#options.now());
  }

  /** Removes a stored event that was handled, or schedules its next try. Never throws: what fails here is done later. */
  async settle(event: StoredEvent, outcome: StoredRun): Promise<void> {
    const { store, logger, now, marked } = this.#options;
    const { id } = event.meta;
    if (outcome.type === 'cut-off') return;
    try {
      if (outcome.type === 'failed') {
        await this.keep(event, outcome.error);
      } else if (outcome.type === 'crashed') {
        const dead = crashedEvent(event, outcome.error, now());
        await this.#store(dead);
        this.#bury(dead);
      } else {
        // It is in a hurry where something waits for that: the next one of its line, or of the suspects.
        const isWaitedFor = this.#isInOrder(event) || marked.isSuspect(id);
        await store.delete('event', id, isWaitedFor ? 'now' : 'soon');
        this.#forget(id);
      }
      await marked.settled(id, this.#waiting.serviceOf(id) === undefined);
    } catch (error) {
      this.#unsettled.set(id, { event, outcome });
      this.#due.set(id, now() + STORE_RETRY_MS);
      const next = this.#lanes.isStopped
        ? 'the event is handed over again at the next start'
        : 'tried again in a minute';
      logger.error({ event: id, err: error }, `how a handler ended cannot be stored: ${next}`);
    }
  }

  /** Begins no further run. Resolves when those under way have ended. */
  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  /** It counts from now on, so that those that come meanwhile find the room it takes, and come after it. */
  async #store(event: StoredEvent, withinMs?: number): Promise<StoredEvent> {
    const { meta } = event;
    const { id, subscriptionId } = meta;
    const isPlaced = meta.position !== undefined;
    const placed = isPlaced ? event : { ...event, meta: { ...meta, position: this.newPosition() } };
    const isNew = this.#waiting.add(event);
    if (isNew && this.#isInOrder(event)) this.#lines.join(subscriptionId, id);
    try {
      const writing = this.#options.store.set('event', id, encodeEvent(placed));
      await (withinMs === undefined ? writing : within(writing, withinMs));
      return placed;
    } catch (cause) {
      if (isNew) {
        this.#forget(id);
        // What was replayed is a dead letter still.
        if (event.retry.triedSince === undefined) this.#withdrawals.add(id);
      }
      throw storeFailure(`The event ${id} could not be stored`, cause);
    }
  }

  #bury(event: StoredEvent): void {
    this.#forget(event.meta.id);
    this.#options.onDeadLetter(event);
  }

  #forget(id: string): void {
    if (!this.#waiting.delete(id)) return;
    const next = this.#lines.leave(id);
    if (next !== undefined) this.#ready(next);
  }

  #isInOrder({ meta }: StoredEvent): boolean {
    return this.#options.limitsOf(meta.service)?.order === 'subscription';
  }

  /** No wait is longer than that: by a clock that was set back meanwhile it would be. */
  #latest(): number {
    return this.#options.now() + HANDLER.capMs;
  }

  #ready(id: string): void {
    const service = this.#waiting.serviceOf(id);
    if (service === undefined || this.#lanes.isStopped) return;
    const unsettled = this.#unsettled.get(id);
    if (unsettled !== undefined) {
      this.#unsettled.delete(id);
      void this.settle(unsettled.event, unsettled.outcome);
      return;
    }
    if (this.#lines.isTurn(id)) this.#lanes.push(service, id);
  }

  async #run(id: string, free: () => void): Promise<void> {
    const event = this.#atHand.take(id) ?? (await this.#read(id));
    if (event === undefined) return;
    const outcome = await outcomeOf(() => this.#options.marked.run(event, this.#options.run));
    // The next handler need not wait until the store has taken how this one ended.
    free();
    await this.settle(event, outcome);
  }

  async #read(id: string): Promise<StoredEvent | undefined> {
    const { store, logger, now } = this.#options;
    const event = await readEvent(store, id, logger);
    if (typeof event === 'object') return event;
    if (event === 'unreadable') this.#forget(id);
    else this.#due.set(id, now() + STORE_RETRY_MS);
    return undefined;
  }
}
