import type { SubscriptionStats } from './snapshot.js';

/** Counters that are missing in records of earlier versions. */
type LaterCounter = 'missed' | 'refused' | 'duplicates';

/** The stored form of the counters. `lastEventAt` is in epoch milliseconds. */
export type StoredStats = Omit<SubscriptionStats, 'lastEventAt' | LaterCounter> & {
  readonly [Counter in LaterCounter]?: number | undefined;
} & {
  readonly lastEventAt?: number | undefined;
};

/** The counters of one subscription, in memory. They are stored with the next write of its record, or in a batch. */
export class Counters {
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
  constructor(
    id: string,
    unsaved: Set<string>,
    stored: StoredStats = { received: 0, rejected: 0, delivered: 0, failed: 0 },
  ) {
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

  /** The counters in their stored form. */
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
