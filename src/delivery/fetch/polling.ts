import type { Timetable } from '../../engine/engine.js';
import { partition, filterInSlices } from '../../engine/slices.js';
import { WebSubError } from '../../errors.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { isEnabled, isWorking } from '../../subscription/machine/state.js';
import { halfJitterWaitMs, TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import type { DeliveryService } from '../delivery-service.js';
import type { FetchingOptions } from './fetching-options.js';
import { earliestRetryAt } from './publisher-retry-after-error.js';
import type { SubscriberHooks } from '../hook-payloads.js';
import type { DiscoveredTopicCache } from './discovered-topic-cache.js';
import { topicEntries, type TopicEntry } from './topic-entries.js';
import { isFetchable, readableGrant } from './topic-reader.js';
import { log } from '../../log-events.js';

/**
 * Time a hub has to deliver an entry that its topic already has, in milliseconds. Shorter if the topic is polled more
 * often.
 */
const MAX_GRACE_MS = 300_000;

/** Minimum milliseconds between two renewals because of a silent hub. */
const SILENT_RENEWAL_INTERVAL_MS = 3_600_000;

/** The stored time of the last poll is updated when it is older than this, in milliseconds. */
const RECORD_INTERVAL_MS = 86_400_000;

/** Dependencies of {@link Polling}. */
export interface PollingOptions extends FetchingOptions {
  readonly hooks: SubscriberHooks;
  readonly discoveredTopics: Pick<DiscoveredTopicCache, 'take' | 'drop'>;
  /** Whether a catch-up has to run first. */
  readonly isCatchingUp: (subscriptionId: string) => boolean;
}

/** A subscription that is polled. */
interface PolledTopic {
  readonly subscription: StoredSubscription;
  readonly service: DeliveryService;
  readonly grant: GrantRecord;
}

/**
 * Polls topics at intervals, whatever hubs deliver meanwhile. Delivers the entries that a hub has not delivered in
 * time.
 */
export class Polling {
  readonly #options: PollingOptions;
  readonly #due: Timetable;
  /** When missing entries were first noticed, by subscription id and entry key. Epoch milliseconds. */
  readonly #missing = new Map<string, ReadonlyMap<string, number>>();
  readonly #renewedAt = new Map<string, number>();
  /** Consecutive failed polls, by subscription id. */
  readonly #failures = new Map<string, number>();

  constructor(options: PollingOptions) {
    this.#options = options;
    const { engine, now, runTask } = options;
    this.#due = engine.timetable('polls', (id) => runTask({ task: 'poll', subscription: id }, () => this.#run(id)));
    // After the clock was set back, no wait may get longer than intended.
    engine.onClockSetBack(() => this.#due.bringForwardTo(now()));
  }

  /**
   * Starts polling a subscription if its service sets `pollSeconds`. The first poll of a new subscription is
   * immediate, otherwise at a random time within the interval.
   */
  schedule({ id, service, fetched }: SubscriptionRecord): void {
    const { serviceOf, now, random } = this.#options;
    const intervalMs = (serviceOf(service)?.delivery.pollSeconds ?? 0) * 1000;
    if (intervalMs === 0 || this.#due.has(id)) return;
    this.#due.set(id, now() + (fetched?.polledAt === undefined ? 0 : Math.floor(random() * intervalMs)));
  }

  /** Whether a subscription will be polled and has not been yet. */
  isFirstPollPending({ service, fetched }: SubscriptionRecord): boolean {
    const pollSeconds = this.#options.serviceOf(service)?.delivery.pollSeconds ?? 0;
    return pollSeconds > 0 && fetched?.polledAt === undefined;
  }

  async #run(id: string): Promise<void> {
    const { subscriptionOf, serviceOf, isCatchingUp, isStopping, now, random, logger } = this.#options;
    const subscription = subscriptionOf(id);
    const service = subscription && serviceOf(subscription.record.service);
    if (subscription === undefined || service === undefined || isStopping() || !isEnabled(subscription.record))
      return this.#end(id);
    const intervalMs = service.delivery.pollSeconds * 1000;
    const grant = readableGrant(subscription.record);
    // A subscription that no hub knows yet, or that is catching up, is polled a little later.
    if (grant === undefined || isCatchingUp(id)) return this.#due.set(id, now() + Math.min(intervalMs, 10_000));
    if (!isFetchable(grant.topic)) {
      // A start rejects such a topic in code. This one was stored before `pollSeconds` was set.
      log(logger, 'poll.impossible', { subscription: id, topic: grant.topic });
      return this.#end(id);
    }
    let next = now() + Math.floor(intervalMs * (0.9 + random() / 5));
    try {
      const poll = async (): Promise<void> => {
        if (await this.#poll({ subscription, service, grant })) next = now() + graceMs(service);
      };
      const run = await this.#options.crashGuard.run(subscription.record, grant.topic, poll);
      if (run === 'busy') next = now() + TOPIC_BUSY_MS;
      // Polling starts again with the next renewal.
      if (run === 'skipped') return this.#end(id);
      if (run !== 'busy') this.#failures.delete(id);
    } catch (error) {
      if (isStopping()) return;
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      next = Math.max(next, now() + failedPollWaitMs(intervalMs, failures, random()), earliestRetryAt(error));
      log(logger, 'poll.failed', { subscription: id, topic: grant.topic, err: error });
    }
    this.#due.set(id, next);
  }

  /** Resolves to whether entries are missing that the hub still has time to deliver. */
  async #poll({ subscription, service, grant }: PolledTopic): Promise<boolean> {
    const { reader, delivery, discoveredTopics } = this.#options;
    const { id, fetched } = subscription.record;
    const discovered = discoveredTopics.take(id, grant.topic);
    const known = fetched?.topic === grant.topic && !this.#missing.has(id) ? fetched : undefined;
    const content = discovered ?? (await reader.read(subscription.record, grant, 'poll', known));
    if (content === undefined) {
      await this.#recordFetch(id, { ...fetched, topic: grant.topic });
      return false;
    }
    const entries = await topicEntries(content, { subscriptionId: id });
    const { stillMissing, isCertain } = await delivery.runExclusive(id, () =>
      this.#deliverOverdue({ subscription, service, grant }, content, entries),
    );
    if (stillMissing.length === 0) this.#missing.delete(id);
    // Validators are stored only if every entry is accounted for. Otherwise the next poll must fetch the content
    // again.
    const validators = stillMissing.length === 0 && isCertain ? content.validators : {};
    await this.#recordFetch(id, { topic: grant.topic, ...validators, polledAt: fetched?.polledAt });
    return stillMissing.length > 0;
  }

  /**
   * Delivers overdue entries. `stillMissing`: entries not delivered yet. `isCertain`: no entry in progress can still
   * fail.
   */
  async #deliverOverdue(
    polled: PolledTopic,
    content: TopicContent,
    entries: readonly TopicEntry[],
  ): Promise<{ readonly stillMissing: readonly TopicEntry[]; readonly isCertain: boolean }> {
    const { processedLog } = this.#options;
    const { fetched } = polled.subscription.record;
    const missing = await filterInSlices(entries, (each) => this.#isMissing(each, fetched));
    await processedLog.touch(entries.map(({ dedupeKey }) => dedupeKey));
    const baselineBefore = this.#baselineBefore(polled.service, fetched);
    // Entries from before the first poll are not new. An undated entry may have appeared since the last poll.
    const isBaseline = ({ at = Infinity }: TopicEntry): boolean =>
      baselineBefore === Infinity || at < (baselineBefore ?? -Infinity);
    const [baseline, newEntries] = await partition(missing, isBaseline);
    await processedLog.markBaseline(baseline.map(({ dedupeKey }) => dedupeKey));
    const uncertain = await filterInSlices(entries, ({ dedupeKey }) => processedLog.isUncertain(dedupeKey));
    return { stillMissing: await this.#enqueueLate(polled, content, newEntries), isCertain: uncertain.length === 0 };
  }

  /** Delivers entries that are missing for longer than the grace time. Resolves to the entries still missing. */
  async #enqueueLate(
    polled: PolledTopic,
    content: TopicContent,
    missing: readonly TopicEntry[],
  ): Promise<readonly TopicEntry[]> {
    const { subscription, service, grant } = polled;
    const { now, delivery, processedLog } = this.#options;
    const { id } = subscription.record;
    const previous = this.#missing.get(id);
    const nowMs = now();
    const since = new Map<string, number>();
    // Blame the hub only for unknown entries published after its verification. It may skip changes to delivered
    // entries.
    const { verifiedAt = 0 } = grant;
    let unknown = 0;
    const [late, early] = await partition(missing, ({ dedupeKey, at = verifiedAt }) => {
      const missingSince = Math.min(previous?.get(dedupeKey.key) ?? nowMs, nowMs);
      since.set(dedupeKey.key, missingSince);
      const isLate = missingSince + graceMs(service) <= nowMs;
      if (isLate && processedLog.isUnknown(dedupeKey) && at >= verifiedAt) unknown += 1;
      return isLate;
    });
    const { url, headers, body } = content;
    const newEntryKeys = late.map(({ key }) => key);
    const dedupeKeys = late.map(({ dedupeKey }) => dedupeKey);
    const newContent = { url, headers, raw: body };
    const fetched = { source: 'poll', newEntryKeys, dedupeKeys } as const;
    const isEnqueued =
      late.length > 0 && (await delivery.enqueueFetched(service, subscription, grant, newContent, fetched));
    if (isEnqueued && unknown > 0) await this.#reportSilentHub(polled, unknown);
    const stillMissing = isEnqueued ? early : missing;
    if (stillMissing.length > 0) this.#missing.set(id, since);
    return stillMissing;
  }

  /** Reports a hub that does not deliver, and renews the subscription. */
  async #reportSilentHub({ subscription, grant }: PolledTopic, missed: number): Promise<void> {
    const { hooks, logger, now, apply } = this.#options;
    const { record, counters } = subscription;
    const { hub, topic } = grant;
    if (!isWorking(grant)) return;
    counters.missed(missed);
    log(logger, 'hub.silent', { subscription: record.id, hub, topic, missed });
    hooks.emit('hub-silent', () => ({
      subscription: subscriptionSnapshot(record, counters.stats()),
      grant: grantSnapshot(grant),
      error: new WebSubError(`Hub ${hub} did not deliver ${missed} new entries of ${topic}. They come from the poll.`),
      at: new Date(now()),
    }));
    await apply(record.id, { type: 'hub-silent', grantId: grant.id });
    const elapsedMs = now() - (this.#renewedAt.get(record.id) ?? -Infinity);
    // A negative difference means that the clock was set back.
    if (elapsedMs >= 0 && elapsedMs < SILENT_RENEWAL_INTERVAL_MS) return;
    this.#renewedAt.set(record.id, now());
    await apply(record.id, { type: 'renewal-wanted', isOwed: true });
  }

  #isMissing({ dedupeKey, at }: TopicEntry, fetched: FetchedRecord | undefined): boolean {
    const { processedLog } = this.#options;
    // An overflowed log has forgotten old entries. Those do not count as missing.
    const isForgotten =
      processedLog.hasOverflowed && at !== undefined && at < (fetched?.polledAt ?? 0) - 2 * RECORD_INTERVAL_MS;
    return !isForgotten && processedLog.isMissing(dedupeKey);
  }

  /**
   * Missing entries dated before this time are baseline. Infinity at the first poll; the time of the last poll if that
   * is long ago; otherwise undefined. While nothing polled, entries that hubs delivered may not have been recorded.
   */
  #baselineBefore({ delivery }: DeliveryService, fetched: FetchedRecord | undefined): number | undefined {
    const { polledAt = Infinity } = fetched ?? {};
    const memoryMs = Math.max(2 * RECORD_INTERVAL_MS, 3000 * delivery.pollSeconds);
    return polledAt < this.#options.now() - memoryMs || polledAt === Infinity ? polledAt : undefined;
  }

  async #recordFetch(id: string, fetched: FetchedRecord): Promise<void> {
    const { now, apply } = this.#options;
    const isOutdated = (fetched.polledAt ?? -Infinity) < now() - RECORD_INTERVAL_MS;
    const updated = { ...fetched, polledAt: isOutdated ? now() : fetched.polledAt };
    await apply(id, { type: 'fetched', beganAt: now(), fetched: updated });
  }

  #end(id: string): void {
    this.#missing.delete(id);
    this.#renewedAt.delete(id);
    this.#failures.delete(id);
    this.#options.discoveredTopics.drop(id);
  }
}

function graceMs({ delivery }: DeliveryService): number {
  return Math.min(MAX_GRACE_MS, delivery.pollSeconds * 1000);
}

/** Backoff after failed polls, in milliseconds. Its first ceiling is the poll interval; its cap is never shorter. */
function failedPollWaitMs(intervalMs: number, failures: number, random: number): number {
  const capMs = Math.max(intervalMs, TOPIC_FETCH.capMs);
  return halfJitterWaitMs(failures, random, { baseMs: intervalMs, capMs });
}
