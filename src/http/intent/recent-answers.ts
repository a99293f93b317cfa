import type { StoredSubscription } from '../../subscription/registry/registry.js';

/** Within so many milliseconds what nobody asked for is answered as it was before, without asking the service again. */
const TTL_MS = 60_000;

/** A callback has few grants: of more answers than this, the oldest go. */
const MAX_PER_SUBSCRIPTION = 64;

interface Recent<T> {
  readonly at: number;
  readonly value: T;
}

/**
 * Answers of a subscription's callbacks in the last minute, in memory. A stranger who knows a callback can send any number
 * of requests; repeats cost neither a handler call nor a write.
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

/** Limits what a hub's notice causes to once a minute for each subscription and key. */
export class NoticeThrottle {
  readonly #recent = new RecentAnswers<true>();

  /** Whether it has not happened for a minute; from now on it has. */
  claim(entry: StoredSubscription, key: string, now: number): boolean {
    if (this.#recent.get(entry, key, now) === true) return false;
    this.note(entry, key, now);
    return true;
  }

  /** It happens now. */
  note(entry: StoredSubscription, key: string, now: number): void {
    this.#recent.set(entry, key, true, now);
  }
}
