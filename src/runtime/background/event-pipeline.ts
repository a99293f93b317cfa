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
import { slices } from '../../engine/slices.js';
import type { TopicContentSink } from '../../hub/discovery/buffered-document.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { isEnabled } from '../../subscription/machine/state.js';
import { missedSince } from '../../subscription/machine/steps/on-resumed.js';
import type { DueFetch } from '../../subscription/registry/due-subscriptions.js';
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
    const { store, engine, logger, now, random, registry, hooks, serviceOf, isStopping } = options;
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
      logger,
      now,
      reader,
      processedLog: this.processedLog,
      delivery: this.delivery,
      serviceOf,
      subscriptionOf,
      apply,
      crashGuard: this.#topicCrashGuard,
      isStopping,
    };
    this.#catchUp = new CatchUp({
      ...fetching,
      isFull: (service) => this.delivery.isFull(service),
      waitingEvents: (id) => waiting.of(id),
      readEvent,
      dedupeKeysOf: async (event) => {
        const message = this.delivery.recoveredEvents.messageOf(event);
        return message === undefined ? [] : entryDedupeKeys(message);
      },
    });
    this.#polling = new Polling({ ...fetching, discoveredTopics: this.#discoveredTopics });
    registry.onDueFetch((due) => this.#runFetch(due));
    this.overloadRecovery = new OverloadRecovery({ registry, logger, now });
    this.liveness = new Liveness({
      store,
      engine,
      logger,
      now,
      services: options.services,
      onDowntime: (since) => {
        const at = new Date(since).toISOString();
        log(logger, 'liveness.gap', { since: at });
        void this.#resume(() => since);
      },
      saveGaps: () => registry.flush(),
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
    await this.#resume((service) => this.liveness.aliveUntil(service));
    await this.liveness.start();
  }

  /** Plans the fetches of each subscription that may have missed events or is polled, spread over time. */
  async #resume(receivedUntilOf: (service: string) => number | undefined): Promise<void> {
    const { registry, now, random, serviceOf } = this.#options;
    let count = 0;
    for await (const slice of slices(registry.all())) {
      for (const { record } of slice) {
        const service = serviceOf(record.service);
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
      again = await (kind === 'poll' ? this.#polling.run(id) : this.#catchUp.run(id));
    };
    await this.#options.backgroundTasks.startAfterCurrent(`${id} ${kind}`, work, { task: kind, subscription: id });
    return again;
  }

  /** Lets a topic be fetched that was skipped after crashes. Called when a hub has verified the subscription. */
  resumeTopic({ id }: SubscriptionRecord): void {
    this.#topicCrashGuard.onRenewed(id);
  }

  /** A sink that keeps the topic content read by discovery for the first poll; undefined if no first poll is due. */
  contentSinkOf(record: SubscriptionRecord): TopicContentSink | undefined {
    if (!this.#polling.isFirstPollPending(record)) return undefined;
    const take: TopicContentSink['take'] = (topic, content) => this.#discoveredTopics.add(record.id, topic, content);
    return { maxBytes: this.#options.maxBodyBytes, take };
  }
}
