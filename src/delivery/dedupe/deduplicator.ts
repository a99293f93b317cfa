import { forEachInSlices, MAX_SYNC_ITEMS } from '../../engine/slices.js';
import { KeyedMutex } from '../../engine/keyed-mutex.js';
import { log } from '../../log-events.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import type { ClaimedEntries } from './claimed-entries.js';
import type { DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryContext } from '../delivery-context.js';
import type { DeliveryService } from '../delivery-service.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { UndecidedEvent } from '../inbox/event-writer.js';
import { deliverAfterParsing, type PendingDelivery } from './deliver-after-parsing.js';
import { closeEvent, dedupeKeysOfReadEntries, type ContentDistributionMessage } from '../message/message.js';
import type { PendingAnswer } from './in-progress-keys.js';
import { AckTimeout } from '../handler/ack-timeout.js';
import type { DedupeKey } from './dedupe-key.js';
import type { EventContext } from '../event-context.js';
import { duplicateCheckKeys, processedEntryKeys, isTracked, trackedKeysOf } from './tracked-keys.js';
import type { DuplicateAnswer, ProcessedLog } from './processed-log.js';

/** Records which content was processed. */
type Processed = Pick<
  ProcessedLog,
  'answerToDuplicate' | 'trackDelivery' | 'markEnqueued' | 'markProcessed' | 'markDeadLettered' | 'settled'
>;

/** Mutex key for recovered events that need parsing. They are parsed one at a time. */
const RECOVERY_KEY = 'recovery';

/**
 * Tracks processed content and drops duplicates (`delivery.dedupe`). `tracked-keys.ts` says which keys are compared.
 */
export class Deduplicator {
  readonly #context: Pick<DeliveryContext, 'logger' | 'services'>;
  readonly #processedLog: Processed;
  readonly #claimedEntries: Pick<ClaimedEntries, 'claimableBy' | 'release'>;
  readonly #ackTimeout: AckTimeout;
  /** By subscription id. Events that need parsing, or have many keys, stay ahead of later events. */
  readonly #mutex = new KeyedMutex();
  readonly #recoveryMutex = new KeyedMutex();
  readonly #pendingWork = new Set<Promise<void>>();
  #isStopping = false;

  constructor(
    context: Pick<DeliveryContext, 'logger' | 'services'>,
    processedLog: Processed,
    claimedEntries: Pick<ClaimedEntries, 'claimableBy' | 'release'>,
    ackTimeout = new AckTimeout(),
  ) {
    this.#context = context;
    this.#processedLog = processedLog;
    this.#claimedEntries = claimedEntries;
    this.#ackTimeout = ackTimeout;
  }

  /**
   * Dispatches an event unless it is a duplicate. A duplicate of processed content is acknowledged. A duplicate of
   * content in progress gets the answer of the first delivery.
   */
  deliver(service: DeliveryService, context: EventContext, delivery: PendingDelivery): Promise<DeliveryAnswer> {
    const dedupeKeys = trackedKeysOf(service.delivery, context.event);
    // More keys are processed in slices. The subscription's mutex then keeps other events from running in between.
    if (
      !(dedupeKeys instanceof Promise) &&
      dedupeKeys.length <= MAX_SYNC_ITEMS &&
      !this.#mutex.isLocked(context.subscription.record.id)
    ) {
      context.dedupeKeys = dedupeKeys;
      return this.#decide(service, context, () => delivery.dispatch());
    }
    return deliverAfterParsing({ mutex: this.#mutex, ackTimeout: this.#ackTimeout }, context, dedupeKeys, delivery, {
      dispatchIfNew: (dispatch, onStarted) => this.#decide(service, context, dispatch, onStarted),
      decideStored: (undecided) => this.#decideStored(service, context, undecided),
    });
  }

  /** Whether to record a handler's success: the service tracks keys, or the handler has read the entries. */
  shouldRecord({ delivery }: DeliveryService, event: ContentDistributionMessage): boolean {
    return isTracked(delivery) || dedupeKeysOfReadEntries(event) !== undefined;
  }

  /** Runs `work` while no other event of the subscription is checked or started. */
  runExclusive<T>(subscriptionId: string, work: () => Promise<T>): Promise<T> {
    return this.#mutex.runExclusive(subscriptionId, work);
  }

