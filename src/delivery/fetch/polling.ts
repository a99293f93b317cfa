import type { Timetable } from '../../engine/engine.js';
import { partition, filterInSlices } from '../../engine/slices.js';
import { WebSubError } from '../../errors.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { isEnabled, isWorking } from '../../subscription/machine/state.js';
import { halfJitterWaitMs, TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { FetchingOptions } from './fetching-options.js';
import { earliestRetryAt } from './publisher-retry-after.js';
import type { SubscriberHooks } from '../hook-payloads.js';
import type { DiscoveredTopicCache } from './discovered-topic-cache.js';
import { topicEntries, type TopicEntry } from './topic-entries.js';
import { isFetchable, readableGrant } from './topic-reader.js';

/** A hub may take so long to deliver what its topic has, in milliseconds; less where the topic is polled more often. */
const MAX_GRACE_MS = 300_000;

/** A hub is asked to subscribe again for its silence so often at most, in milliseconds. */
const RESUBSCRIBE_INTERVAL_MS = 3_600_000;

/** What is known of a topic is noted again when it is so old, in milliseconds. */
const RECORD_INTERVAL_MS = 86_400_000;

/** Dependencies of polling. */
export interface PollingOptions extends FetchingOptions {
  readonly hooks: SubscriberHooks;
  readonly discoveredTopics: Pick<DiscoveredTopicCache, 'take' | 'drop'>;
  /** Whether a gap is to be made up for first. */
  readonly isCatchingUp: (subscriptionId: string) => boolean;
}

/** A subscription that is polled. */
interface PolledTopic {
  readonly subscription: StoredSubscription;
  readonly target: DeliveryTarget;
  readonly grant: GrantRecord;
}

/** Fetches topics at intervals, whatever hubs deliver meanwhile, and hands over what their hub has not delivered in time. */
export class Polling {
  readonly #options: PollingOptions;
  readonly #due: Timetable;
  /** Since when entries of a subscription's topic are missing, by key; epoch milliseconds. */
  readonly #missing = new Map<string, ReadonlyMap<string, number>>();
  readonly #resubscribedAt = new Map<string, number>();
  /** Polls in a row that failed, by subscription. */
  readonly #failures = new Map<string, number>();

  constructor(options: PollingOptions) {
    this.#options = options;
    const { engine, now, startTask } = options;
    this.#due = engine.timetable((id) => {
      startTask(`${id} poll`, () => this.#run(id), 'a topic could not be polled');
    });
    // By a clock that was set back, no wait is longer than it was meant to be.
    engine.onClockSetBack(() => this.#due.bringForwardTo(now()));
  }

  /** Begins to poll a subscription whose service wants that, at some time within its interval; at once where it is new. */
  schedule({ id, service, fetched }: SubscriptionRecord): void {
    const { targetOf, now, random } = this.#options;
    const intervalMs = (targetOf(service)?.delivery.pollSeconds ?? 0) * 1000;
    if (intervalMs === 0 || this.#due.has(id)) return;
    this.#due.set(id, now() + (fetched?.polledAt === undefined ? 0 : Math.floor(random() * intervalMs)));
  }

  /** Whether a subscription is to be polled, and was not yet. */
  isFirstPollPending({ service, fetched }: SubscriptionRecord): boolean {
    const pollSeconds = this.#options.targetOf(service)?.delivery.pollSeconds ?? 0;
    return pollSeconds > 0 && fetched?.polledAt === undefined;
  }

  async #run(id: string): Promise<void> {
    const { subscriptionOf, targetOf, isCatchingUp, isClosing, now, random, logger } = this.#options;
    const subscription = subscriptionOf(id);
    const target = subscription && targetOf(subscription.record.service);
    if (subscription === undefined || target === undefined || isClosing() || !isEnabled(subscription.record))
      return this.#end(id);
    const intervalMs = target.delivery.pollSeconds * 1000;
    const grant = readableGrant(subscription.record);
    // Whoever is not known to any hub yet, and whoever is caught up with, is polled a little later.
    if (grant === undefined || isCatchingUp(id)) return this.#due.set(id, now() + Math.min(intervalMs, 10_000));
    if (!isFetchable(grant.topic)) {
      // A start refuses such a topic in the code. This one is in the store, from before `pollSeconds` was set.
      const message =
        'the topic is no http or https URL and is not polled: unsubscribe it, or leave delivery.pollSeconds out';
      logger.warn({ subscription: id, topic: grant.topic }, message);
      return this.#end(id);
    }
    let next = now() + Math.floor(intervalMs * (0.9 + random() / 5));
    try {
      const poll = async (): Promise<void> => {
        if (await this.#poll({ subscription, target, grant })) next = now() + graceMs(target);
      };
      const run = await this.#options.crashGuard.run(subscription.record, grant.topic, poll);
      if (run === 'busy') next = now() + TOPIC_BUSY_MS;
      // It begins again with the next renewal.
      if (run === 'skipped') return this.#end(id);
      if (run !== 'busy') this.#failures.delete(id);
    } catch (error) {
      if (isClosing()) return;
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      next = Math.max(next, now() + failedPollWaitMs(intervalMs, failures, random()), earliestRetryAt(error));
      logger.warn({ subscription: id, topic: grant.topic, err: error }, 'a topic could not be polled');
    }
    this.#due.set(id, next);
  }

  /** Resolves to whether something is missing for which its hub is given time. */
  async #poll({ subscription, target, grant }: PolledTopic): Promise<boolean> {
    const { reader, delivery, discoveredTopics } = this.#options;
    const { id, fetched } = subscription.record;
    const read = discoveredTopics.take(id, grant.topic);
    const known = fetched?.topic === grant.topic && !this.#missing.has(id) ? fetched : undefined;
    const content = read ?? (await reader.read(subscription.record, grant, 'poll', known));
    if (content === undefined) {
      await this.#recordFetch(id, { ...fetched, topic: grant.topic });
      return false;
    }
    const entries = await topicEntries(content, { subscriptionId: id });
    const { open, isSure } = await delivery.runExclusive(id, () =>
      this.#compare({ subscription, target, grant }, content, entries),
    );
    if (open.length === 0) this.#missing.delete(id);
    // What is missing still, or in hand and may come to nothing, is not what was had: it is fetched once more.
    const validators = open.length === 0 && isSure ? content.validators : {};
    await this.#recordFetch(id, { topic: grant.topic, ...validators, polledAt: fetched?.polledAt });
    return open.length > 0;
  }

  /** Hands over what it is time for. `open`: what is missing still; `isSure`: nothing is in hand that may come to nothing. */
  async #compare(
    polled: PolledTopic,
    content: TopicContent,
    entries: readonly TopicEntry[],
  ): Promise<{ readonly open: readonly TopicEntry[]; readonly isSure: boolean }> {
    const { processedLog } = this.#options;
    const { fetched } = polled.subscription.record;
    const missing = await filterInSlices(entries, (each) => this.#isMissing(each, fetched));
    await processedLog.touch(entries.map(({ dedupeKey }) => dedupeKey));
    const watchedSince = this.#watchedSince(polled.target, fetched);
    // What was there before anybody looked is no news. What does not say when it came may have come since the last look.
    const isOld = ({ at = Infinity }: TopicEntry): boolean =>
      watchedSince === Infinity || at < (watchedSince ?? -Infinity);
    const [baseline, newEntries] = await partition(missing, isOld);
    await processedLog.markBaseline(baseline.map(({ dedupeKey }) => dedupeKey));
    const uncertain = await filterInSlices(entries, ({ dedupeKey }) => processedLog.isUncertain(dedupeKey));
    return { open: await this.#enqueueLate(polled, content, newEntries), isSure: uncertain.length === 0 };
  }

  /** Hands over what is missing for longer than hubs may take. Resolves to what is missing still. */
  async #enqueueLate(
    polled: PolledTopic,
    content: TopicContent,
    missing: readonly TopicEntry[],
  ): Promise<readonly TopicEntry[]> {
    const { subscription, target, grant } = polled;
    const { now, delivery, processedLog } = this.#options;
    const { id } = subscription.record;
    const before = this.#missing.get(id);
    const time = now();
    const since = new Map<string, number>();
    // One that has changed since it was delivered may have done so in a way that its hub thinks nothing of, and what came
    // out before the hub had verified was not for it to deliver.
    const { verifiedAt = 0 } = grant;
    let unknown = 0;
    const [late, early] = await partition(missing, ({ dedupeKey, at = verifiedAt }) => {
      const missingSince = Math.min(before?.get(dedupeKey.key) ?? time, time);
      since.set(dedupeKey.key, missingSince);
      const isLate = missingSince + graceMs(target) <= time;
      if (isLate && processedLog.isUnknown(dedupeKey) && at >= verifiedAt) unknown += 1;
      return isLate;
    });
    const { url, headers, body } = content;
    const newEntryKeys = late.map(({ key }) => key);
    const dedupeKeys = late.map(({ dedupeKey }) => dedupeKey);
    const newContent = { url, headers, raw: body };
    const fetched = { source: 'poll', newEntryKeys, dedupeKeys } as const;
    const isEnqueued =
      late.length > 0 && (await delivery.enqueueFetched(target, subscription, grant, newContent, fetched));
    if (isEnqueued && unknown > 0) await this.#reportSilentHub(polled, unknown);
    const open = isEnqueued ? early : missing;
    if (open.length > 0) this.#missing.set(id, since);
    return open;
  }

  /** A hub that does not deliver is asked to subscribe again. */
  async #reportSilentHub({ subscription, grant }: PolledTopic, missed: number): Promise<void> {
    const { hooks, logger, now, apply } = this.#options;
    const { record, counters } = subscription;
    const { hub, topic } = grant;
    if (!isWorking(grant)) return;
    counters.missed(missed);
    const what = `${hub} did not deliver ${missed} of the entries of ${topic}: handed over as they were polled`;
    logger.warn({ subscription: record.id, hub, topic, missed }, `hub ${what}`);
    hooks.emit('hub-silent', () => ({
      subscription: subscriptionSnapshot(record, counters.stats()),
      grant: grantSnapshot(grant),
      error: new WebSubError(`Hub ${what}.`),
      at: new Date(now()),
    }));
    await apply(record.id, { type: 'hub-silent', grantId: grant.id });
    const sinceThen = now() - (this.#resubscribedAt.get(record.id) ?? -Infinity);
    // By a clock that was set back it was not yet.
    if (sinceThen >= 0 && sinceThen < RESUBSCRIBE_INTERVAL_MS) return;
    this.#resubscribedAt.set(record.id, now());
    await apply(record.id, { type: 'renewal-wanted', isOwed: true });
  }

  #isMissing({ dedupeKey, at }: TopicEntry, fetched: FetchedRecord | undefined): boolean {
    const { processedLog } = this.#options;
    // An entry that was had to be forgotten is not missed again for that.
    const isForgotten =
      processedLog.isFull && at !== undefined && at < (fetched?.polledAt ?? 0) - 2 * RECORD_INTERVAL_MS;
    return !isForgotten && processedLog.isMissing(dedupeKey);
  }

  /**
   * Since when what a topic has is known, where not all of it is: since now, at the first look; since the last look, where
   * that was so long ago that hubs have delivered what nobody noted. Undefined where all that is missing is news.
   */
  #watchedSince({ delivery }: DeliveryTarget, fetched: FetchedRecord | undefined): number | undefined {
    const { polledAt = Infinity } = fetched ?? {};
    const memoryMs = Math.max(2 * RECORD_INTERVAL_MS, 3000 * delivery.pollSeconds);
    return polledAt < this.#options.now() - memoryMs || polledAt === Infinity ? polledAt : undefined;
  }

  async #recordFetch(id: string, fetched: FetchedRecord): Promise<void> {
    const { now, apply } = this.#options;
    const isOld = (fetched.polledAt ?? -Infinity) < now() - RECORD_INTERVAL_MS;
    const updated = { ...fetched, polledAt: isOld ? now() : fetched.polledAt };
    await apply(id, { type: 'fetched', beganAt: now(), fetched: updated });
  }

  #end(id: string): void {
    this.#missing.delete(id);
    this.#resubscribedAt.delete(id);
    this.#failures.delete(id);
    this.#options.discoveredTopics.drop(id);
  }
}

function graceMs({ delivery }: DeliveryTarget): number {
  return Math.min(MAX_GRACE_MS, delivery.pollSeconds * 1000);
}

/** The wait after failed polls in a row, in milliseconds: starts at the interval, never capped below it. */
function failedPollWaitMs(intervalMs: number, failures: number, random: number): number {
  const capMs = Math.max(intervalMs, TOPIC_FETCH.capMs);
  return halfJitterWaitMs(failures, random, { baseMs: intervalMs, capMs });
}
