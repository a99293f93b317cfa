import { CatchUp } from '../../delivery/fetch/catch-up.js';
import { CrashMarkers } from '../../delivery/crash-guard/crash-markers.js';
import { DeadLetters } from '../../delivery/inbox/dead-letters.js';
import { Delivery } from '../../delivery/delivery.js';
import type { DeliveryTarget } from '../../delivery/delivery-target.js';
import type { FetchingOptions } from '../../delivery/fetch/fetching-options.js';
import type { SubscriberHooks } from '../../delivery/hook-payloads.js';
import { Inbox } from '../../delivery/inbox/inbox.js';
import { JustRead } from '../../delivery/fetch/discovered-topic-cache.js';
import { MarkedEvents } from '../../delivery/crash-guard/event-crash-guard.js';
import { MarkedTopics } from '../../delivery/crash-guard/topic-crash-guard.js';
import { piecesIn } from '../../delivery/message/message.js';
import { Polling } from '../../delivery/fetch/polling.js';
import { RefusedContent } from '../../delivery/fetch/refused-content.js';
import { SeenNews } from '../../delivery/dedupe/processed-log.js';
import { findEvent, type StoredEvent } from '../../delivery/inbox/stored-event.js';
import { SuspectTurn } from '../../delivery/crash-guard/suspect-lock.js';
import { TopicReader } from '../../delivery/fetch/topic-reader.js';
import { WaitingEvents } from '../../delivery/inbox/waiting-events.js';
import type { Engine } from '../../engine/engine.js';
import type { TopicKeeper } from '../../hub/discovery/buffered-document.js';
import type { Pacing } from '../../hub/pacing/origin-limiter.js';
import type { WithheldCredentials } from '../../hub/redaction/withheld-credentials.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { isAsking, isWorking } from '../../subscription/machine/state.js';
import type { ServiceTerms } from '../../subscription/request-policy.js';
import { Absence } from './liveness.js';
import type { UnderWay } from './background-tasks.js';

/** What handing news over is made of. */
export interface NewsOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly registry: Registry;
  readonly hooks: SubscriberHooks;
  readonly underWay: UnderWay;
  readonly pacing: Pacing;
  readonly withheld: WithheldCredentials;
  readonly maxBodyBytes: number;
  readonly storeTimeoutMs: number;
  /** Gives up what is being fetched. */
  readonly signal: AbortSignal;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  readonly termsOf: (service: string) => ServiceTerms | undefined;
  readonly services: () => readonly string[];
  readonly isClosing: () => boolean;
}

/** Milliseconds between topics that are fetched after a start, and the longest time that all of them take. */
const SPREAD_EACH_MS = 20;
const LONGEST_SPREAD_MS = 1_800_000;
/** Milliseconds after a start in which a hub may deliver again, before its topics are fetched. */
const PATIENCE_MS = 60_000;

/** The way of news to its handlers: as it comes, from the inbox, and from the topics themselves. */
export class News {
  readonly delivery: Delivery;
  readonly inbox: Inbox;
  readonly deadLetters: DeadLetters;
  readonly seen: SeenNews;
  readonly absence: Absence;
  readonly refused: RefusedContent;
  readonly markers: CrashMarkers;
  readonly #options: NewsOptions;
  readonly #topics: MarkedTopics;
  readonly #catchUp: CatchUp;
  readonly #polling: Polling;
  readonly #justRead: JustRead;

