import type { Timetable } from '../../engine/engine.js';
import { filterInSlices } from '../../engine/slices.js';
import { isPermanentFailure, type TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { FetchedRecord, GrantRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { isEnabled } from '../../subscription/machine/state.js';
import { retryWaitMs, TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import { tracksEntries } from '../dedupe/tracked-keys.js';
import type { DeliveryService } from '../delivery-service.js';
import type { FetchingOptions } from './fetching-options.js';
import { earliestRetryAt } from './publisher-retry-after-error.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import { entriesNewAfterGap, topicEntries, type TopicEntry } from './topic-entries.js';
import { isFetchable, readableGrant } from './topic-reader.js';
import { WaitingEntries, type DedupeKeysOf } from './waiting-entries.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';
import { log } from '../../log-events.js';

/** A period in which events may have been missed. Times are epoch milliseconds. */
interface Gap {
  readonly since: number;
  readonly requestedAt: number;
  readonly attempts: number;
}

/** The content fetched from a topic. */
interface FetchedTopic {
  readonly subscription: StoredSubscription;
  readonly grant: GrantRecord;
  readonly content: TopicContent;
}

/** Dependencies of {@link CatchUp}. */
export interface CatchUpOptions extends FetchingOptions {
  /** The events of a subscription that wait in the inbox, latest first. */
  readonly waitingEvents: (subscriptionId: string) => readonly WaitingEvent[];
  /** Reads an event from the store; undefined if it no longer exists or cannot be read. */
  readonly readEvent: (id: string) => Promise<StoredEvent | undefined>;
  readonly dedupeKeysOf: DedupeKeysOf;
}

/** Fetches topics after gaps and delivers the entries that were missed (PROTOCOL L3). */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #due: Timetable;
  readonly #gaps = new Map<string, Gap>();
  /** The entries of waiting events during a gap, by subscription id. */
  readonly #waitingEntries = new Map<string, WaitingEntries>();

  constructor(options: CatchUpOptions) {
    this.#options = options;
    const { engine, now, runTask } = options;
    this.#due = engine.timetable('catch-up', (id) =>
      runTask({ task: 'catch-up', subscription: id }, () => this.#run(id)),
    );
    engine.onClockSetBack(() => this.#due.bringForwardTo(now() + TOPIC_FETCH.capMs));
  }

  /**
   * Schedules a fetch of a subscription's topic for missed entries.
   *
   * @param since start of the gap, in epoch milliseconds
   * @param at when to fetch, in epoch milliseconds
   */
  schedule(subscriptionId: string, since: number, at: number): void {
    const previous = this.#gaps.get(subscriptionId);
    const now = this.#options.now();
    // After the clock was set back, `since` may lie in the future.
    const earliest = Math.min(since, previous?.since ?? since, now);
    this.#gaps.set(subscriptionId, { since: earliest, requestedAt: now, attempts: 0 });
    this.#due.set(subscriptionId, at);
  }

  /** Fetches a topic that the crash guard has skipped until now. Does nothing without an open gap. */
  resume(subscriptionId: string): void {
    if (this.#gaps.has(subscriptionId)) this.#due.set(subscriptionId, this.#options.now());
  }

  /** Remembers the entries of an event that runs during a gap. The event may leave the inbox before the fetch. */
  onEventRun(event: StoredEvent): void {
    const { subscriptionId, service } = event.meta;
    const delivery = this.#gaps.has(subscriptionId) ? this.#options.serviceOf(service)?.delivery : undefined;
    if (delivery !== undefined && !tracksEntries(delivery)) this.#waitingEntriesOf(subscriptionId).add(event);
  }

  /** Whether a subscription has an open gap. */
  hasGap(subscriptionId: string): boolean {
    return this.#gaps.has(subscriptionId);
  }

  /**
   * The start of the earliest gap without a fetch attempt, in epoch milliseconds; undefined if there is none. Other
   * gaps are stored with their subscriptions.
   */
  get unsavedGapSince(): number | undefined {
    let earliest: number | undefined;
    for (const { since, attempts } of this.#gaps.values()) {
      if (attempts === 0) earliest = Math.min(since, earliest ?? since);
    }
    return earliest;
  }

  async #run(id: string): Promise<void> {
    const { subscriptionOf, serviceOf, isStopping } = this.#options;
    const gap = this.#gaps.get(id);
    if (gap === undefined || isStopping()) return;
    const subscription = subscriptionOf(id);
    const service = subscription && serviceOf(subscription.record.service);
    const grant = subscription && readableGrant(subscription.record);
    const isWanted = service?.delivery.catchUp === true && subscription !== undefined && isEnabled(subscription.record);
    if (!isWanted || grant === undefined || !isFetchable(grant.topic)) {
      this.#end(id);
      return;
    }
    const fetch = (): Promise<void> => this.#fetch(gap, service, subscription, grant);
    const run = await this.#options.crashGuard.run(subscription.record, grant.topic, fetch);
    if (run === 'busy') this.#due.set(id, this.#options.now() + TOPIC_BUSY_MS);
    if (run === 'skipped') await this.#skip(id, gap);
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
        return this.#retryLater(id, gap);
      }
      fetchedRecord = content === undefined ? (known ?? fetchedRecord) : { ...fetchedRecord, ...content.validators };
    } catch (error) {
      if (this.#options.isStopping()) return;
      const canRetry = !isPermanentFailure(error) && now() - gap.requestedAt < TOPIC_FETCH.giveUpAfterMs;
      const fields = { subscription: id, topic, since: new Date(gap.since).toISOString(), err: error };
      if (canRetry) {
        log(logger, 'catch-up.delayed', fields);
        return this.#retryLater(id, gap, earliestRetryAt(error));
      }
      log(logger, 'catch-up.failed', fields);
    }
    if (this.#gaps.get(id) === gap) this.#end(id);
    await apply(id, { type: 'fetched', since: gap.since, beganAt, fetched: fetchedRecord });
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

  #waitingEntriesOf(id: string): WaitingEntries {
    const waiting = this.#waitingEntries.get(id) ?? new WaitingEntries(this.#options.dedupeKeysOf);
    this.#waitingEntries.set(id, waiting);
    return waiting;
  }

  #end(id: string): void {
    this.#gaps.delete(id);
    this.#waitingEntries.delete(id);
  }

  /**
   * Retries a topic that cannot be fetched now. Stores the gap with its subscription, so that a restart fetches only
   * this topic again.
   */
  async #retryLater(id: string, gap: Gap, earliest = 0): Promise<void> {
    if (this.#gaps.get(id) !== gap) return;
    const { now, random, apply } = this.#options;
    const attempts = gap.attempts + 1;
    this.#due.set(id, Math.max(now() + retryWaitMs(attempts, random(), TOPIC_FETCH), earliest));
    await apply(id, { type: 'missed', since: gap.since });
    if (this.#gaps.get(id) === gap) this.#gaps.set(id, { ...gap, attempts });
  }

  /** Stores the gap of a skipped topic, and keeps it open until the topic may be fetched again. */
  async #skip(id: string, gap: Gap): Promise<void> {
    await this.#options.apply(id, { type: 'missed', since: gap.since });
    if (this.#gaps.get(id) === gap) this.#gaps.set(id, { ...gap, attempts: gap.attempts + 1 });
  }
}
