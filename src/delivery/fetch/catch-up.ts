import type { Timetable } from '../../engine/engine.js';
import { selected } from '../../engine/slices.js';
import { isFinal, type TopicContent } from '../../hub/discovery/fetch-topic.js';
import type { FetchedRecord, GrantRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import { isAsking } from '../../subscription/machine/state.js';
import { retryWaitMs, TOPIC_BUSY_MS, TOPIC_FETCH } from '../../subscription/retry-policy.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { FetchingOptions } from './fetching-options.js';
import { notBefore } from './publisher-retry-after.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import { newAfter, topicEntries, type TopicEntry } from './topic-entries.js';
import { isFetchable, readableGrant } from './topic-reader.js';
import { WaitingEntries, type PiecesOf } from './waiting-entries.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';

/** A gap that is to be made up for. Times are epoch milliseconds. */
interface Gap {
  readonly since: number;
  readonly wantedAt: number;
  readonly attempts: number;
}

/** What a topic had. */
interface Found {
  readonly entry: Entry;
  readonly grant: GrantRecord;
  readonly content: TopicContent;
}

/** Dependencies of making up for gaps. */
export interface CatchUpOptions extends FetchingOptions {
  /** The events of a subscription that wait in the inbox, the latest first. */
  readonly waitingEvents: (subscriptionId: string) => readonly WaitingEvent[];
  /** Reads one of them; undefined where it is there no more, or cannot be read. */
  readonly readEvent: (id: string) => Promise<StoredEvent | undefined>;
  readonly piecesOf: PiecesOf;
}

/** Fetches topics after gaps, and hands over what was missed of them (PROTOCOL L3). */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #due: Timetable;
  readonly #gaps = new Map<string, Gap>();
  /** The entries that waiting events bring during a gap, by subscription. */
  readonly #waiting = new Map<string, WaitingEntries>();

  constructor(options: CatchUpOptions) {
    this.#options = options;
    const { engine, now, begin } = options;
    this.#due = engine.timetable((id) => {
      begin(`${id} catch-up`, () => this.#run(id), 'what was missed could not be fetched');
    });
    engine.onSetBack(() => this.#due.noLaterThan(now() + TOPIC_FETCH.capMs));
  }

  /**
   * Has the topic of a subscription fetched for what was missed.
   *
   * @param since since when, in epoch milliseconds
   * @param at when to fetch it
   */
  want(subscriptionId: string, since: number, at: number): void {
    const before = this.#gaps.get(subscriptionId);
    const now = this.#options.now();
    // A clock that was set back has not been there yet.
    const earliest = Math.min(since, before?.since ?? since, now);
    this.#gaps.set(subscriptionId, { since: earliest, wantedAt: now, attempts: 0 });
    this.#due.set(subscriptionId, at);
  }

  /** A topic that was skipped is fetched again. */
  resume(subscriptionId: string): void {
    if (this.#gaps.has(subscriptionId)) this.#due.set(subscriptionId, this.#options.now());
  }

  /** An event of the inbox is run now: when the topic is fetched, it may wait no more. */
  noteRun(event: StoredEvent): void {
    const { subscriptionId, service } = event.meta;
    const delivery = this.#gaps.has(subscriptionId) ? this.#options.targetOf(service)?.delivery : undefined;
    if (delivery !== undefined && !keepsSeen(delivery)) this.#waitingOf(subscriptionId).note(event);
  }

  /** Whether a subscription has a gap that is not made up for. */
  isWanted(subscriptionId: string): boolean {
    return this.#gaps.has(subscriptionId);
  }

  /** Since when some news may be missing that nobody has tried to fetch; undefined where none is. */
  get behindSince(): number | undefined {
    let earliest: number | undefined;
    for (const { since, attempts } of this.#gaps.values()) {
      if (attempts === 0) earliest = Math.min(since, earliest ?? since);
    }
    return earliest;
  }

  async #run(id: string): Promise<void> {
    const { entryOf, targetOf, isClosing } = this.#options;
    const gap = this.#gaps.get(id);
    if (gap === undefined || isClosing()) return;
    const entry = entryOf(id);
    const target = entry && targetOf(entry.record.service);
    const grant = entry && readableGrant(entry.record);
    const isMeant = target?.delivery.catchUp === true && entry !== undefined && isAsking(entry.record);
    if (!isMeant || grant === undefined || !isFetchable(grant.topic)) {
      this.#end(id);
      return;
    }
    const fetch = (): Promise<void> => this.#fetch(gap, target, entry, grant);
    const run = await this.#options.marked.run(entry.record, grant.topic, fetch);
    if (run === 'busy') this.#due.set(id, this.#options.now() + TOPIC_BUSY_MS);
    if (run === 'skipped') await this.#skip(id, gap);
  }

  async #fetch(gap: Gap, target: DeliveryTarget, entry: Entry, grant: GrantRecord): Promise<void> {
    const { now, reader, logger, apply } = this.#options;
    const { id, fetched } = entry.record;
    const { topic } = grant;
    const known = fetched?.topic === topic ? fetched : undefined;
    const beganAt = now();
    let of: FetchedRecord = { topic, polledAt: fetched?.polledAt };
    try {
      const content = await reader.read(entry.record, grant, 'catch-up', known);
      if (content !== undefined && !(await this.#offer(gap, target, { entry, grant, content }))) {
        return this.#later(id, gap);
      }
      of = content === undefined ? (known ?? of) : { ...of, ...content.validators };
    } catch (error) {
      if (this.#options.isClosing()) return;
      const isWorthwhile = !isFinal(error) && now() - gap.wantedAt < TOPIC_FETCH.giveUpAfterMs;
      const fields = { subscription: id, topic, err: error };
      const since = new Date(gap.since).toISOString();
      if (isWorthwhile) {
        logger.info(fields, `what was published since ${since} cannot be fetched now: tried again later`);
        return this.#later(id, gap, notBefore(error));
      }
      logger.warn(fields, `what was published since ${since} cannot be fetched: what no hub sent is missing`);
    }
    if (this.#gaps.get(id) === gap) this.#end(id);
    await apply(id, { type: 'fetched', since: gap.since, beganAt, of });
  }

  /** Resolves to whether what is new, if anything, is kept for the handler, and will not be lost by what is in hand. */
  async #offer(gap: Gap, target: DeliveryTarget, found: Found): Promise<boolean> {
    const { id } = found.entry.record;
    const entries = await topicEntries(found.content, { subscriptionId: id });
    return this.#options.delivery.inTurn(id, () => this.#offerNew(gap, target, found, entries));
  }

  async #offerNew(
    { since }: Gap,
    target: DeliveryTarget,
    { entry, grant, content }: Found,
    entries: readonly TopicEntry[],
  ): Promise<boolean> {
    const { seen, delivery, logger, now } = this.#options;
    const { id, createdAt, firstVerifiedAt: subscribedAt = createdAt } = entry.record;
    const { topic } = grant;
    const isRemembered = keepsSeen(target.delivery);
    const isMissing = seen.isMissingOrOld.bind(seen);
    const uncertain = await selected(entries, ({ piece }) => seen.isUncertain(piece));
    const isSure = uncertain.length === 0;
    const rule = { since, subscribedAt, now: now(), keepsSeen: isRemembered, isMissing };
    const found = await newAfter(entries, rule);
    // Remembered entries include those of waiting events.
    const news = isRemembered || found.length === 0 ? found : await this.#notWaiting(id, found);
    logger[news.length > 0 ? 'info' : 'debug'](
      { subscription: id, topic, since: new Date(since).toISOString(), entries: entries.length, new: news.length },
      'the topic was fetched after a gap',
    );
    if (news.length === 0) return isSure;
    const { url, headers, body } = content;
    const only = news.map(({ key }) => key);
    const pieces = news.map(({ piece }) => piece);
    const offered = { url, headers, raw: body };
    const fetched = { source: 'catch-up', only, dedupeKeys: pieces } as const;
    const isKept = await delivery.offer(target, entry, grant, offered, fetched);
    return isKept && isSure;
  }

  /** The entries that no event in the inbox brings. */
  async #notWaiting(id: string, entries: readonly TopicEntry[]): Promise<readonly TopicEntry[]> {
    const { waitingEvents, readEvent } = this.#options;
    const waiting = this.#waitingOf(id);
    for (const event of waitingEvents(id)) {
      const stored = waiting.wants(event) ? await readEvent(event.id) : undefined;
      if (stored !== undefined) waiting.note(stored);
    }
    await waiting.settled();
    return selected(entries, ({ piece }) => !waiting.has(piece));
  }

  #waitingOf(id: string): WaitingEntries {
    const waiting = this.#waiting.get(id) ?? new WaitingEntries(this.#options.piecesOf);
    this.#waiting.set(id, waiting);
    return waiting;
  }

  #end(id: string): void {
    this.#gaps.delete(id);
    this.#waiting.delete(id);
  }

  /** What cannot be fetched now is noted with its subscription, and no other is fetched for it after a restart. */
  async #later(id: string, gap: Gap, earliest = 0): Promise<void> {
    if (this.#gaps.get(id) !== gap) return;
    const { now, random, apply } = this.#options;
    const attempts = gap.attempts + 1;
    this.#due.set(id, Math.max(now() + retryWaitMs(attempts, random(), TOPIC_FETCH), earliest));
    await apply(id, { type: 'missed', since: gap.since });
    if (this.#gaps.get(id) === gap) this.#gaps.set(id, { ...gap, attempts });
  }

  /** The gap stays open until the topic may be fetched again, and holds back nothing else. */
  async #skip(id: string, gap: Gap): Promise<void> {
    await this.#options.apply(id, { type: 'missed', since: gap.since });
    if (this.#gaps.get(id) === gap) this.#gaps.set(id, { ...gap, attempts: gap.attempts + 1 });
  }
}

/** Whether all that a service was handed is remembered, by its entries. */
function keepsSeen({ dedupe, pollSeconds }: CheckedDeliveryConfig): boolean {
  return dedupe === 'entries' || pollSeconds > 0;
}
