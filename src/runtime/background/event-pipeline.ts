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
import { slices } from '../../engine/slices.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { log } from '../../log-events.js';
import type { DueFetch } from '../../subscription/registry/due-subscriptions.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { isEnabled } from '../../subscription/machine/state.js';
import { missedSince } from '../../subscription/machine/steps/on-resumed.js';
import type { RuntimeContext } from '../runtime-context.js';
import { Liveness } from './liveness.js';
import type { BackgroundTasks } from './background-tasks.js';

/** The parts of a runtime that the event pipeline is built on. */
export interface PipelineParts {
  readonly registry: Registry;
  readonly backgroundTasks: BackgroundTasks;
  readonly concurrencyLimiter: OriginConcurrencyLimiter;
  readonly withheld: WithheldCredentials;
}

/** Catch-ups after a downtime start at random times: within 20 ms per topic, at most 30 min in total. */
const SPREAD_STEP_MS = 20;
const MAX_SPREAD_MS = 1_800_000;

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
  readonly #context: RuntimeContext;
  readonly #parts: PipelineParts;
  readonly #catchUp: CatchUp;

  constructor(context: RuntimeContext, parts: PipelineParts) {
    this.#context = context;
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
    inbox.consume(consumerOf(delivery, this.deadLetters, this.#catchUp));
    registry.onDueFetch((due) => this.#runFetch(due));
    this.liveness.onDowntime((since) => {
      log(context.logger, 'liveness.gap', { since: new Date(since).toISOString() });
      void this.#resume(() => since);
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
    await this.#resume((service) => this.liveness.aliveUntil(service));
    await this.liveness.start();
  }

  /** Plans the fetches of each subscription that may have missed events or is polled, spread over time. */
  async #resume(receivedUntilOf: (service: string) => number | undefined): Promise<void> {
    const { now, random, services } = this.#context;
    const { registry } = this.#parts;
    let count = 0;
    for await (const slice of slices(registry.all())) {
      for (const { record } of slice) {
        const service = services.get(record.service);
        if (service === undefined || !isEnabled(record)) continue;
        const receivedUntil = receivedUntilOf(record.service);
        const hasMissed = service.delivery.catchUp && missedSince(record, receivedUntil) !== undefined;
        const isFetched = record.catchUp !== undefined || record.poll !== undefined;
        if (!hasMissed && !isFetched && service.delivery.pollSeconds === 0) continue;
        if (hasMissed) count += 1;
        const fetchAt = now() + Math.floor(random() * Math.min(MAX_SPREAD_MS, count * SPREAD_STEP_MS));
        // The write is deferred, so it cannot fail.
        void registry.update(record.id, { type: 'resumed', receivedUntil, fetchAt });
      }
    }
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