  /**
   * Stores fetched content and marks its entries as in progress. Call it inside {@link runExclusive}.
   *
   * @param entries the dedupe keys of its entries, if known
   */
  async enqueueFetched(
    context: EventContext,
    store: () => Promise<DeliveryAnswer>,
    entries?: readonly DedupeKey[],
  ): Promise<DeliveryAnswer> {
    const trackedKeys = this.#trackedKeysOf(context, entries);
    context.dedupeKeys = trackedKeys instanceof Promise ? await trackedKeys : trackedKeys;
    const answer = await this.#processedLog.trackDelivery(await this.#claimable(context, context.dedupeKeys), store);
    return answer.type === 'unavailable' ? this.releaseForRedelivery(context, answer) : answer;
  }

  /** Records the outcome of a handler run. After a failure the entries stay claimed for the retry. */
  onRunEnded(context: EventContext, outcome: StoredRun['type']): void {
    if (outcome === 'done') this.#recordProcessed(context);
    else if (outcome === 'deleted') this.#release(context);
    // This event object is not used again: a retry gets a new one.
    else closeEvent(context.event);
  }

  /**
   * Releases the entries of an event that was not stored. The hub sends it again as a new event, which then claims
   * them.
   */
  releaseForRedelivery(context: EventContext, answer: DeliveryAnswer): DeliveryAnswer {
    this.#release(context);
    return answer;
  }

  #recordProcessed(context: EventContext): void {
    const entryKeys = processedEntryKeys(context.event);
    this.#recordInOrder(context, (trackedKeys) =>
      mapAwaitable(entryKeys, (dedupeKeys) => {
        const all = lastOfEachKey([...trackedKeys, ...dedupeKeys]);
        const claimable = mapAwaitable(all, (each) => this.#claimable(context, each));
        const recorded = mapAwaitable(claimable, (each) => this.#processedLog.markProcessed(each));
        return mapAwaitable(recorded, () => this.#release(context));
      }),
    );
  }

  /** Records that the event is no longer retried. */
  onDeadLettered(context: EventContext): void {
    closeEvent(context.event);
    this.#recordInOrder(context, (dedupeKeys) =>
      this.#trackDeadLettered(context, this.#claimable(context, dedupeKeys)),
    );
  }

  /** Tracks an event from a previous process: as in progress, or as dead-lettered if `isDead`. */
  onRecovered(context: EventContext, isDead: boolean): void {
    this.#recordInOrder(context, (dedupeKeys) => this.#trackRecovered(context, dedupeKeys, isDead));
  }

  /**
   * Like {@link onRecovered}, for an event that must be parsed first. No event of its subscription is dispatched
   * before that.
   *
   * @param read reads the event from the store; undefined if it no longer exists
   */
  onRecoveredUnparsed(subscriptionId: string, isDead: boolean, read: () => Promise<EventContext | undefined>): void {
    const trackWhenRead = async (): Promise<void> => {
      // The next process reads the event again.
      if (this.#isStopping) return;
      const context = await read();
      if (context !== undefined) await this.#trackRecovered(context, await this.#trackedKeysOf(context), isDead);
    };
    // Not tracked as pending work, because a stop must not wait for it.
    void this.#logRejection(
      this.#mutex.runExclusive(subscriptionId, () => this.#recoveryMutex.runExclusive(RECOVERY_KEY, trackWhenRead)),
    );
  }

