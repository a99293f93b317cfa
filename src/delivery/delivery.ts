import type { GrantRecord } from '../subscription/record/record.js';
import type { Entry } from '../subscription/registry/registry.js';
import type { AnswerTime } from './handler/answer-deadline.js';
import { ClaimedEntries } from './dedupe/claimed-entries.js';
import { ACKNOWLEDGED, answerTo, FULL, UNSTORED, type DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryOptions } from './delivery-options.js';
import type { DeliveryTarget } from './delivery-target.js';
import { endSubscription } from './handler/end-subscription.js';
import {
  isUnrecoverable,
  runHandler,
  type AnsweredRun,
  type HandlerOutcome,
  type HandlerRun,
  type StoredRun,
} from './handler/handler-run.js';
import { Keeping } from './inbox/event-writer.js';
import type { Handing } from './dedupe/deliver-after-parsing.js';
import type { PendingAnswer } from './dedupe/in-progress-keys.js';
import { abortSignalOf, closeEvent, type ContentDistributionMessage } from './message/message.js';
import type { FetchedMeta } from './message/event-meta.js';
import type { ReceivedContent } from './message/received-content.js';
import { LateRuns } from './handler/late-runs.js';
import { LeftEvents } from './inbox/recovered-events.js';
import { OnceOnly } from './dedupe/deduplicator.js';
import { OpenAnswers } from './handler/open-answers.js';
import { Patience, peek } from './handler/ack-timeout.js';
import { Receptions } from './message/event-factory.js';
import { pingOf } from './fetch/thin-ping.js';
import { emitEvent, reportRun, type Reception } from './report.js';
import { isTracked } from './dedupe/tracked-keys.js';
import { SlowHandlers } from './handler/slow-handlers.js';
import type { StoredEvent } from './inbox/stored-event.js';
import { timeLeft } from './handler/time-left.js';
import { isFetchable } from './fetch/topic-reader.js';

/** Hands news to handlers: at once where the hub waits for the answer, or from the inbox. */
export class Delivery {
  /** Events of previous processes, and those that are given up. */
  readonly left: LeftEvents;
  readonly #options: DeliveryOptions;
  readonly #once: OnceOnly;
  readonly #keeping: Keeping;
  readonly #receptions: Receptions;
  /** Events whose handlers are at work after they have returned. */
  readonly #running = new Set<ContentDistributionMessage>();
  readonly #patience = new Patience();
  readonly #late: LateRuns;
  readonly #slow: SlowHandlers;
  readonly #answers = new OpenAnswers();
  #isAborted = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const claimed = new ClaimedEntries();
    this.#once = new OnceOnly({ ...options, claimed }, this.#patience);
    this.#keeping = new Keeping(options);
    this.#late = new LateRuns(options.logger);
    this.#slow = new SlowHandlers(options);
    this.#receptions = new Receptions({ ...options, claimed, isAborted: () => this.#isAborted });
    this.left = new LeftEvents(options, this.#receptions, this.#once);
  }

  /** Whether the service takes no more: its inbox is full. */
  isFull(target: DeliveryTarget): boolean {
    return this.#keeping.isFull(target);
  }

