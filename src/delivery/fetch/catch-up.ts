import { filterInSlices } from '../../engine/slices.js';
import { isPermanentFailure, type TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { CatchUpRecord } from '../../subscription/record/fetch-records.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { catchUpDueAt, isCatchingUp } from '../../subscription/machine/fetches/catch-up-plan.js';
import { isFetchable, readableGrant } from '../../subscription/machine/fetches/readable-grant.js';
import { ROOM_CHECK_MS } from '../../subscription/machine/fetches/on-content-refused.js';
import { TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import { tracksEntries } from '../dedupe/tracked-keys.js';
import type { DeliveryService } from '../delivery-service.js';
import type { DeliveryContext } from '../delivery-context.js';
import type { FetchParts } from './fetch-parts.js';
import { earliestRetryAt } from './publisher-retry-after-error.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import { entryDedupeKeys } from '../message/message.js';
import { entriesNewAfterGap, topicEntries, type TopicEntry } from './topic-entries.js';
import { WaitingEntries } from './waiting-entries.js';
import type { WaitingEvents } from '../inbox/waiting-events.js';
import { log } from '../../log-events.js';

/** A period in which events may have been missed. Times are epoch milliseconds. */
interface Gap {
  /** Id of the planned catch-up. */
  readonly id: string;
  readonly since: number;
  readonly requestedAt: number;
}

/** The content fetched from a topic. */
interface FetchedTopic {
  readonly subscription: StoredSubscription;
  readonly grant: GrantRecord;
  readonly content: TopicContent;
}

/** Fetches topics after gaps and delivers the entries that were missed (PROTOCOL L3). The records hold the plans. */
export class CatchUp {
  readonly #context: DeliveryContext;
  readonly #parts: FetchParts;
  readonly #waiting: WaitingEvents;
  /** The entries of waiting events during a gap, by subscription id. */
  readonly #waitingEntries = new Map<string, WaitingEntries>();

  /** @param waiting the events in the inbox */
  constructor(context: DeliveryContext, parts: FetchParts, waiting: WaitingEvents) {
    this.#context = context;
    this.#parts = parts;
    this.#waiting = waiting;
  }

  /** Remembers the entries of an event that runs during a gap. The event may leave the inbox before the fetch. */
  onEventRun(event: StoredEvent): void {
    const { subscriptionId, service } = event.meta;
    const delivery = this.#hasGap(subscriptionId) ? this.#context.services.get(service)?.delivery : undefined;
    if (delivery !== undefined && !tracksEntries(delivery)) this.#waitingEntriesOf(subscriptionId).add(event);
  }

  /**
   * Runs the catch-up of a subscription that is due.
   *
   * @returns when to run again (epoch milliseconds) if its plan stays as it is
   */
  async run(id: string): Promise<number | undefined> {
    try {
      return await this.#run(id);
    } finally {
      if (!this.#hasGap(id)) this.#waitingEntries.delete(id);
    }
  }

  async #run(id: string): Promise<number | undefined> {
    const { services, closing, now } = this.#context;
    const { registry, delivery, crashGuard } = this.#parts;
    const record = registry.get(id)?.record;
    if (record?.catchUp === undefined || closing.isStopping) return undefined;
    const { catchUp: plan } = record;
    const service = services.get(record.service);
    if (service === undefined) return undefined;
    if (delivery.isFull(service)) return this.#waitForRoom(id, plan);
    const started = await this.#started(record, plan);
    const subscription = registry.get(id);
    if (!started || subscription === undefined) return undefined;
    const grant = readableGrant(subscription.record);
    if (!service.delivery.catchUp || grant === undefined || !isFetchable(grant.topic)) {
      await registry.apply(id, { type: 'catch-up-dropped', gapId: plan.id });
      return undefined;
    }
    const { gapSince = plan.requestedAt } = subscription.record;
    // After the clock was set back, the gap may begin in the future.
    const gap: Gap = { id: plan.id, since: Math.min(gapSince, now()), requestedAt: plan.requestedAt };
    const fetch = (): Promise<void> => this.#fetch(gap, service, subscription, grant);
    const run = await crashGuard.run(subscription.record, grant.topic, fetch);
    if (run === 'skipped') await registry.apply(id, { type: 'catch-up-skipped', gapId: gap.id });
    return run === 'busy' ? now() + TOPIC_BUSY_MS : undefined;
  }

  async #waitForRoom(id: string, { id: gapId, refused }: CatchUpRecord): Promise<number | undefined> {
    if (refused !== 'spread') return this.#context.now() + ROOM_CHECK_MS;
    await this.#parts.registry.apply(id, { type: 'room-missing', gapId });
    return undefined;
  }

  /** There is room. Resolves to whether to fetch now: after an overload, fetches are spread over time. */
  async #started({ id, renewalOwed }: SubscriptionRecord, { id: gapId, refused }: CatchUpRecord): Promise<boolean> {
    if (refused === undefined && renewalOwed === undefined) return true;
    const record = await this.#parts.registry.apply(id, { type: 'room-found', gapId });
    return record.catchUp?.id === gapId && (catchUpDueAt(record) ?? Infinity) <= this.#context.now();
  }

  async #fetch(
    gap: Gap,
    service: DeliveryService,
    subscription: StoredSubscription,
    grant: GrantRecord,
  ): Promise<void> {
    const { now, logger, closing } = this.#context;
    const { reader, registry } = this.#parts;
    const { id, fetched } = subscription.record;
    const { topic } = grant;
    const known = fetched?.topic === topic ? fetched : undefined;
    const beganAt = now();
    let fetchedRecord: FetchedRecord = { topic, polledAt: fetched?.polledAt };
    try {
      const content = await reader.read(subscription.record, grant, 'catch-up', known);
      if (content !== undefined && !(await this.#enqueueNew(gap, service, { subscription, grant, content }))) {
        await registry.apply(id, { type: 'catch-up-failed', gapId: gap.id, notBefore: 0 });
        return;
      }
      fetchedRecord = content === undefined ? (known ?? fetchedRecord) : { ...fetchedRecord, ...content.validators };
    } catch (error) {
      if (closing.isStopping) return;
      const canRetry = !isPermanentFailure(error) && now() - gap.requestedAt < TOPIC_FETCH.giveUpAfterMs;
      const fields = { subscription: id, topic, since: new Date(gap.since).toISOString(), err: error };
      if (canRetry) {
        log(logger, 'catch-up.delayed', fields);
        await registry.apply(id, { type: 'catch-up-failed', gapId: gap.id, notBefore: earliestRetryAt(error) });
        return;
      }
      log(logger, 'catch-up.failed', fields);
    }
    await registry.apply(id, { type: 'caught-up', gapId: gap.id, beganAt, fetched: fetchedRecord });
  }

  /** Resolves to true when all new entries are stored and no entry in progress can still fail. */
  async #enqueueNew(gap: Gap, service: DeliveryService, fetched: FetchedTopic): Promise<boolean> {
    const { id } = fetched.subscription.record;
    const entries = await topicEntries(fetched.content, { subscriptionId: id });
    return this.#parts.delivery.runExclusive(id, () => this.#enqueueNewExclusive(gap, service, fetched, entries));
  }

  async #enqueueNewExclusive(
    { since }: Gap,
    service: DeliveryService,
    { subscription, grant, content }: FetchedTopic,
    entries: readonly TopicEntry[],
  ): Promise<boolean> {
    const { logger, now } = this.#context;
    const { processedLog, delivery } = this.#parts;
    const { id, createdAt, firstVerifiedAt: subscribedAt = createdAt } = subscription.record;
    const { topic } = grant;
    const areEntriesTracked = tracksEntries(service.delivery);
    const isMissing = processedLog.isMissingOrBaseline.bind(processedLog);
    const uncertain = await filterInSlices(entries, ({ dedupeKey }) => processedLog.isUncertain(dedupeKey));
    const isSettled = uncertain.length === 0;
    const rule = { since, subscribedAt, now: now(), tracksEntries: areEntriesTracked, isMissing };
    const candidates = await entriesNewAfterGap(entries, rule);
    // If entries are tracked, the processed log already includes the waiting events.
    const newEntries =
      areEntriesTracked || candidates.length === 0 ? candidates : await this.#withoutWaiting(id, candidates);
    log(logger, newEntries.length > 0 ? 'catch-up.found' : 'catch-up.nothing-new', {
      subscription: id,
      topic,
      since: new Date(since).toISOString(),
      entries: entries.length,
      new: newEntries.length,
    });
    if (newEntries.length === 0) return isSettled;
    const { url, headers, body } = content;
    const newEntryKeys = newEntries.map(({ key }) => key);
    const dedupeKeys = newEntries.map(({ dedupeKey }) => dedupeKey);
    const newContent = { url, headers, raw: body };
    const fetched = { source: 'catch-up', newEntryKeys, dedupeKeys } as const;
    const isEnqueued = await delivery.enqueueFetched(service, subscription, grant, newContent, fetched);
    return isEnqueued && isSettled;
  }

  /** The entries that no event in the inbox contains. */
  async #withoutWaiting(id: string, entries: readonly TopicEntry[]): Promise<readonly TopicEntry[]> {
    const { recoveredEvents } = this.#parts.delivery;
    const waiting = this.#waitingEntriesOf(id);
    for (const event of this.#waiting.of(id)) {
      const stored = waiting.shouldRead(event) ? await recoveredEvents.read(event.id) : undefined;
      if (stored !== undefined) waiting.add(stored);
    }
    await waiting.settled();
    return filterInSlices(entries, ({ dedupeKey }) => !waiting.has(dedupeKey));
  }

  #hasGap(id: string): boolean {
    const record = this.#parts.registry.get(id)?.record;
    return record !== undefined && isCatchingUp(record);
  }

  #waitingEntriesOf(id: string): WaitingEntries {
    const known = this.#waitingEntries.get(id);
    if (known !== undefined) return known;
    // A gap may have ended without a fetch.
    for (const other of this.#waitingEntries.keys()) if (!this.#hasGap(other)) this.#waitingEntries.delete(other);
    const waiting = new WaitingEntries((event) => this.#dedupeKeysOf(event));
    this.#waitingEntries.set(id, waiting);
    return waiting;
  }

  /** The dedupe keys of an event's entries; none if its subscription no longer exists. */
  async #dedupeKeysOf(event: StoredEvent): Promise<readonly DedupeKey[]> {
    const message = this.#parts.delivery.recoveredEvents.messageOf(event);
    return message === undefined ? [] : entryDedupeKeys(message);
  }
}
