import { partition, filterInSlices } from '../../engine/slices.js';
import type { TopicContentSink } from '../../hub/discovery/buffered-document.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { MissingSince, PollRecord } from '../../subscription/record/fetch-records.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { TopicSinks } from '../../subscription/requests/subscription-requests.js';
import { pollGraceMs } from '../../subscription/machine/fetches/poll-plan.js';
import { isFetchable, readableGrant } from '../../subscription/machine/fetches/readable-grant.js';
import { POLLED_AT_INTERVAL_MS } from '../../subscription/machine/fetches/on-polled.js';
import { isWorking } from '../../subscription/machine/state.js';
import type { SilentHubReport } from '../../subscription/machine/transition-types.js';
import { TOPIC_BUSY_MS } from '../../subscription/retry-policy.js';
import type { DeliveryService } from '../delivery-service.js';
import type { DeliveryContext } from '../delivery-context.js';
import type { FetchParts } from './fetch-parts.js';
import { earliestRetryAt } from './publisher-retry-after-error.js';
import { DiscoveredTopicCache } from './discovered-topic-cache.js';
import { topicEntries, type TopicEntry } from './topic-entries.js';
import { log } from '../../log-events.js';

/** A subscription that is polled. */
interface PolledTopic {
  readonly subscription: StoredSubscription;
  readonly service: DeliveryService;
  readonly grant: GrantRecord;
}

/** The result of comparing a topic with what was delivered. */
interface PollResult {
  /** Entries that no hub has delivered, and that are not overdue. */
  readonly missing: readonly MissingSince[];
  readonly silent?: SilentHubReport | undefined;
}

/**
 * Polls topics at intervals, whatever hubs deliver meanwhile. Delivers the entries that a hub has not delivered in
 * time. The records hold the plans, and what the last poll found missing.
 */
export class Polling implements TopicSinks {
  readonly #context: DeliveryContext;
  readonly #parts: FetchParts;
  readonly #discoveredTopics: DiscoveredTopicCache;

  constructor(context: DeliveryContext, parts: FetchParts) {
    this.#context = context;
    this.#parts = parts;
    this.#discoveredTopics = new DiscoveredTopicCache(context.now);
  }

  /** Keeps the topic content that discovery reads for the first poll. Undefined if no first poll is due. */
  sinkFor({ id, service, fetched }: SubscriptionRecord): TopicContentSink | undefined {
    const { services, maxBodyBytes: maxBytes } = this.#context;
    const { pollSeconds = 0 } = services.get(service)?.delivery ?? {};
    if (pollSeconds === 0 || fetched?.polledAt !== undefined) return undefined;
    return { maxBytes, take: (topic, content) => this.#discoveredTopics.add(id, topic, content) };
  }

  /**
   * Runs the poll of a subscription that is due.
   *
   * @returns when to run again (epoch milliseconds) if its plan stays as it is
   */
  async run(id: string): Promise<number | undefined> {
    const { services, closing, now, logger } = this.#context;
    const { registry, crashGuard } = this.#parts;
    const subscription = registry.get(id);
    if (subscription === undefined || closing.isStopping) return undefined;
    const { record } = subscription;
    const service = services.get(record.service);
    const grant = readableGrant(record);
    const dueAt = record.poll?.at;
    if (service === undefined || grant === undefined || dueAt === undefined) return undefined;
    const { topic } = grant;
    if (!isFetchable(topic)) {
      // A start rejects such a topic in code. This one was stored before `pollSeconds` was set.
      log(logger, 'poll.impossible', { subscription: id, topic });
      await registry.apply(id, { type: 'poll-skipped', dueAt });
      return undefined;
    }
    try {
      const poll = (): Promise<void> => this.#poll({ subscription, service, grant }, dueAt);
      const run = await crashGuard.run(record, topic, poll);
      if (run === 'skipped') await registry.apply(id, { type: 'poll-skipped', dueAt });
      return run === 'busy' ? now() + TOPIC_BUSY_MS : undefined;
    } catch (error) {
      if (closing.isStopping) return undefined;
      log(logger, 'poll.failed', { subscription: id, topic, err: error });
      await registry.apply(id, { type: 'poll-failed', dueAt, notBefore: earliestRetryAt(error) });
      return undefined;
    }
  }

  async #poll(polled: PolledTopic, dueAt: number): Promise<void> {
    const { reader, delivery, registry } = this.#parts;
    const { subscription, grant } = polled;
    const { id, fetched, poll } = subscription.record;
    const { topic } = grant;
    const discovered = this.#discoveredTopics.take(id, topic);
    const known = fetched?.topic === topic && poll?.missing === undefined ? fetched : undefined;
    const content = discovered ?? (await reader.read(subscription.record, grant, 'poll', known));
    if (content === undefined) {
      await registry.apply(id, { type: 'polled', dueAt, fetched: { ...fetched, topic }, missing: [] });
      return;
    }
    const entries = await topicEntries(content, { subscriptionId: id });
    const { isCertain, ...result } = await delivery.runExclusive(id, () =>
      this.#deliverOverdue(polled, content, entries),
    );
    // Validators are stored only if every entry is accounted for. Otherwise the next poll must fetch the content
    // again.
    const validators = result.missing.length === 0 && isCertain ? content.validators : {};
    await registry.apply(id, { type: 'polled', dueAt, fetched: { topic, ...validators }, ...result });
  }