  /**
   * Hands over what a hub has just sent. The answer does not wait for a slow handler: the event is stored then. It is no
   * promise where the handler has just returned. Never throws, never rejects.
   *
   * @param spentMs milliseconds since its last byte came
   */
  deliver(
    target: DeliveryTarget,
    entry: Entry,
    grant: GrantRecord,
    content: ReceivedContent,
    spentMs = 0,
    onReception?: (reception: Reception) => void,
  ): DeliveryAnswer | Promise<DeliveryAnswer> {
    const reception = this.#receptions.of(entry, grant, content, this.#options.now());
    onReception?.(reception);
    if (!isTracked(target.delivery)) return this.#hand(target, reception, spentMs);
    const handing: Handing = {
      hand: (time) => this.#hand(target, reception, spentMs, time),
      time: () => timeLeft(this.#options, target, reception, spentMs),
      hold: ({ forStore: withinMs }) =>
        this.#keeping.hold(target, reception, { withinMs, onRelease: () => this.#received(reception) }),
    };
    return this.#answers.counted(this.#once.deliver(target, reception, handing));
  }

  /** Works with what is known of a subscription's news, and calls `offer`, while nothing else of it is taken in hand. */
  inTurn<T>(subscriptionId: string, work: () => Promise<T>): Promise<T> {
    return this.#once.inTurn(subscriptionId, work);
  }

  /** Keeps what was fetched from a topic for its handler. Resolves to whether there was room, and it is stored. */
  async offer(
    target: DeliveryTarget,
    entry: Entry,
    grant: GrantRecord,
    content: ReceivedContent,
    fetched: FetchedMeta,
  ): Promise<boolean> {
    if (this.isFull(target)) return false;
    const reception = this.#receptions.of(entry, grant, content, this.#options.now(), fetched);
    this.#received(reception);
    const store = (): Promise<DeliveryAnswer> => this.#keeping.queue(target, reception);
    return (await this.#once.keep(reception, store, fetched.dedupeKeys)).type === 'acknowledged';
  }

  /** Runs the handler with an event from the inbox. */
  async redeliver(stored: StoredEvent): Promise<StoredRun> {
    const { service, isPing } = stored.meta;
    const attempt = stored.retry.attempts + 1;
    const target = this.#options.targetOf(service);
    let reception = this.#receptions.ofStored(stored, attempt);
    if (target === undefined || reception === undefined) {
      return {
        type: 'failed',
        error: new Error(`Service ${service} or its subscription is not there any more`),
      };
    }
    if (isPing === true && isFetchable(reception.grant.topic)) {
      const content = await this.#options.fetchPinged(reception.entry, reception.grant);
      if (content instanceof Error && this.#isAborted) return { type: 'cut-off' };
      if (content instanceof Error) return this.#ended(reception, { type: 'failed', error: content });
      reception = this.#receptions.ofStored(stored, attempt, content) ?? reception;
    }
    const outcome = await this.#run(target, reception.event);
    return this.#ended(reception, outcome);
  }

  /** From now on no hub waits for a handler: it is answered as if the handler were slow, when the event is in the store. */
  hurry(): void {
    this.#patience.end();
  }

  /** Whether a handler is at work. */
  get isAtWork(): boolean {
    return this.#running.size > 0;
  }

  /** Resolves when every hub that delivers has its answer. */
  answered(): Promise<void> {
    return this.#answers.none();
  }

  /** Resolves when every handler that a hub called has ended, also those that hubs were answered before. */
  async settled(): Promise<void> {
    await this.answered();
    await this.#late.ended();
    await this.#once.settled();
  }

  /** Tells handlers through their signal that nobody waits for them any longer. What fails from now on was cut off. */
  abort(): void {
    this.#isAborted = true;
    for (const event of this.#running) abortSignalOf(event);
  }

  /** @param waited what is left of the hub's time, where it has waited already */
  #hand(target: DeliveryTarget, reception: Reception, spentMs: number, waited?: AnswerTime): PendingAnswer {
    const { event } = reception;
    this.#received(reception);
    const isPing = pingOf(target, reception);
    if (target.delivery.mode === 'queued' || isPing === true) {
      closeEvent(event); // Its handler gets another object, which claims the entries.
      const withinMs = (waited ?? timeLeft(this.#options, target, reception, spentMs)).forStore;
      return this.#answers.counted(this.#keeping.queue(target, reception, { isPing, withinMs }));
    }
    const run = this.#run(target, event);
    if (!(run instanceof Promise) && run.type === 'done' && !this.#once.isNoting(target, event)) {
      closeEvent(event);
      reportRun(this.#options, reception, run);
      return answerTo(run);
    }
    const time = waited ?? timeLeft(this.#options, target, reception, spentMs);
    return this.#answers.counted(this.#conclude(target, reception, { run, time }));
  }

  #received(reception: Reception): void {
    reception.entry.counters.received(reception.meta.receivedAt);
    emitEvent(this.#options, 'notification', reception);
  }

  async #conclude(target: DeliveryTarget, reception: Reception, { run, time }: AnsweredRun): Promise<DeliveryAnswer> {
    const { inbox } = this.#options;
    const { forHandler } = time;
    const outcome = run instanceof Promise ? await this.#patience.wait(run, forHandler) : run;
    if (outcome !== undefined) {
      const ended = await this.#ended(reception, outcome, time);
      // What the handler has decided could not be stored: the hub is to come again, and the handler to decide again.
      if (outcome.type === 'deleted' && ended.type === 'failed') return this.#once.unkept(reception, UNSTORED);
      if (outcome.type !== 'failed') return answerTo(outcome);
    }
    // A dead letter takes no room among the events that wait.
    if (!isUnrecoverable(outcome) && this.isFull(target)) {
      if (outcome === undefined) this.#follow(reception, run);
      return this.#once.unkept(reception, FULL);
    }
    const stored = this.#keeping.newEvent(reception);
    const withinMs = time.forStore;
    const storing = outcome === undefined ? inbox.hold(stored, withinMs) : inbox.keep(stored, outcome.error, withinMs);
    if (!(await this.#keeping.isStored(stored, storing))) {
      return outcome === undefined ? this.#unstored(reception, { run, time }) : this.#once.unkept(reception, UNSTORED);
    }
    if (outcome === undefined) this.#follow(reception, run, stored);
    if (outcome === undefined && !this.#patience.isOver) this.#slow.note(reception, target.delivery, forHandler);
    return ACKNOWLEDGED;
  }

  /** The handler may have ended while the store was being asked; if not, the hub comes again. */
  async #unstored(reception: Reception, { run, time }: AnsweredRun): Promise<DeliveryAnswer> {
    const outcome = await peek(run);
    if (outcome === undefined) this.#follow(reception, run);
    const ended = outcome && (await this.#ended(reception, outcome, time));
    const isDecided = outcome !== undefined && outcome.type !== 'failed' && ended?.type !== 'failed';
    return isDecided ? answerTo(outcome) : this.#once.unkept(reception, UNSTORED);
  }

  #follow(reception: Reception, run: HandlerRun, stored?: StoredEvent): void {
    const follow = async (): Promise<void> => {
      const ended = await this.#ended(reception, await run);
      if (stored !== undefined) await this.#options.inbox.settle(stored, ended);
    };
    this.#late.add(follow());
  }

  #run(target: DeliveryTarget, event: ContentDistributionMessage): HandlerRun {
    const run = runHandler(target.handlers, event);
    if (run instanceof Promise) this.#running.add(event);
    return run;
  }

  /**
   * Called once for every run that is not over when the handler returns. An end of the subscription that cannot be stored is
   * a run that failed.
   *
   * @param time what the hub waits, where it does
   */
  async #ended(reception: Reception, outcome: HandlerOutcome, time?: AnswerTime): Promise<StoredRun> {
    const hasWaited = this.#running.delete(reception.event);
    if (outcome.type === 'failed' && hasWaited && this.#isAborted) return { type: 'cut-off' };
    const end = (): Promise<void> => this.#options.onDeleted(reception.entry.record.id);
    const settled = outcome.type === 'deleted' ? await endSubscription(outcome, end, time) : outcome;
    reportRun(this.#options, reception, settled);
    this.#once.ended(reception, settled.type);
    return settled;
  }
}