  /** Called at a stop. Resolves when the results of all dispatched events are recorded. */
  async settled(): Promise<void> {
    this.#isStopping = true;
    while (this.#pendingWork.size > 0) await Promise.all(this.#pendingWork);
    await this.#processedLog.settled();
  }

  async #decide(
    { delivery }: DeliveryService,
    context: EventContext,
    dispatch: () => PendingAnswer,
    onStarted?: () => void,
  ): Promise<DeliveryAnswer> {
    const { dedupeKeys = [] } = context;
    const lookup = this.#lookUp(delivery, dedupeKeys);
    const duplicate = lookup instanceof Promise ? await lookup : lookup;
    if (duplicate === undefined) {
      const claimable = this.#claimable(context, dedupeKeys);
      const answer = await this.#processedLog.trackDelivery(
        claimable instanceof Promise ? await claimable : claimable,
        dispatch,
        onStarted,
      );
      return answer.type === 'unavailable' ? this.releaseForRedelivery(context, answer) : answer;
    }
    onStarted?.();
    return this.#answerDuplicate(context, duplicate);
  }

  /**
   * Decides about an event whose hub already has its 2xx. The inbox dispatches it from the store unless it is a
   * duplicate.
   */
  async #decideStored({ delivery }: DeliveryService, context: EventContext, undecided: UndecidedEvent): Promise<void> {
    const { dedupeKeys = [] } = context;
    const duplicate = await this.#lookUp(delivery, dedupeKeys);
    const accept = async (): Promise<void> => {
      await this.#processedLog.markEnqueued(await this.#claimable(context, dedupeKeys));
      undecided.accept(dedupeKeys);
    };
    if (duplicate === undefined) return accept();
    const answered = this.#answerDuplicate(context, duplicate);
    this.#trackWork(answered.then(({ type }) => (type === 'acknowledged' ? undecided.drop() : accept()), accept));
  }

  async #answerDuplicate(context: EventContext, { answer }: DuplicateAnswer): Promise<DeliveryAnswer> {
    const { subscription, event } = context;
    // A dropped event has no handler, so it claims no entries.
    this.#release(context);
    log(this.#context.logger, 'event.duplicate', { subscription: subscription.record.id, eventId: event.id });
    const settledAnswer = await answer;
    if (settledAnswer.type === 'acknowledged') subscription.counters.duplicate();
    return settledAnswer;
  }

  #lookUp(
    delivery: DeliveryService['delivery'],
    dedupeKeys: readonly DedupeKey[],
  ): Awaitable<DuplicateAnswer | undefined> {
    return this.#processedLog.answerToDuplicate(
      duplicateCheckKeys(delivery, dedupeKeys),
      delivery.dedupeWindowSeconds * 1000,
    );
  }

  #trackRecovered(context: EventContext, dedupeKeys: readonly DedupeKey[], isDead: boolean): Awaitable<void> {
    const claimable = this.#claimable(context, dedupeKeys);
    return isDead
      ? this.#trackDeadLettered(context, claimable)
      : mapAwaitable(claimable, (each) => this.#processedLog.markEnqueued(each));
  }

  #trackDeadLettered(context: EventContext, claimable: Awaitable<readonly DedupeKey[]>): Awaitable<void> {
    return mapAwaitable(claimable, (dedupeKeys) => {
      this.#processedLog.markDeadLettered(dedupeKeys);
      this.#release(context);
    });
  }

  /** The entries that no other event has claimed. */
  #claimable({ event }: EventContext, dedupeKeys: readonly DedupeKey[]): Awaitable<readonly DedupeKey[]> {
    return this.#claimedEntries.claimableBy(dedupeKeys, event);
  }

  #release({ event }: EventContext): void {
    closeEvent(event);
    this.#claimedEntries.release(event);
  }

  /** Records in the background. Records of one subscription stay in order. */
  #recordInOrder(context: EventContext, record: (dedupeKeys: readonly DedupeKey[]) => Awaitable<void>): void {
    const { id } = context.subscription.record;
    const trackedKeys = this.#trackedKeysOf(context);
    const shouldQueue = trackedKeys instanceof Promise || this.#mutex.isLocked(id);
    const recorded = shouldQueue
      ? this.#mutex.runExclusive(id, async () => record(await trackedKeys))
      : record(trackedKeys);
    if (recorded instanceof Promise) this.#trackWork(recorded);
  }

  #trackWork(work: Promise<void>): void {
    const pending = this.#logRejection(work).finally(() => this.#pendingWork.delete(pending));
    this.#pendingWork.add(pending);
  }

  #logRejection(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => log(this.#context.logger, 'processed.not-recorded', { err: error }));
  }

  #trackedKeysOf(context: EventContext, entries?: readonly DedupeKey[]): Awaitable<readonly DedupeKey[]> {
    const { subscription, event, dedupeKeys } = context;
    if (dedupeKeys !== undefined) return dedupeKeys;
    const delivery = this.#context.services.get(subscription.record.service)?.delivery;
    return delivery !== undefined && isTracked(delivery) ? trackedKeysOf(delivery, event, entries) : [];
  }
}

/** The last version of each key. */
function lastOfEachKey(dedupeKeys: readonly DedupeKey[]): Awaitable<readonly DedupeKey[]> {
  const byKey = new Map<string, DedupeKey>();
  const grouping = forEachInSlices(dedupeKeys, (dedupeKey) => byKey.set(dedupeKey.key, dedupeKey));
  return mapAwaitable(grouping, () => [...byKey.values()]);
}
