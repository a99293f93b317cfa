import type { StoredSubscription } from '../../subscription/registry/registry.js';

/** Milliseconds for which an unsolicited request gets the same answer again, without a handler call. */
const TTL_MS = 60_000;

/** Maximum number of answers per subscription, which has few grants. The oldest are removed first. */
const MAX_PER_SUBSCRIPTION = 64;

interface Recent<T> {
  readonly at: number;
  readonly value: T;
}

/**
 * The answers of a subscription's callbacks in the last minute, in memory.
 *
 * An attacker who knows a callback can send any number of requests. Repeats cost neither a handler call nor a write.
 */
export class RecentAnswers<T> {
  readonly #bySubscription = new WeakMap<StoredSubscription, Map<string, Recent<T>>>();

  /** @param now epoch milliseconds */
  get(subscription: StoredSubscription, key: string, now: number): T | undefined {
    const recent = this.#bySubscription.get(subscription)?.get(key);
    const age = recent === undefined ? Infinity : now - recent.at;
    return recent !== undefined && age >= 0 && age < TTL_MS ? recent.value : undefined;
  }

  set(subscription: StoredSubscription, key: string, value: T, now: number): void {
    const answers = this.#bySubscription.get(subscription) ?? new Map<string, Recent<T>>();
    answers.delete(key);
    answers.set(key, { at: now, value });
    const [oldest] = answers.keys();
    if (answers.size > MAX_PER_SUBSCRIPTION && oldest !== undefined) answers.delete(oldest);
    this.#bySubscription.set(subscription, answers);
  }

  delete(subscription: StoredSubscription, key: string): void {
    this.#bySubscription.get(subscription)?.delete(key);
  }
}

/** Limits the effects of a hub's notices to one a minute per subscription and key. */
export class NoticeThrottle {
  readonly #recent = new RecentAnswers<true>();

  /** Records a notice if the key had none in the last minute, and returns whether it did. */
  claim(subscription: StoredSubscription, key: string, now: number): boolean {
    if (this.#recent.get(subscription, key, now) === true) return false;
    this.note(subscription, key, now);
    return true;
  }

  /** Records a notice. */
  note(subscription: StoredSubscription, key: string, now: number): void {
    this.#recent.set(subscription, key, true, now);
  }
}
