import { CatchUp } from '../../delivery/fetch/catch-up.js';
import { CrashMarkers } from '../../delivery/crash-guard/crash-markers.js';
import { DeadLetters } from '../../delivery/inbox/dead-letters.js';
import { Delivery } from '../../delivery/delivery.js';
import type { DeliveryService } from '../../delivery/delivery-service.js';
import type { FetchingOptions } from '../../delivery/fetch/fetching-options.js';
import type { SubscriberHooks } from '../../delivery/hook-payloads.js';
import { Inbox } from '../../delivery/inbox/inbox.js';
import { DiscoveredTopicCache } from '../../delivery/fetch/discovered-topic-cache.js';
import { EventCrashGuard } from '../../delivery/crash-guard/event-crash-guard.js';
import { TopicCrashGuard } from '../../delivery/crash-guard/topic-crash-guard.js';
import { entryDedupeKeys } from '../../delivery/message/message.js';
import { Polling } from '../../delivery/fetch/polling.js';
import { OverloadRecovery } from '../../delivery/fetch/overload-recovery.js';
import { ProcessedLog } from '../../delivery/dedupe/processed-log.js';
import { findEvent, type StoredEvent } from '../../delivery/inbox/stored-event.js';
import { SuspectLock } from '../../delivery/crash-guard/suspect-lock.js';
import { TopicReader } from '../../delivery/fetch/topic-reader.js';
import { WaitingEvents } from '../../delivery/inbox/waiting-events.js';
import type { Engine } from '../../engine/engine.js';
import type { TopicContentSink } from '../../hub/discovery/buffered-document.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { isEnabled, isWorking } from '../../subscription/machine/state.js';
import type { RequestPolicy } from '../../subscription/request-policy.js';
import { Liveness } from './liveness.js';
import type { BackgroundTasks } from './background-tasks.js';

/** Dependencies and options of the event pipeline. */
export interface EventPipelineOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly registry: Registry;
  readonly hooks: SubscriberHooks;
  readonly backgroundTasks: BackgroundTasks;
  readonly concurrencyLimiter: OriginConcurrencyLimiter;
  readonly withheld: WithheldCredentials;
  readonly maxBodyBytes: number;
  readonly storeTimeoutMs: number;
  /** Aborts fetches. */
  readonly signal: AbortSignal;
  readonly serviceOf: (service: string) => DeliveryService | undefined;
  readonly requestPolicyOf: (service: string) => RequestPolicy | undefined;
  readonly services: () => readonly string[];
  readonly isStopping: () => boolean;
}

/** Catch-ups after a downtime start at random times: within 20 ms per topic, at most 30 min in total. */
const SPREAD_STEP_MS = 20;
const MAX_SPREAD_MS = 1_800_000;
/** Extra delay before fetching a topic without a working grant, in milliseconds. Its hub may redeliver meanwhile. */
const REDELIVERY_WAIT_MS = 60_000;

/** Delivers events to the handlers: from hubs, from the inbox, and from fetched topics. */
export class EventPipeline {
  readonly delivery: Delivery;
  readonly inbox: Inbox;
  readonly deadLetters: DeadLetters;
  readonly processedLog: ProcessedLog;
  readonly liveness: Liveness;
  readonly overloadRecovery: OverloadRecovery;
  readonly markers: CrashMarkers;
  readonly #options: EventPipelineOptions;
  readonly #topicCrashGuard: TopicCrashGuard;
  readonly #catchUp: CatchUp;
  readonly #polling: Polling;
  readonly #discoveredTopics: DiscoveredTopicCache;

