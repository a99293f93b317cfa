import { forEachInSlices } from '../../engine/slices.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import { InProgressKeys, worstAnswer, type PendingAnswer } from './in-progress-keys.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';
import { isBefore, isNewVersion } from './processed-version.js';
import { ProcessedTable } from './processed-table.js';
import { ProcessedRecords, type ProcessedContext } from './processed-records.js';

/**
 * Minimum milliseconds between two writes of an entry's last-seen time. A feed repeats its entries in every delivery.
 */
const STORE_INTERVAL_MS = 86_400_000;

/** The answer to a hub that sends a duplicate. */
export interface DuplicateAnswer {
  readonly answer: PendingAnswer;
}

/**
 * Dedupe keys that are processed or in progress. Recognizes duplicates from any hub. Content counts as processed only
 * after its handler succeeds.
 *
 * Many keys are handled in slices, to keep the event loop free. A caller that first checks keys and then marks them
 * does both inside the mutex of the subscription.
 */
export class ProcessedLog {
  readonly #context: ProcessedContext;
  readonly #processed: ProcessedRecords;
  readonly #inProgress = new InProgressKeys();
  /** Versions among the dead letters, by key. */
  readonly #deadLettered = new ProcessedTable();
  readonly #pendingWork = new Set<Promise<void>>();

  /** @param maxKeys maximum number of processed keys. The keys seen longest ago are forgotten first */
  constructor(context: ProcessedContext, maxKeys?: number) {
    this.#context = context;
    this.#processed = new ProcessedRecords(context, maxKeys);
  }

  /** Whether old keys were dropped for lack of room. Feeds may still contain those entries. */
  get hasOverflowed(): boolean {
    return this.#processed.hasOverflowed;
  }

  /** Reads the records of previous processes. */
  load(): Promise<void> {
    return this.#processed.load();
  }

  /**
   * Compares an entry with its last processed version. An older version counts as `unchanged`: its delivery was only
   * late.
   */
  changeOf(candidate: DedupeKey): 'new' | 'updated' | 'unchanged' {
    const dedupeKey = this.#withoutFutureDate(candidate);
    const processed = this.#processed.get(dedupeKey.key);
    if (processed === undefined || processed.isBaseline === true) return 'new';
    // Deletion and update dates are independent, so they are not compared with each other.
    const isOlder = processed.deleted === dedupeKey.deleted && isBefore(dedupeKey, processed);
    return processed.version === dedupeKey.version || isOlder ? 'unchanged' : 'updated';
  }

