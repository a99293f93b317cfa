import { CatchUp } from '../delivery/catch-up.js';
import { DeadLetters } from '../delivery/dead-letters.js';
import { Delivery } from '../delivery/delivery.js';
import type { DeliveryTarget } from '../delivery/delivery-target.js';
import type { FetchingOptions } from '../delivery/fetching-options.js';
import type { Hooks } from '../delivery/hooks.js';
import { Inbox } from '../delivery/inbox.js';
import { Polling } from '../delivery/polling.js';
import { RefusedContent } from '../delivery/refused-content.js';
import { SeenNews } from '../delivery/seen-news.js';
import { TopicReader } from '../delivery/topic-reader.js';
import type { Engine } from '../engine/engine.js';
import type { Pacing } from '../hub/pacing.js';
import type { WithheldCredentials } from '../hub/withheld-credentials.js';
import type { Logger } from '../logger.js';
import { readEvent } from '../delivery/stored-event.js';
import type { RecordStore } from '../store/record-store.js';
import type { SubscriptionRecord } from '../subscription/record.js';
import type { Registry } from '../subscription/registry.js';
import { isAsking, isWorking } from '../subscription/state.js';
import type { ServiceTerms } from '../subscription/terms.js';
import { Absence } from './absence.js';
import type { UnderWay } from './under-way.js';

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
  readonly hooks: Hooks;
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

/** After a start, topics are fetched one by one, so many milliseconds apart, and all of them within the longest spread. */
const SPREAD_EACH_MS = 20;
const LONGEST_SPREAD_MS = 1_800_000;

/** What no hub delivers yet after a start is fetched after so many milliseconds, should none have come back by then. */
const PATIENCE_MS = 60_000;

/** The way of news to its handlers: as it comes, from the inbox, and from the topics themselves. */
export class News {
  readonly delivery: Delivery;
  readonly inbox: Inbox;
  readonly deadLetters: DeadLetters;
  readonly seen: SeenNews;
  readonly absence: Absence;
  readonly refused: RefusedContent;
  readonly #options: NewsOptions;
  readonly #catchUp: CatchUp;
  readonly #polling: Polling;

  constructor(options: NewsOptions) {
    const { store, engine, logger, now, random, registry, hooks, underWay, targetOf, isClosing } = options;
    this.#options = options;
    this.seen = new SeenNews({ store, logger, now });
    this.inbox = new Inbox({
      store,
      engine,
      logger,
      now,
      random,
      limitsOf: (service) => targetOf(service)?.delivery,
      run: (event) => this.delivery.redeliver(event),
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
      eventOf: (event) => this.delivery.messageOf(event),
    });
    const reader = new TopicReader({ ...options, maxBytes: options.maxBodyBytes });
    const entryOf: FetchingOptions['entryOf'] = (id) => registry.get(id);
    this.delivery = new Delivery({
      inbox: this.inbox,
      hooks,
      logger,
      now,
      seen: this.seen,
      storeTimeoutMs: options.storeTimeoutMs,
      targetOf,
      entryOf,
      readEvent: (id) => readEvent(store, id, () => {}),
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
      apply: (id, event) => registry.apply(id, event),
      begin: (key, work, failed) => underWay.next(key, work, failed),
      isClosing,
    };
    this.#catchUp = new CatchUp(fetching);
    this.#polling = new Polling({ ...fetching, hooks, isCatchingUp: (id) => this.#catchUp.isWanted(id) });
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
    await this.inbox.load();
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
