import { CatchUp } from '../../delivery/fetch/catch-up.js';
import { CrashMarkers } from '../../delivery/crash-guard/crash-markers.js';
import { DeadLetters } from '../../delivery/inbox/dead-letters.js';
import { Delivery } from '../../delivery/delivery.js';
import { Inbox, type EventConsumer } from '../../delivery/inbox/inbox.js';
import { EventCrashGuard } from '../../delivery/crash-guard/event-crash-guard.js';
import { TopicCrashGuard } from '../../delivery/crash-guard/topic-crash-guard.js';
import { Polling } from '../../delivery/fetch/polling.js';
import { OverloadRecovery } from '../../delivery/fetch/overload-recovery.js';
import { ProcessedLog } from '../../delivery/dedupe/processed-log.js';
import { SuspectLock } from '../../delivery/crash-guard/suspect-lock.js';
import { TopicReader } from '../../delivery/fetch/topic-reader.js';
import { WaitingEvents } from '../../delivery/inbox/waiting-events.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { log } from '../../log-events.js';
import type { DueFetch } from '../../subscription/registry/due-subscriptions.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { RuntimeContext } from '../runtime-context.js';
import { DowntimeWalk } from './downtime-walk.js';
import { Liveness } from './liveness.js';
import type { BackgroundTasks } from './background-tasks.js';

/** The parts of a runtime that the event pipeline is built on. */
export interface PipelineParts {
  readonly registry: Registry;
  readonly backgroundTasks: BackgroundTasks;
  readonly concurrencyLimiter: OriginConcurrencyLimiter;
  readonly withheld: WithheldCredentials;
}

/** Delivers events to the handlers: from hubs, from the inbox, and from fetched topics. */
export class EventPipeline {
  readonly delivery: Delivery;
  readonly inbox: Inbox;
  readonly deadLetters: DeadLetters;
  readonly processedLog: ProcessedLog;
  readonly liveness: Liveness;
  readonly overloadRecovery: OverloadRecovery;
  readonly markers: CrashMarkers;
  readonly topicCrashGuard: TopicCrashGuard;
  readonly polling: Polling;
  readonly #parts: PipelineParts;
  readonly #catchUp: CatchUp;
  readonly #downtimeWalk: DowntimeWalk;

  constructor(context: RuntimeContext, parts: PipelineParts) {
    this.#parts = parts;
    const { registry } = parts;
    this.processedLog = new ProcessedLog(context);
    this.markers = new CrashMarkers(context);
    const suspectLock = new SuspectLock(context);
    this.topicCrashGuard = new TopicCrashGuard(context, this.markers, suspectLock);
    const waiting = new WaitingEvents();
    this.inbox = new Inbox(context, new EventCrashGuard(context, this.markers, suspectLock), waiting);
    const reader = new TopicReader(context, parts);
    const { inbox, processedLog, topicCrashGuard: crashGuard } = this;
    const delivery = new Delivery(context, { inbox, processedLog, registry, reader });
    this.delivery = delivery;
    this.deadLetters = new DeadLetters(context, inbox, delivery.recoveredEvents);
    const fetching = { registry, reader, processedLog, delivery, crashGuard };
    this.#catchUp = new CatchUp(context, fetching, waiting);
    this.polling = new Polling(context, fetching);
    this.overloadRecovery = new OverloadRecovery(context, registry);
    this.liveness = new Liveness(context, registry);
    this.#downtimeWalk = new DowntimeWalk(context, registry, this.liveness);
    inbox.consume(consumerOf(delivery, this.deadLetters, this.#catchUp));
    registry.onDueFetch((due) => this.#runFetch(due));
    this.liveness.onDowntime((since) => {
      log(context.logger, 'liveness.gap', { since: new Date(since).toISOString() });
      void this.#downtimeWalk.begin();
    });
  }

  /** Loads the state of the previous process, and schedules catch-ups for its downtime. */
  async load(): Promise<void> {
    await this.processedLog.load();
    await this.markers.load();
    await this.inbox.load();
    this.topicCrashGuard.onLoaded((id) => this.#parts.registry.get(id) !== undefined);
    this.deadLetters.onLoaded();
    await this.liveness.load();
    await this.#downtimeWalk.begin();
    await this.liveness.start();
  }

  /** Runs a fetch that is due. A stop waits for it. Its failure is logged. */
  async #runFetch({ id, kind }: DueFetch): Promise<number | undefined> {
    let again: number | undefined;
    const work = async (): Promise<void> => {
      again = await (kind === 'poll' ? this.polling.run(id) : this.#catchUp.run(id));
    };
    await this.#parts.backgroundTasks.startAfterCurrent(`${id} ${kind}`, work, { task: kind, subscription: id });
    return again;
  }
}

/** Runs stored events, and registers those of the previous process. */
function consumerOf(delivery: Delivery, deadLetters: DeadLetters, catchUp: CatchUp): EventConsumer {
  const { recoveredEvents } = delivery;
  return {
    run(event) {
      catchUp.onEventRun(event);
      return delivery.redeliver(event);
    },
    onRecovered: (event) => recoveredEvents.add(event),
    onRecoveredDeadLetter(event) {
      deadLetters.add(event);
      recoveredEvents.add(event);
    },
    onDeadLetter(event) {
      recoveredEvents.onDeadLetter(event);
      void deadLetters.onDeadLettered(event);
    },
  };
}