  /**
   * Whether an entry of the topic still needs delivery. No version of it is in progress, and none that is processed,
   * dead-lettered or baseline is at least as new.
   */
  isMissing(candidate: DedupeKey): boolean {
    const dedupeKey = this.#withoutFutureDate(candidate);
    if (this.#inProgress.hasAnyVersion(dedupeKey.key)) return false;
    const processed = this.#processed.get(dedupeKey.key) ?? this.#deadLettered.get(dedupeKey.key);
    return processed === undefined || isNewVersion(processed, dedupeKey);
  }

  /**
   * Like {@link isMissing}, but also true for a baseline entry that no handler has processed. It may have been
   * published during a gap.
   */
  isMissingOrBaseline(dedupeKey: DedupeKey): boolean {
    const isBaseline =
      this.#processed.get(dedupeKey.key)?.isBaseline === true && !this.#inProgress.hasAnyVersion(dedupeKey.key);
    return isBaseline || this.isMissing(dedupeKey);
  }

  /** Whether an entry is in no record: not processed, not in the baseline, not dead-lettered. */
  isUnknown({ key }: DedupeKey): boolean {
    return !this.#processed.has(key) && !this.#deadLettered.has(key);
  }

  /** Whether an entry is in progress and may still fail: it is neither processed nor stored. */
  isUncertain({ key }: DedupeKey): boolean {
    return this.#inProgress.isUncertain(key);
  }

  /**
   * The answer to a duplicate: every key is processed or in progress. Undefined if any key is new or there are no keys.
   *
   * @param windowMs milliseconds for which a whole body counts as processed
   */
  answerToDuplicate(dedupeKeys: readonly DedupeKey[], windowMs: number): Awaitable<DuplicateAnswer | undefined> {
    if (dedupeKeys.length === 0) return undefined;
    const since = this.#context.now() - windowMs;
    const answers: PendingAnswer[] = [];
    let isNew = false;
    const checking = forEachInSlices(dedupeKeys, (dedupeKey) => {
      if (isNew) return;
      const isRecent = !isBodyKey(dedupeKey) || (this.#processed.get(dedupeKey.key)?.at ?? -Infinity) > since;
      if (isRecent && this.changeOf(dedupeKey) === 'unchanged') return;
      const answer = this.#inProgress.answerFor(dedupeKey);
      if (answer === undefined) isNew = true;
      else answers.push(answer);
    });
    return mapAwaitable(checking, () => {
      if (isNew) return undefined;
      return { answer: answers.length === 0 ? ACKNOWLEDGED : worstAnswer(new Set(answers)) };
    });
  }

  /**
   * Marks keys as in progress until they are processed or dead-lettered. If the content could not be stored, the
   * marks are removed and its hub sends it again. Call it in the same exclusive section as the duplicate check.
   *
   * @param onStarted called when the keys are marked and the content is dispatched
   */
  async trackDelivery(
    dedupeKeys: readonly DedupeKey[],
    dispatch: () => PendingAnswer,
    onStarted: () => void = () => {},
  ): Promise<DeliveryAnswer> {
    let start = (): void => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    // Marks come before the dispatch, because a handler may finish at once.
    const answer = started.then(() => {
      const dispatched = dispatch();
      onStarted();
      return dispatched;
    });
    const marking = forEachInSlices(dedupeKeys, (dedupeKey) => this.#inProgress.set(dedupeKey, answer));
    if (marking !== undefined) await marking;
    start();
    const settledAnswer = await answer;
    await forEachInSlices(dedupeKeys, (dedupeKey) => {
      if (this.#inProgress.answerFor(dedupeKey) !== answer) return;
      if (settledAnswer.type === 'acknowledged') this.#inProgress.set(dedupeKey, ACKNOWLEDGED);
      else this.#inProgress.delete(dedupeKey);
    });
    return settledAnswer;
  }

  /** Marks keys as in progress for an event that waits in the store. */
  markEnqueued(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    return forEachInSlices(dedupeKeys, (dedupeKey) => {
      this.#deadLettered.delete(dedupeKey.key);
      this.#inProgress.set(dedupeKey, ACKNOWLEDGED);
    });
  }

  /** Marks keys as processed. If the store fails, only this process remembers them. */
  markProcessed(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#context.now();
    return this.#trackWork(
      forEachInSlices(dedupeKeys, (dedupeKey) => {
        const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
        this.#inProgress.delete(dedupeKey);
        this.#deadLettered.delete(key);
        const previous = this.#processed.get(key);
        // A late older version does not replace a newer one.
        const latest =
          previous !== undefined && this.changeOf(dedupeKey) === 'unchanged' ? previous : { version, updated, deleted };
        const isStored = latest === previous && at - previous.storedAt < STORE_INTERVAL_MS && !isBodyKey(dedupeKey);
        this.#processed.put(
          key,
          { ...latest, at, storedAt: isStored ? previous.storedAt : at },
          { inStore: !isStored },
        );
      }),
    );
  }

  /**
   * Marks old entries of a topic, such as those from before the first poll. Polling ignores these versions. A hub's
   * delivery of one is `new`.
   */
  markBaseline(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#context.now();
    return forEachInSlices(dedupeKeys, (dedupeKey) => {
      const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
      if (this.#processed.has(key)) return;
      this.#processed.put(key, { at, version, updated, deleted, isBaseline: true, storedAt: at }, { inStore: true });
    });
  }

  /**
   * Updates the last-seen time of entries that a topic still contains. Entries that a topic no longer has are
   * forgotten first.
   */
  touch(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#context.now();
    return forEachInSlices(dedupeKeys, ({ key }) => {
      const processed = this.#processed.get(key);
      if (processed === undefined) return;
      const isStored = at - processed.storedAt < STORE_INTERVAL_MS;
      this.#processed.put(
        key,
        { ...processed, at, storedAt: isStored ? processed.storedAt : at },
        { inStore: !isStored },
      );
    });
  }

  /** Marks keys as dead-lettered. Polls and catch-ups ignore them. Content that a hub sends again is dispatched. */
  markDeadLettered(dedupeKeys: readonly DedupeKey[]): void {
    const { maxKeys } = this.#processed;
    const at = this.#context.now();
    void this.#trackWork(
      forEachInSlices(dedupeKeys, (dedupeKey) => {
        const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
        this.#inProgress.delete(dedupeKey);
        this.#deadLettered.set(key, { at, version, updated, deleted, storedAt: at });
        if (this.#deadLettered.size > maxKeys) this.#deadLettered.delete(this.#deadLettered.oldest() ?? key);
      }),
    );
  }

  /** Forgets bodies last seen before a time, in epoch milliseconds. */
  sweep(olderThan: number): void {
    void this.#trackWork(
      forEachInSlices(this.#processed.keys(), (key) => {
        const processed = this.#processed.get(key);
        if (processed !== undefined && processed.at < olderThan && isBodyKey({ key, version: processed.version }))
          this.#processed.forget(key);
      }),
    );
  }

  /** Resolves when all records are in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#pendingWork.size > 0) await Promise.all(this.#pendingWork);
    await this.#processed.settled();
  }

  /** Makes {@link settled} wait for the work. */
  #trackWork(work: Awaitable<void>): Awaitable<void> {
    if (!(work instanceof Promise)) return undefined;
    const pending = work.finally(() => this.#pendingWork.delete(pending));
    this.#pendingWork.add(pending);
    return pending;
  }

  /** Drops a date in the future. A later correction with a true date would look older. */
  #withoutFutureDate(dedupeKey: DedupeKey): DedupeKey {
    const { updated = -Infinity } = dedupeKey;
    return updated > this.#context.now() ? { ...dedupeKey, updated: undefined } : dedupeKey;
  }
}