  constructor(options: NewsOptions) {
    const { store, engine, logger, now, random, registry, hooks, underWay, targetOf, isClosing } = options;
    this.#options = options;
    this.seen = new SeenNews({ store, logger, now });
    this.markers = new CrashMarkers({ store, logger });
    const marking = { markers: this.markers, turn: new SuspectTurn({ engine, now }), engine, logger, now };
    this.#topics = new MarkedTopics(marking);
    this.#justRead = new JustRead(now);
    const waiting = new WaitingEvents();
    const stored = (id: string): Promise<StoredEvent | undefined> => findEvent(store, id, () => {});
    this.inbox = new Inbox({
      store,
      engine,
      logger,
      now,
      random,
      limitsOf: (service) => targetOf(service)?.delivery,
      waiting,
      run: (event) => {
        this.#catchUp.noteRun(event);
        return this.delivery.redeliver(event);
      },
      marked: new MarkedEvents(marking),
      onFound: (event) => this.delivery.left.found(event),
      onFoundDead: (event) => {
        this.deadLetters.found(event);
        this.delivery.left.found(event);
      },
      onDeadLetter: (event) => {
        this.delivery.left.bury(event);
        void this.deadLetters.buried(event);
      },
    });
    this.deadLetters = new DeadLetters({
      store,
      engine,
      logger,
      now,
      retentionOf: (service) => targetOf(service)?.delivery.deadLetters,
      revive: (event) => this.inbox.revive(event),
      eventOf: (event) => this.delivery.left.messageOf(event),
    });
    const entryOf: FetchingOptions['entryOf'] = (id) => registry.get(id);
    const apply: FetchingOptions['apply'] = (id, event) => registry.apply(id, event);
    const reader = new TopicReader({ ...options, entryOf, apply, maxBytes: options.maxBodyBytes });
    this.delivery = new Delivery({
      inbox: this.inbox,
      hooks,
      logger,
      now,
      seen: this.seen,
      storeTimeoutMs: options.storeTimeoutMs,
      targetOf,
      entryOf,
      readEvent: stored,
      fetchPinged: (entry, grant) => reader.pinged(entry.record, grant),
      onDeleted: async (id) => void (await registry.apply(id, { type: 'unwanted', why: 'deleted' })),
    });
    const fetching: FetchingOptions = {
      engine,
      logger,
      now,
      random,
      reader,
      seen: this.seen,
      delivery: this.delivery,
      targetOf,
      entryOf,
      apply,
      begin: (key, work, failed) => underWay.next(key, work, failed),
      marked: this.#topics,
      isClosing,
    };
    this.#catchUp = new CatchUp({
      ...fetching,
      waitingEvents: (id) => waiting.of(id),
      readEvent: stored,
      piecesOf: async (event) => {
        const message = this.delivery.left.messageOf(event);
        return message === undefined ? [] : piecesIn(message);
      },
    });
    this.#polling = new Polling({
      ...fetching,
      hooks,
      justRead: this.#justRead,
      isCatchingUp: (id) => this.#catchUp.isWanted(id),
    });
    this.refused = new RefusedContent({
      ...fetching,
      isFull: (target) => this.delivery.isFull(target),
      catchUp: (id, since) => this.#catchUp.want(id, since, now()),
    });
    this.absence = new Absence({
      store,
      engine,
      logger,
      now,
      services: options.services,
      onAway: (since) => {
        const at = new Date(since).toISOString();
        logger.warn(`nobody was there to receive since ${at}: the machine slept, or the process stood still`);
        this.#planCatchUp(() => since);
      },
      behindSince: () => earlier(this.#catchUp.behindSince, this.refused.behindSince),
    });
  }

  /** Reads what a previous process left, and plans what it missed. */
  async load(): Promise<void> {
    await this.seen.load();
    await this.markers.load();
    await this.inbox.load();
    this.#topics.loaded((id) => this.#options.registry.get(id) !== undefined);
    this.deadLetters.loaded();
    await this.absence.load();
    for (const { record } of this.#options.registry.entries()) {
      if (record.grants.length > 0 && isAsking(record)) this.#polling.plan(record);
    }
    this.#planCatchUp((service) => this.absence.since(service));
    await this.absence.begin();
  }

  /** Has topics fetched one by one whose services were away. */
  #planCatchUp(awaySince: (service: string) => number | undefined): void {
    const { registry, now, random, targetOf } = this.#options;
    let behind = 0;
    for (const { record } of registry.entries()) {
      if (targetOf(record.service)?.delivery.catchUp !== true || !isAsking(record)) continue;
      const since = missingSince(record, awaySince(record.service));
      if (since === undefined) continue;
      behind += 1;
      const spread = random() * Math.min(LONGEST_SPREAD_MS, behind * SPREAD_EACH_MS);
      const patience = record.grants.some(isWorking) ? 0 : PATIENCE_MS;
      this.#catchUp.want(record.id, since, now() + Math.floor(spread) + patience);
    }
  }

  /** News of a subscription may have been missed. */
  catchUp({ id, gapSince }: SubscriptionRecord): void {
    const { now } = this.#options;
    this.#catchUp.want(id, gapSince ?? now(), now());
  }

  /** A hub has verified a subscription, for the first time or again: a topic that was skipped is fetched again. */
  renewed(record: SubscriptionRecord): void {
    if (!this.#topics.renewed(record.id)) return;
    this.#catchUp.resume(record.id);
    this.#polling.plan(record);
  }

  /** Keeps the topic that discovery reads for the first poll, where there is to be one. */
  keeperOf(record: SubscriptionRecord): TopicKeeper | undefined {
    if (!this.#polling.isFirstToCome(record)) return undefined;
    const take: TopicKeeper['take'] = (topic, content) => this.#justRead.keep(record.id, topic, content);
    return { maxBytes: this.#options.maxBodyBytes, take };
  }

  /** A hub is being asked: what the topic has is looked at from now on, where the service wants that. */
  watch(record: SubscriptionRecord): void {
    this.#polling.plan(record);
  }
}

/** Since when news of a subscription may be missing, once a process is back. */
function missingSince({ grants, gapSince }: SubscriptionRecord, awaySince: number | undefined): number | undefined {
  return earlier(gapSince, grants.some(isWorking) ? awaySince : undefined);
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
