import type { Entry } from '../../subscription/registry/registry.js';

/** Within so many milliseconds what nobody asked for is answered as it was before, without asking the service again. */
const REPEATED_FOR_MS = 60_000;

/** A callback has few grants: of more answers than this, the oldest go. */
const MOST_PER_SUBSCRIPTION = 64;

interface Recent<T> {
  readonly at: number;
  readonly value: T;
}

/**
 * Answers of a subscription's callbacks in the last minute, in memory. A stranger who knows a callback can send any number
 * of requests; repeats cost neither a handler call nor a write.
 */
export class RecentAnswers<T> {
  readonly #byEntry = new WeakMap<Entry, Map<string, Recent<T>>>();

  /** @param now epoch milliseconds */
  get(entry: Entry, key: string, now: number): T | undefined {
    const recent = this.#byEntry.get(entry)?.get(key);
    const age = recent === undefined ? Infinity : now - recent.at;
    return recent !== undefined && age >= 0 && age < REPEATED_FOR_MS ? recent.value : undefined;
  }

  set(entry: Entry, key: string, value: T, now: number): void {
    const answers = this.#byEntry.get(entry) ?? new Map<string, Recent<T>>();
    answers.delete(key);
    answers.set(key, { at: now, value });
    const [oldest] = answers.keys();
    if (answers.size > MOST_PER_SUBSCRIPTION && oldest !== undefined) answers.delete(oldest);
    this.#byEntry.set(entry, answers);
  }

  delete(entry: Entry, key: string): void {
    this.#byEntry.get(entry)?.delete(key);
  }
}

/** Limits what a hub's notice causes to once a minute for each subscription and key. */
export class NoticeThrottle {
  readonly #recent = new RecentAnswers<true>();

  /** Whether it has not happened for a minute; from now on it has. */
  claim(entry: Entry, key: string, now: number): boolean {
    if (this.#recent.get(entry, key, now) === true) return false;
    this.note(entry, key, now);
    return true;
  }

  /** It happens now. */
  note(entry: Entry, key: string, now: number): void {
    this.#recent.set(entry, key, true, now);
  }
}
