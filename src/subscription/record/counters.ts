import type { SubscriptionStats } from './snapshot.js';

/** Counters that are missing in records of earlier versions. */
type LaterCounter = 'missed' | 'refused' | 'duplicates';

/** The stored form of the counters. `lastEventAt` is in epoch milliseconds. */
export type StoredStats = Omit<SubscriptionStats, 'lastEventAt' | LaterCounter> & {
  readonly [Counter in LaterCounter]?: number | undefined;
} & {
  readonly lastEventAt?: number | undefined;
};

/** The counts of a subscription without any. */
export const NO_STATS: StoredStats = { received: 0, rejected: 0, delivered: 0, failed: 0 };

/** The counters of one subscription, in memory. They are stored in a batch. */
export class Counters {
  /** The counts in the subscription's record. They never change: later ones are stored apart. */
  readonly base: StoredStats;
  #received: number;
  #rejected: number;
  #refused: number;
  #delivered: number;
  #failed: number;
  #duplicates: number;
  #missed: number;
  #lastEventAt: number | undefined;
  readonly #id: string;
  readonly #unsaved: Set<string>;

  /**
   * @param id id of the subscription
   * @param unsaved ids with unsaved counters; each change adds this id
   */
  constructor(id: string, unsaved: Set<string>, stored: StoredStats = NO_STATS) {
    this.base = stored;
    this.#id = id;
    this.#unsaved = unsaved;
    this.#received = stored.received;
    this.#rejected = stored.rejected;
    this.#refused = stored.refused ?? 0;
    this.#delivered = stored.delivered;
    this.#failed = stored.failed;
    this.#duplicates = stored.duplicates ?? 0;
    this.#missed = stored.missed ?? 0;
    this.#lastEventAt = stored.lastEventAt;
  }

  received(now: number): void {
    this.#received += 1;
    this.#lastEventAt = now;
    this.#unsaved.add(this.#id);
  }

  rejected(): void {
    this.#rejected += 1;
    this.#unsaved.add(this.#id);
  }

  refused(): void {
    this.#refused += 1;
    this.#unsaved.add(this.#id);
  }

  delivered(): void {
    this.#delivered += 1;
    this.#unsaved.add(this.#id);
  }

  failed(): void {
    this.#failed += 1;
    this.#unsaved.add(this.#id);
  }

  duplicate(): void {
    this.#duplicates += 1;
    this.#unsaved.add(this.#id);
  }

  missed(entries: number): void {
    this.#missed += entries;
    this.#unsaved.add(this.#id);
  }

  /** Adds counts that were stored apart from the subscription's record. */
  restore(stored: StoredStats): void {
    this.#received += stored.received;
    this.#rejected += stored.rejected;
    this.#refused += stored.refused ?? 0;
    this.#delivered += stored.delivered;
    this.#failed += stored.failed;
    this.#duplicates += stored.duplicates ?? 0;
    this.#missed += stored.missed ?? 0;
    this.#lastEventAt = stored.lastEventAt ?? this.#lastEventAt;
  }

  /** The counts that the subscription's record does not have. */
  sinceBase(): StoredStats {
    const { base } = this;
    return {
      received: this.#received - base.received,
      rejected: this.#rejected - base.rejected,
      refused: this.#refused - (base.refused ?? 0),
      delivered: this.#delivered - base.delivered,
      failed: this.#failed - base.failed,
      duplicates: this.#duplicates - (base.duplicates ?? 0),
      missed: this.#missed - (base.missed ?? 0),
      lastEventAt: this.#lastEventAt,
    };
  }

  /** All counts. */
  stored(): StoredStats & Pick<SubscriptionStats, LaterCounter> {
    return {
      received: this.#received,
      rejected: this.#rejected,
      refused: this.#refused,
      delivered: this.#delivered,
      failed: this.#failed,
      duplicates: this.#duplicates,
      missed: this.#missed,
      lastEventAt: this.#lastEventAt,
    };
  }

  /** The counters as users see them. */
  stats(): SubscriptionStats {
    const { lastEventAt, ...counts } = this.stored();
    return lastEventAt === undefined ? counts : { ...counts, lastEventAt: new Date(lastEventAt) };
  }
}