  constructor(options: EventPipelineOptions) {
    const { store, engine, logger, now, random, registry, hooks, backgroundTasks, serviceOf, isStopping } = options;
    this.#options = options;
    this.processedLog = new ProcessedLog({ store, logger, now });
    this.markers = new CrashMarkers({ store, logger });
    const crashGuardOptions = { markers: this.markers, lock: new SuspectLock({ engine, now }), engine, logger, now };
    this.#topicCrashGuard = new TopicCrashGuard(crashGuardOptions);
    this.#discoveredTopics = new DiscoveredTopicCache(now);
    const waiting = new WaitingEvents();
    const readEvent = (id: string): Promise<StoredEvent | undefined> => findEvent(store, id, () => {});
    this.inbox = new Inbox({
      store,
      engine,
      logger,
      now,
      random,
      limitsOf: (service) => serviceOf(service)?.delivery,
      waiting,
      run: (event) => {
        this.#catchUp.onEventRun(event);
        return this.delivery.redeliver(event);
      },
      crashGuard: new EventCrashGuard(crashGuardOptions),
      onRecovered: (event) => this.delivery.recoveredEvents.add(event),
      onRecoveredDeadLetter: (event) => {
        this.deadLetters.add(event);
        this.delivery.recoveredEvents.add(event);
      },
      onDeadLetter: (event) => {
        this.delivery.recoveredEvents.onDeadLetter(event);
        void this.deadLetters.onDeadLettered(event);
      },
    });
    this.deadLetters = new DeadLetters({
      store,
      engine,
      logger,
      now,
      retentionOf: (service) => serviceOf(service)?.delivery.deadLetters,
      requeue: (event) => this.inbox.requeue(event),
      eventOf: (event) => this.delivery.recoveredEvents.messageOf(event),
    });
    const subscriptionOf: FetchingOptions['subscriptionOf'] = (id) => registry.get(id);
    const apply: FetchingOptions['apply'] = (id, input) => registry.apply(id, input);
    const reader = new TopicReader({ ...options, subscriptionOf, apply, maxBytes: options.maxBodyBytes });
    this.delivery = new Delivery({
      inbox: this.inbox,
      hooks,
      logger,
      now,
      processedLog: this.processedLog,
      storeTimeoutMs: options.storeTimeoutMs,
      serviceOf,
      subscriptionOf,
      readEvent,
      fetchPingContent: ({ record }, grant) => reader.readPingContent(record, grant),
      onDeleted: async (id) => void (await registry.apply(id, { type: 'unwanted', why: 'deleted' })),
    });
    const fetching: FetchingOptions = {
      engine,
      logger,
      now,
      random,
      reader,
      processedLog: this.processedLog,
      delivery: this.delivery,
      serviceOf,
      subscriptionOf,
      apply,
      runTask: (task, work) => backgroundTasks.startAfterCurrent(`${task.subscription} ${task.task}`, work, task),
      crashGuard: this.#topicCrashGuard,
      isStopping,
    };
    this.#catchUp = new CatchUp({
      ...fetching,
      waitingEvents: (id) => waiting.of(id),
      readEvent,
      dedupeKeysOf: async (event) => {
        const message = this.delivery.recoveredEvents.messageOf(event);
        return message === undefined ? [] : entryDedupeKeys(message);
      },
    });
    this.#polling = new Polling({
      ...fetching,
      hooks,
      discoveredTopics: this.#discoveredTopics,
      isCatchingUp: (id) => this.#catchUp.hasGap(id),
    });
    this.overloadRecovery = new OverloadRecovery({
      ...fetching,
      isFull: (service) => this.delivery.isFull(service),
      catchUp: (id, since) => this.#catchUp.schedule(id, since, now()),
    });
    this.liveness = new Liveness({
      store,
      engine,
      logger,
      now,
      services: options.services,
      onDowntime: (since) => {
        const at = new Date(since).toISOString();
        log(logger, 'liveness.gap', { since: at });
        this.#scheduleCatchUp(() => since);
      },
      unsavedGapSince: () => earliest(this.#catchUp.unsavedGapSince, this.overloadRecovery.unsavedGapSince),
    });
  }

  /** Loads the state of the previous process, and schedules catch-ups for its downtime. */
  async load(): Promise<void> {
    await this.processedLog.load();
    await this.markers.load();
    await this.inbox.load();
    this.#topicCrashGuard.onLoaded((id) => this.#options.registry.get(id) !== undefined);
    this.deadLetters.onLoaded();
    await this.liveness.load();
    for (const { record } of this.#options.registry.all()) {
      if (record.grants.length > 0 && isEnabled(record)) this.#polling.schedule(record);
    }
    this.#scheduleCatchUp((service) => this.liveness.aliveUntil(service));
    await this.liveness.start();
  }

  /** Schedules a catch-up, spread over time, for each subscription that may have missed events. */
  #scheduleCatchUp(downSince: (service: string) => number | undefined): void {
    const { registry, now, random, serviceOf } = this.#options;
    let count = 0;
    for (const { record } of registry.all()) {
      if (serviceOf(record.service)?.delivery.catchUp !== true || !isEnabled(record)) continue;
      const since = missedSince(record, downSince(record.service));
      if (since === undefined) continue;
      count += 1;
      const spread = random() * Math.min(MAX_SPREAD_MS, count * SPREAD_STEP_MS);
      const redeliveryWait = record.grants.some(isWorking) ? 0 : REDELIVERY_WAIT_MS;
      this.#catchUp.schedule(record.id, since, now() + Math.floor(spread) + redeliveryWait);
    }
  }

  /** Schedules a catch-up now, for a subscription that may have missed events. */
  catchUp({ id, gapSince }: SubscriptionRecord): void {
    const { now } = this.#options;
    this.#catchUp.schedule(id, gapSince ?? now(), now());
  }

  /** Resumes fetching a topic that was skipped after crashes. Called when a hub has verified the subscription. */
  resumeTopic(record: SubscriptionRecord): void {
    if (!this.#topicCrashGuard.onRenewed(record.id)) return;
    this.#catchUp.resume(record.id);
    this.#polling.schedule(record);
  }

  /** A sink that keeps the topic content read by discovery for the first poll; undefined if no first poll is due. */
  contentSinkOf(record: SubscriptionRecord): TopicContentSink | undefined {
    if (!this.#polling.isFirstPollPending(record)) return undefined;
    const take: TopicContentSink['take'] = (topic, content) => this.#discoveredTopics.add(record.id, topic, content);
    return { maxBytes: this.#options.maxBodyBytes, take };
  }

  /** Starts polling the topic if the service wants polls. Called when a subscribe request is queued. */
  startPolling(record: SubscriptionRecord): void {
    this.#polling.schedule(record);
  }
}

/** The time since which a subscription may have missed events, in epoch milliseconds, after a downtime. */
function missedSince({ grants, gapSince }: SubscriptionRecord, downSince: number | undefined): number | undefined {
  return earliest(gapSince, grants.some(isWorking) ? downSince : undefined);
}

function earliest(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