  /** Delivers overdue entries. `isCertain`: no entry in progress can still fail. */
  async #deliverOverdue(
    polled: PolledTopic,
    content: TopicContent,
    entries: readonly TopicEntry[],
  ): Promise<PollResult & { readonly isCertain: boolean }> {
    const { processedLog } = this.#parts;
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
    return { ...(await this.#enqueueLate(polled, content, newEntries)), isCertain: uncertain.length === 0 };
  }

  /** Delivers entries that are missing for longer than the grace time. */
  async #enqueueLate(
    { subscription, service, grant }: PolledTopic,
    content: TopicContent,
    missing: readonly TopicEntry[],
  ): Promise<PollResult> {
    const { delivery, processedLog } = this.#parts;
    const nowMs = this.#context.now();
    const sinceOf = missingSinceOf(subscription.record.poll, nowMs);
    const graceMs = pollGraceMs(service.delivery);
    // Blame the hub only for unknown entries published after its verification. It may skip changes to delivered
    // entries.
    const { verifiedAt = 0 } = grant;
    let unknown = 0;
    const [late, early] = await partition(missing, ({ dedupeKey, at = verifiedAt }) => {
      const isLate = sinceOf(dedupeKey.key) + graceMs <= nowMs;
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
    const stillMissing = (isEnqueued ? early : missing).map(({ dedupeKey: { key } }) => [key, sinceOf(key)] as const);
    const isSilent = isEnqueued && unknown > 0 && isWorking(grant);
    return { missing: stillMissing, silent: isSilent ? { grantId: grant.id, missed: unknown } : undefined };
  }

  #isMissing({ dedupeKey, at }: TopicEntry, fetched: FetchedRecord | undefined): boolean {
    const { processedLog } = this.#parts;
    // An overflowed log has forgotten old entries. Those do not count as missing.
    const isForgotten =
      processedLog.hasOverflowed && at !== undefined && at < (fetched?.polledAt ?? 0) - 2 * POLLED_AT_INTERVAL_MS;
    return !isForgotten && processedLog.isMissing(dedupeKey);
  }

  /**
   * Missing entries dated before this time are baseline. Infinity at the first poll; the time of the last poll if that
   * is long ago; otherwise undefined. While nothing polled, entries that hubs delivered may not have been recorded.
   */
  #baselineBefore({ delivery }: DeliveryService, fetched: FetchedRecord | undefined): number | undefined {
    const { polledAt = Infinity } = fetched ?? {};
    const memoryMs = Math.max(2 * POLLED_AT_INTERVAL_MS, 3000 * delivery.pollSeconds);
    return polledAt < this.#context.now() - memoryMs || polledAt === Infinity ? polledAt : undefined;
  }
}

/** Tells since when an entry is missing (epoch milliseconds), by its key. */
function missingSinceOf(
  { missing = [], othersMissingSince }: PollRecord = {},
  now: number,
): (entryKey: string) => number {
  const known = new Map(missing);
  // After the clock was set back, the stored time may be in the future.
  return (entryKey) => Math.min(known.get(entryKey) ?? othersMissingSince ?? now, now);
}
