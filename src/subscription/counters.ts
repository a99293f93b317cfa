import type { SubscriptionStats } from './snapshot.js';

/** The stored form of the counters; `lastEventAt` in epoch milliseconds. */
export type StoredStats = Omit<SubscriptionStats, 'lastEventAt' | 'missed'> & {
  readonly missed?: number | undefined;
  readonly lastEventAt?: number | undefined;
};

/** Counters of one subscription, in memory; they are written to the store with the next record, or in a batch. */
export class Counters {
  #received: number;
  #rejected: number;
  #delivered: number;
  #failed: number;
  #missed: number;
  #lastEventAt: number | undefined;
  readonly #id: string;
  readonly #unstored: Set<string>;

  /**
   * @param id the subscription's
   * @param unstored takes the id in when the counters begin to differ from what is stored
   */
  constructor(
    id: string,
    unstored: Set<string>,
    stored: StoredStats = { received: 0, rejected: 0, delivered: 0, failed: 0 },
  ) {
    this.#id = id;
    this.#unstored = unstored;
    this.#received = stored.received;
    this.#rejected = stored.rejected;
    this.#delivered = stored.delivered;
    this.#failed = stored.failed;
    this.#missed = stored.missed ?? 0;
    this.#lastEventAt = stored.lastEventAt;
  }

  received(now: number): void {
    this.#received += 1;
    this.#lastEventAt = now;
    this.#unstored.add(this.#id);
  }

  rejected(): void {
    this.#rejected += 1;
    this.#unstored.add(this.#id);
  }

  delivered(): void {
    this.#delivered += 1;
    this.#unstored.add(this.#id);
  }

  failed(): void {
    this.#failed += 1;
    this.#unstored.add(this.#id);
  }

  missed(entries: number): void {
    this.#missed += entries;
    this.#unstored.add(this.#id);
  }

  /** For the store. */
  stored(): StoredStats & Pick<SubscriptionStats, 'missed'> {
    return {
      received: this.#received,
      rejected: this.#rejected,
      delivered: this.#delivered,
      failed: this.#failed,
      missed: this.#missed,
      lastEventAt: this.#lastEventAt,
    };
  }

  /** For the user. */
  stats(): SubscriptionStats {
    const { lastEventAt, ...counts } = this.stored();
    return lastEventAt === undefined ? counts : { ...counts, lastEventAt: new Date(lastEventAt) };
  }
}
