import { filterInSlices } from '../../engine/slices.js';
import { isPermanentFailure, type TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { CatchUpRecord } from '../../subscription/record/fetch-records.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { catchUpDueAt, isCatchingUp } from '../../subscription/machine/rules/catch-up-plan.js';
import { isFetchable, readableGrant } from '../../subscription/machine/rules/readable-grant.js';
import { ROOM_CHECK_MS } from '../../subscription/machine/steps/on-content-refused.js';
import { TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import { tracksEntries } from '../dedupe/tracked-keys.js';
import type { DeliveryService } from '../delivery-service.js';
import type { FetchingOptions } from './fetching-options.js';
import { earliestRetryAt } from './publisher-retry-after-error.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import { entriesNewAfterGap, topicEntries, type TopicEntry } from './topic-entries.js';
import { WaitingEntries, type DedupeKeysOf } from './waiting-entries.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';
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

/** Dependencies of {@link CatchUp}. */
export interface CatchUpOptions extends FetchingOptions {
  readonly isFull: (service: DeliveryService) => boolean;
  /** The events of a subscription that wait in the inbox, latest first. */
  readonly waitingEvents: (subscriptionId: string) => readonly WaitingEvent[];
  /** Reads an event from the store; undefined if it no longer exists or cannot be read. */
  readonly readEvent: (id: string) => Promise<StoredEvent | undefined>;
  readonly dedupeKeysOf: DedupeKeysOf;
}

/** Fetches topics after gaps and delivers the entries that were missed (PROTOCOL L3). The records hold the plans. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  /** The entries of waiting events during a gap, by subscription id. */
  readonly #waitingEntries = new Map<string, WaitingEntries>();

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Remembers the entries of an event that runs during a gap. The event may leave the inbox before the fetch. */
  onEventRun(event: StoredEvent): void {
    const { subscriptionId, service } = event.meta;
    const delivery = this.#hasGap(subscriptionId) ? this.#options.serviceOf(service)?.delivery : undefined;
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
    const { subscriptionOf, serviceOf, isFull, isStopping, apply, now } = this.#options;
    const record = subscriptionOf(id)?.record;
    if (record?.catchUp === undefined || isStopping()) return undefined;
    const { catchUp: plan } = record;
    const service = serviceOf(record.service);
    if (service === undefined) return undefined;
    if (isFull(service)) return this.#waitForRoom(id, plan);
    const started = await this.#started(record, plan);
    const subscription = subscriptionOf(id);
    if (!started || subscription === undefined) return undefined;
    const grant = readableGrant(subscription.record);
    if (!service.delivery.catchUp || grant === undefined || !isFetchable(grant.topic)) {
      await apply(id, { type: 'catch-up-dropped', gapId: plan.id });
      return undefined;
    }
    const { gapSince = plan.requestedAt } = subscription.record;
    // After the clock was set back, the gap may begin in the future.
    const gap: Gap = { id: plan.id, since: Math.min(gapSince, now()), requestedAt: plan.requestedAt };
    const fetch = (): Promise<void> => this.#fetch(gap, service, subscription, grant);
    const run = await this.#options.crashGuard.run(subscription.record, grant.topic, fetch);
    if (run === 'skipped') await apply(id, { type: 'catch-up-skipped', gapId: gap.id });
    return run === 'busy' ? now() + TOPIC_BUSY_MS : undefined;
  }

  async #waitForRoom(id: string, { id: gapId, refused }: CatchUpRecord): Promise<number | undefined> {
    const { apply, now } = this.#options;
    if (refused !== 'spread') return now() + ROOM_CHECK_MS;
    await apply(id, { type: 'room-missing', gapId });
    return undefined;
  }

  /** There is room. Resolves to whether to fetch now: after an overload, fetches are spread over time. */
  async #started({ id, renewalOwed }: SubscriptionRecord, { id: gapId, refused }: CatchUpRecord): Promise<boolean> {
    const { apply, now } = this.#options;
    if (refused === undefined && renewalOwed === undefined) return true;
    const record = await apply(id, { type: 'room-found', gapId });
    return record.catchUp?.id === gapId && (catchUpDueAt(record) ?? Infinity) <= now();
  }

  async #fetch(
    gap: Gap,
    service: DeliveryService,
    subscription: StoredSubscription,
    grant: GrantRecord,
  ): Promise<void> {
    const { now, reader, logger, apply } = this.#options;
    const { id, fetched } = subscription.record;
    const { topic } = grant;
    const known = fetched?.topic === topic ? fetched : undefined;
    const beganAt = now();
    let fetchedRecord: FetchedRecord = { topic, polledAt: fetched?.polledAt };
    try {
      const content = await reader.read(subscription.record, grant, 'catch-up', known);
      if (content !== undefined && !(await this.#enqueueNew(gap, service, { subscription, grant, content }))) {
        await apply(id, { type: 'catch-up-failed', gapId: gap.id, notBefore: 0 });
        return;
      }
      fetchedRecord = content === undefined ? (known ?? fetchedRecord) : { ...fetchedRecord, ...content.validators };
    } catch (error) {
      if (this.#options.isStopping()) return;
      const canRetry = !isPermanentFailure(error) && now() - gap.requestedAt < TOPIC_FETCH.giveUpAfterMs;
      const fields = { subscription: id, topic, since: new Date(gap.since).toISOString(), err: error };
      if (canRetry) {
        log(logger, 'catch-up.delayed', fields);
        await apply(id, { type: 'catch-up-failed', gapId: gap.id, notBefore: earliestRetryAt(error) });
        return;
      }
      log(logger, 'catch-up.failed', fields);
    }
    await apply(id, { type: 'caught-up', gapId: gap.id, beganAt, fetched: fetchedRecord });
  }

  /** Resolves to true when all new entries are stored and no entry in progress can still fail. */
  async #enqueueNew(gap: Gap, service: DeliveryService, fetched: FetchedTopic): Promise<boolean> {
    const { id } = fetched.subscription.record;
    const entries = await topicEntries(fetched.content, { subscriptionId: id });
    return this.#options.delivery.runExclusive(id, () => this.#enqueueNewExclusive(gap, service, fetched, entries));
  }

  async #enqueueNewExclusive(
    { since }: Gap,
    service: DeliveryService,
    { subscription, grant, content }: FetchedTopic,
    entries: readonly TopicEntry[],
  ): Promise<boolean> {
    const { processedLog, delivery, logger, now } = this.#options;
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
    const { waitingEvents, readEvent } = this.#options;
    const waiting = this.#waitingEntriesOf(id);
    for (const event of waitingEvents(id)) {
      const stored = waiting.shouldRead(event) ? await readEvent(event.id) : undefined;
      if (stored !== undefined) waiting.add(stored);
    }
    await waiting.settled();
    return filterInSlices(entries, ({ dedupeKey }) => !waiting.has(dedupeKey));
  }

  #hasGap(id: string): boolean {
    const record = this.#options.subscriptionOf(id)?.record;
    return record !== undefined && isCatchingUp(record);
  }

  #waitingEntriesOf(id: string): WaitingEntries {
    const known = this.#waitingEntries.get(id);
    if (known !== undefined) return known;
    // A gap may have ended without a fetch.
    for (const other of this.#waitingEntries.keys()) if (!this.#hasGap(other)) this.#waitingEntries.delete(other);
    const waiting = new WaitingEntries(this.#options.dedupeKeysOf);
    this.#waitingEntries.set(id, waiting);
    return waiting;
  }
}
