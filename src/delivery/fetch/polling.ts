import type { Timetable } from '../../engine/engine.js';
import { divided, selected } from '../../engine/slices.js';
import { WebSubError } from '../../errors.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { FetchedRecord, GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { isAsking, isWorking } from '../../subscription/machine/state.js';
import { halfJitterWaitMs, TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { FetchingOptions } from './fetching-options.js';
import { notBefore } from './publisher-retry-after.js';
import type { SubscriberHooks } from '../hook-payloads.js';
import type { JustRead } from './discovered-topic-cache.js';
import { topicEntries, type TopicEntry } from './topic-entries.js';
import { isFetchable, readableGrant } from './topic-reader.js';

/** A hub may take so long to deliver what its topic has, in milliseconds; less where the topic is polled more often. */
const LONGEST_GRACE_MS = 300_000;

/** A hub is asked to subscribe again for its silence so often at most, in milliseconds. */
const RESUBSCRIBED_EVERY_MS = 3_600_000;

/** What is known of a topic is noted again when it is so old, in milliseconds. */
const NOTED_EVERY_MS = 86_400_000;

/** Dependencies of polling. */
export interface PollingOptions extends FetchingOptions {
  readonly hooks: SubscriberHooks;
  readonly justRead: Pick<JustRead, 'take' | 'drop'>;
  /** Whether a gap is to be made up for first. */
  readonly isCatchingUp: (subscriptionId: string) => boolean;
}

/** A subscription that is polled. */
interface Polled {
  readonly entry: Entry;
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
    const { engine, now, begin } = options;
    this.#due = engine.timetable((id) => {
      begin(`${id} poll`, () => this.#run(id), 'a topic could not be polled');
    });
    // By a clock that was set back, no wait is longer than it was meant to be.
    engine.onSetBack(() => this.#due.noLaterThan(now()));
  }

  /** Begins to poll a subscription whose service wants that, at some time within its interval; at once where it is new. */
  plan({ id, service, fetched }: SubscriptionRecord): void {
    const { targetOf, now, random } = this.#options;
    const intervalMs = (targetOf(service)?.delivery.pollSeconds ?? 0) * 1000;
    if (intervalMs === 0 || this.#due.has(id)) return;
    this.#due.set(id, now() + (fetched?.polledAt === undefined ? 0 : Math.floor(random() * intervalMs)));
  }

  /** Whether a subscription is to be polled, and was not yet. */
  isFirstToCome({ service, fetched }: SubscriptionRecord): boolean {
    const pollSeconds = this.#options.targetOf(service)?.delivery.pollSeconds ?? 0;
    return pollSeconds > 0 && fetched?.polledAt === undefined;
  }

  async #run(id: string): Promise<void> {
    const { entryOf, targetOf, isCatchingUp, isClosing, now, random, logger } = this.#options;
    const entry = entryOf(id);
    const target = entry && targetOf(entry.record.service);
    if (entry === undefined || target === undefined || isClosing() || !isAsking(entry.record)) return this.#end(id);
    const intervalMs = target.delivery.pollSeconds * 1000;
    const grant = readableGrant(entry.record);
    // Whoever is not known to any hub yet, and whoever is caught up with, is polled a little later.
    if (grant === undefined || isCatchingUp(id)) return this.#due.set(id, now() + Math.min(intervalMs, 10_000));
    if (!isFetchable(grant.topic)) {
      // A start refuses such a topic in the code. This one is in the store, from before `pollSeconds` was set.
      const told =
        'the topic is no http or https URL and is not polled: unsubscribe it, or leave delivery.pollSeconds out';
      logger.warn({ subscription: id, topic: grant.topic }, told);
      return this.#end(id);
    }
    let next = now() + Math.floor(intervalMs * (0.9 + random() / 5));
    try {
      const poll = async (): Promise<void> => {
        if (await this.#poll({ entry, target, grant })) next = now() + graceMs(target);
      };
      const run = await this.#options.marked.run(entry.record, grant.topic, poll);
      if (run === 'busy') next = now() + TOPIC_BUSY_MS;
      // It begins again with the next renewal.
      if (run === 'skipped') return this.#end(id);
      if (run !== 'busy') this.#failures.delete(id);
    } catch (error) {
      if (isClosing()) return;
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      next = Math.max(next, now() + failedPollWaitMs(intervalMs, failures, random()), notBefore(error));
      logger.warn({ subscription: id, topic: grant.topic, err: error }, 'a topic could not be polled');
    }
    this.#due.set(id, next);
  }

  /** Resolves to whether something is missing for which its hub is given time. */
  async #poll({ entry, target, grant }: Polled): Promise<boolean> {
    const { reader, delivery, justRead } = this.#options;
    const { id, fetched } = entry.record;
    const read = justRead.take(id, grant.topic);
    const known = fetched?.topic === grant.topic && !this.#missing.has(id) ? fetched : undefined;
    const content = read ?? (await reader.read(entry.record, grant, 'poll', known));
    if (content === undefined) {
      await this.#note(id, { ...fetched, topic: grant.topic });
      return false;
    }
    const entries = await topicEntries(content, { subscriptionId: id });
    const { open, isSure } = await delivery.inTurn(id, () => this.#compare({ entry, target, grant }, content, entries));
    if (open.length === 0) this.#missing.delete(id);
    // What is missing still, or in hand and may come to nothing, is not what was had: it is fetched once more.
    const validators = open.length === 0 && isSure ? content.validators : {};
    await this.#note(id, { topic: grant.topic, ...validators, polledAt: fetched?.polledAt });
    return open.length > 0;
  }

  /** Hands over what it is time for. `open`: what is missing still; `isSure`: nothing is in hand that may come to nothing. */
  async #compare(
    polled: Polled,
    content: TopicContent,
    entries: readonly TopicEntry[],
  ): Promise<{ readonly open: readonly TopicEntry[]; readonly isSure: boolean }> {
    const { seen } = this.#options;
    const { fetched } = polled.entry.record;
    const missing = await selected(entries, (each) => this.#isMissing(each, fetched));
    await seen.touch(entries.map(({ piece }) => piece));
    const lookedSince = this.#lookedSince(polled.target, fetched);
    // What was there before anybody looked is no news. What does not say when it came may have come since the last look.
    const isOld = ({ at = Infinity }: TopicEntry): boolean =>
      lookedSince === Infinity || at < (lookedSince ?? -Infinity);
    const [old, news] = await divided(missing, isOld);
    await seen.foundOld(old.map(({ piece }) => piece));
    const uncertain = await selected(entries, ({ piece }) => seen.isUncertain(piece));
    return { open: await this.#handOver(polled, content, news), isSure: uncertain.length === 0 };
  }

  /** Hands over what is missing for longer than hubs may take. Resolves to what is missing still. */
  async #handOver(
    polled: Polled,
    content: TopicContent,
    missing: readonly TopicEntry[],
  ): Promise<readonly TopicEntry[]> {
    const { entry, target, grant } = polled;
    const { now, delivery, seen } = this.#options;
    const { id } = entry.record;
    const before = this.#missing.get(id);
    const time = now();
    const since = new Map<string, number>();
    // One that has changed since it was delivered may have done so in a way that its hub thinks nothing of, and what came
    // out before the hub had verified was not for it to deliver.
    const { verifiedAt = 0 } = grant;
    let unknown = 0;
    const [late, early] = await divided(missing, ({ piece, at = verifiedAt }) => {
      const missingSince = Math.min(before?.get(piece.key) ?? time, time);
      since.set(piece.key, missingSince);
      const isLate = missingSince + graceMs(target) <= time;
      if (isLate && seen.isUnknown(piece) && at >= verifiedAt) unknown += 1;
      return isLate;
    });
    const { url, headers, body } = content;
    const only = late.map(({ key }) => key);
    const pieces = late.map(({ piece }) => piece);
    const offered = { url, headers, raw: body };
    const fetched = { source: 'poll', only, dedupeKeys: pieces } as const;
    const isOffered = late.length > 0 && (await delivery.offer(target, entry, grant, offered, fetched));
    if (isOffered && unknown > 0) await this.#blame(polled, unknown);
    const open = isOffered ? early : missing;
    if (open.length > 0) this.#missing.set(id, since);
    return open;
  }

  /** A hub that does not deliver is asked to subscribe again. */
  async #blame({ entry, grant }: Polled, missed: number): Promise<void> {
    const { hooks, logger, now, apply } = this.#options;
    const { record, counters } = entry;
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
    if (sinceThen >= 0 && sinceThen < RESUBSCRIBED_EVERY_MS) return;
    this.#resubscribedAt.set(record.id, now());
    await apply(record.id, { type: 'renewal-wanted', isOwed: true });
  }

  #isMissing({ piece, at }: TopicEntry, fetched: FetchedRecord | undefined): boolean {
    const { seen } = this.#options;
    // An entry that was had to be forgotten is not missed again for that.
    const isForgotten = seen.isFull && at !== undefined && at < (fetched?.polledAt ?? 0) - 2 * NOTED_EVERY_MS;
    return !isForgotten && seen.isMissing(piece);
  }

  /**
   * Since when what a topic has is known, where not all of it is: since now, at the first look; since the last look, where
   * that was so long ago that hubs have delivered what nobody noted. Undefined where all that is missing is news.
   */
  #lookedSince({ delivery }: DeliveryTarget, fetched: FetchedRecord | undefined): number | undefined {
    const { polledAt = Infinity } = fetched ?? {};
    const memoryMs = Math.max(2 * NOTED_EVERY_MS, 3000 * delivery.pollSeconds);
    return polledAt < this.#options.now() - memoryMs || polledAt === Infinity ? polledAt : undefined;
  }

  async #note(id: string, found: FetchedRecord): Promise<void> {
    const { now, apply } = this.#options;
    const isOld = (found.polledAt ?? -Infinity) < now() - NOTED_EVERY_MS;
    const of = { ...found, polledAt: isOld ? now() : found.polledAt };
    await apply(id, { type: 'fetched', beganAt: now(), of });
  }

  #end(id: string): void {
    this.#missing.delete(id);
    this.#resubscribedAt.delete(id);
    this.#failures.delete(id);
    this.#options.justRead.drop(id);
  }
}

function graceMs({ delivery }: DeliveryTarget): number {
  return Math.min(LONGEST_GRACE_MS, delivery.pollSeconds * 1000);
}

/** The wait after failed polls in a row, in milliseconds: starts at the interval, never capped below it. */
function failedPollWaitMs(intervalMs: number, failures: number, random: number): number {
  const capMs = Math.max(intervalMs, TOPIC_FETCH.capMs);
  return halfJitterWaitMs(failures, random, { baseMs: intervalMs, capMs });
}
