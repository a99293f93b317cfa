import type { Inbox } from './inbox/inbox.js';
import type { GrantRecord } from '../subscription/record/record.js';
import type { Registry, StoredSubscription } from '../subscription/registry/registry.js';
import { answerDeadlineOf, type AnswerDeadline } from './handler/answer-deadline.js';
import { ClaimedEntries } from './dedupe/claimed-entries.js';
import { ACKNOWLEDGED, answerOf, INBOX_FULL, STORE_FAILED, type DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryContext } from './delivery-context.js';
import type { DeliveryService } from './delivery-service.js';
import { endSubscription } from './handler/end-subscription.js';
import {
  isUnrecoverable,
  runHandler,
  type InlineRun,
  type HandlerOutcome,
  type HandlerRun,
  type StoredRun,
} from './handler/handler-run.js';
import { EventWriter } from './inbox/event-writer.js';
import type { PendingDelivery } from './dedupe/deliver-after-parsing.js';
import type { PendingAnswer } from './dedupe/in-progress-keys.js';
import { abortEvent, closeEvent, type ContentDistributionMessage } from './message/message.js';
import type { FetchedMeta } from './message/event-meta.js';
import type { ReceivedContent } from './message/received-content.js';
import { LateRuns } from './handler/late-runs.js';
import { RecoveredEvents } from './inbox/recovered-events.js';
import { Deduplicator } from './dedupe/deduplicator.js';
import { OpenAnswers } from './handler/open-answers.js';
import { AckTimeout, peek } from './handler/ack-timeout.js';
import { EventFactory, type EventParts } from './message/event-factory.js';
import { isThinPing } from './fetch/thin-ping.js';
import type { TopicReader } from './fetch/topic-reader.js';
import type { EventContext } from './event-context.js';
import { emitEvent, reportRun } from './report.js';
import { isTracked } from './dedupe/tracked-keys.js';
import { SlowHandlers } from './handler/slow-handlers.js';
import type { StoredEvent } from './inbox/stored-event.js';
import { isFetchable } from '../subscription/machine/fetches/readable-grant.js';

/** The parts that events are delivered with. */
export interface DeliveryParts {
  readonly inbox: Pick<
    Inbox,
    'enqueue' | 'newPosition' | 'storeUnscheduled' | 'schedule' | 'storeFailed' | 'settle' | 'loadOf'
  >;
  readonly processedLog: ConstructorParameters<typeof Deduplicator>[1] & EventParts['processedLog'];
  readonly registry: Pick<Registry, 'get' | 'apply'>;
  readonly reader: Pick<TopicReader, 'readPingContent'>;
}

/** Delivers events to handlers: inline while the hub waits, or from the inbox. */
export class Delivery {
  /** Registers the stored events of previous processes for deduplication. Reports new dead letters. */
  readonly recoveredEvents: RecoveredEvents;
  readonly #context: DeliveryContext;
  readonly #parts: DeliveryParts;
  readonly #deduplicator: Deduplicator;
  readonly #writer: EventWriter;
  readonly #eventFactory: EventFactory;
  /** Events whose handler has returned a promise that is still pending. */
  readonly #running = new Set<ContentDistributionMessage>();
  readonly #ackTimeout = new AckTimeout();
  readonly #lateRuns: LateRuns;
  readonly #slowHandlers: SlowHandlers;
  readonly #openAnswers = new OpenAnswers();
  /** Aborted once the runtime no longer waits for handlers. */
  readonly #abort = new AbortController();

  constructor(context: DeliveryContext, parts: DeliveryParts) {
    this.#context = context;
    this.#parts = parts;
    const { inbox, processedLog, registry } = parts;
    const claimedEntries = new ClaimedEntries();
    this.#deduplicator = new Deduplicator(context, processedLog, claimedEntries, this.#ackTimeout);
    this.#writer = new EventWriter(context, inbox);
    this.#lateRuns = new LateRuns(context.logger);
    this.#slowHandlers = new SlowHandlers(context);
    this.#eventFactory = new EventFactory({ processedLog, claimedEntries, registry, aborted: this.#abort.signal });
    this.recoveredEvents = new RecoveredEvents(context, this.#eventFactory, this.#deduplicator);
  }

  /** Whether the service's inbox is full. */
  isFull(service: DeliveryService): boolean {
    return this.#writer.isFull(service);
  }

  /**
   * Delivers content that a hub has just sent. A slow handler does not delay the answer: its event is stored instead.
   * The answer is not a promise if the handler has already returned. Never throws and never rejects.
   *
   * @param elapsedMs milliseconds since the last byte of the request
   */
  deliver(
    service: DeliveryService,
    subscription: StoredSubscription,
    grant: GrantRecord,
    content: ReceivedContent,
    elapsedMs = 0,
    onEvent?: (context: EventContext) => void,
  ): DeliveryAnswer | Promise<DeliveryAnswer> {
    const context = this.#eventFactory.create(subscription, grant, content, this.#context.now());
    onEvent?.(context);
    if (!isTracked(service.delivery)) return this.#dispatch(service, context, elapsedMs);
    const delivery: PendingDelivery = {
      dispatch: (deadline) => this.#dispatch(service, context, elapsedMs, deadline),
      deadline: () => answerDeadlineOf(this.#context, service, context, elapsedMs),
      storeUndecided: ({ storeMs: timeoutMs }) =>
        this.#writer.storeUndecided(service, context, { timeoutMs, onAccept: () => this.#reportReceived(context) }),
    };
    return this.#openAnswers.track(this.#deduplicator.deliver(service, context, delivery));
  }

  /** Runs `work` while no other event of the subscription is looked up or recorded. Call `enqueueFetched` in `work`. */
  runExclusive<T>(subscriptionId: string, work: () => Promise<T>): Promise<T> {
    return this.#deduplicator.runExclusive(subscriptionId, work);
  }

  /** Enqueues content fetched from a topic. Resolves to whether it is stored; `false` also if the inbox is full. */
  async enqueueFetched(
    service: DeliveryService,
    subscription: StoredSubscription,
    grant: GrantRecord,
    content: ReceivedContent,
    fetched: FetchedMeta,
  ): Promise<boolean> {
    if (this.isFull(service)) return false;
    const context = this.#eventFactory.create(subscription, grant, content, this.#context.now(), fetched);
    this.#reportReceived(context);
    const store = (): Promise<DeliveryAnswer> => this.#writer.enqueue(service, context);
    return (await this.#deduplicator.enqueueFetched(context, store, fetched.dedupeKeys)).type === 'acknowledged';
  }

  /** Runs the handler for an event from the inbox. */
  async redeliver(stored: StoredEvent): Promise<StoredRun> {
    const { service, isPing } = stored.meta;
    const attempt = stored.retry.attempts + 1;
    const deliveryService = this.#context.services.get(service);
    let context = this.#eventFactory.fromStored(stored, attempt);
    if (deliveryService === undefined || context === undefined) {
      return {
        type: 'failed',
        error: new Error(`Service "${service}" or its subscription no longer exists.`),
      };
    }
    if (isPing === true && isFetchable(context.grant.topic)) {
      const content = await this.#parts.reader.readPingContent(context.subscription.record, context.grant);
      if (content instanceof Error && this.#abort.signal.aborted) return { type: 'interrupted' };
      if (content instanceof Error) return this.#onRunEnded(context, { type: 'failed', error: content });
      context = this.#eventFactory.fromStored(stored, attempt, content) ?? context;
    }
    const outcome = await this.#run(deliveryService, context.event);
    return this.#onRunEnded(context, outcome);
  }

  /** Stops waiting for handlers: each hub is answered once its event is stored. Also applies to later deliveries. */
  stopWaiting(): void {
    this.#ackTimeout.expireAll();
  }

  /** Whether any handler is running. */
  get hasRunningHandlers(): boolean {
    return this.#running.size > 0;
  }

  /** Resolves once every delivering hub has its answer. */
  allAnswered(): Promise<void> {
    return this.#openAnswers.settled();
  }

  /** Resolves once every handler that a delivery called has ended, even if its hub was answered before. */
  async settled(): Promise<void> {
    await this.allAnswered();
    await this.#lateRuns.settled();
    await this.#deduplicator.settled();
  }

  /** Aborts the signals of running handlers. A handler that fails from now on counts as interrupted. */
  abort(): void {
    this.#abort.abort();
    for (const event of this.#running) abortEvent(event);
  }

  /** @param deadline the hub's remaining time, if the hub has already been waiting */
  #dispatch(
    service: DeliveryService,
    context: EventContext,
    elapsedMs: number,
    deadline?: AnswerDeadline,
  ): PendingAnswer {
    const { event } = context;
    this.#reportReceived(context);
    const isPing = isThinPing(service, context);
    if (service.delivery.mode === 'queued' || isPing === true) {
      closeEvent(event); // The handler gets another object, which claims the entries.
      const timeoutMs = (deadline ?? answerDeadlineOf(this.#context, service, context, elapsedMs)).storeMs;
      return this.#openAnswers.track(this.#writer.enqueue(service, context, { isPing, timeoutMs }));
    }
    const run = this.#run(service, event);
    if (!(run instanceof Promise) && run.type === 'done' && !this.#deduplicator.shouldRecord(service, event)) {
      closeEvent(event);
      reportRun(this.#context, context, run);
      return answerOf(run);
    }
    const answerDeadline = deadline ?? answerDeadlineOf(this.#context, service, context, elapsedMs);
    return this.#openAnswers.track(this.#conclude(service, context, { run, deadline: answerDeadline }));
  }

  #reportReceived(context: EventContext): void {
    context.subscription.counters.received(context.meta.receivedAt);
    emitEvent(this.#context, 'notification', context);
  }

  async #conclude(
    service: DeliveryService,
    context: EventContext,
    { run, deadline }: InlineRun,
  ): Promise<DeliveryAnswer> {
    const { inbox } = this.#parts;
    const { handlerMs } = deadline;
    const outcome = run instanceof Promise ? await this.#ackTimeout.wait(run, handlerMs) : run;
    if (outcome !== undefined) {
      const ended = await this.#onRunEnded(context, outcome, deadline);
      // The end of the subscription could not be stored: the hub retries, and the handler decides again.
      if (outcome.type === 'deleted' && ended.type === 'failed')
        return this.#deduplicator.releaseForRedelivery(context, STORE_FAILED);
      if (outcome.type !== 'failed') return answerOf(outcome);
    }
    // A dead letter does not count as a waiting event.
    if (!isUnrecoverable(outcome) && this.isFull(service)) {
      if (outcome === undefined) this.#trackLateRun(context, run);
      return this.#deduplicator.releaseForRedelivery(context, INBOX_FULL);
    }
    const stored = this.#writer.newEvent(context);
    const timeoutMs = deadline.storeMs;
    const write =
      outcome === undefined
        ? inbox.storeUnscheduled(stored, timeoutMs)
        : inbox.storeFailed(stored, outcome.error, timeoutMs);
    if (!(await this.#writer.isStored(stored, write))) {
      return outcome === undefined
        ? this.#answerStoreFailure(context, { run, deadline })
        : this.#deduplicator.releaseForRedelivery(context, STORE_FAILED);
    }
    if (outcome === undefined) this.#trackLateRun(context, run, stored);
    if (outcome === undefined && !this.#ackTimeout.isExpired)
      this.#slowHandlers.report(context, service.delivery, handlerMs);
    return ACKNOWLEDGED;
  }

  /** Uses the handler's outcome if it ended during the write. Otherwise asks the hub to retry. */
  async #answerStoreFailure(context: EventContext, { run, deadline }: InlineRun): Promise<DeliveryAnswer> {
    const outcome = await peek(run);
    if (outcome === undefined) this.#trackLateRun(context, run);
    const ended = outcome && (await this.#onRunEnded(context, outcome, deadline));
    const isDecided = outcome !== undefined && outcome.type !== 'failed' && ended?.type !== 'failed';
    return isDecided ? answerOf(outcome) : this.#deduplicator.releaseForRedelivery(context, STORE_FAILED);
  }

  #trackLateRun(context: EventContext, run: HandlerRun, stored?: StoredEvent): void {
    const awaitRun = async (): Promise<void> => {
      const ended = await this.#onRunEnded(context, await run);
      if (stored !== undefined) await this.#parts.inbox.settle(stored, ended);
    };
    this.#lateRuns.add(awaitRun());
  }

  #run(service: DeliveryService, event: ContentDistributionMessage): HandlerRun {
    const run = runHandler(service.handlers, event);
    if (run instanceof Promise) this.#running.add(event);
    return run;
  }

  /**
   * Called once for each run, except runs that `#dispatch` completes itself. If the end of the subscription cannot be
   * stored, the run counts as failed.
   *
   * @param deadline the hub's remaining time, if a hub waits
   */
  async #onRunEnded(context: EventContext, outcome: HandlerOutcome, deadline?: AnswerDeadline): Promise<StoredRun> {
    const hasWaited = this.#running.delete(context.event);
    if (outcome.type === 'failed' && hasWaited && this.#abort.signal.aborted) return { type: 'interrupted' };
    const end = async (): Promise<void> => {
      await this.#parts.registry.apply(context.subscription.record.id, { type: 'unwanted', why: 'deleted' });
    };
    const settled = outcome.type === 'deleted' ? await endSubscription(outcome, end, deadline) : outcome;
    reportRun(this.#context, context, settled);
    this.#deduplicator.onRunEnded(context, settled.type);
    return settled;
  }
}
