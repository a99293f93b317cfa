import { forEachInSlices } from '../../engine/slices.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import { InProgressKeys, worstAnswer, type PendingAnswer } from './in-progress-keys.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';
import { isBefore, isNewVersion } from './processed-version.js';
import { ProcessedTable } from './processed-table.js';
import { ProcessedRecords, type ProcessedRecordsOptions } from './processed-records.js';

/** What is seen again and again, as all that a feed still has is, is noted in the store so seldom. */
const STORE_INTERVAL_MS = 86_400_000;

/** The answer to a hub that sends nothing new. */
export interface DuplicateAnswer {
  readonly answer: PendingAnswer;
}

/**
 * News that a handler has had, or has in hand: what comes a second time, from another hub or again from the same one, is
 * known. Nothing counts as seen before its handler has succeeded. What is done with many pieces at once is done in slices,
 * so that nothing else is kept waiting: whoever looks first and takes in hand then does both in the turn of the subscription.
 */
export class ProcessedLog {
  readonly #options: ProcessedRecordsOptions;
  readonly #processed: ProcessedRecords;
  readonly #inProgress = new InProgressKeys();
  /** What lies with the dead letters, by key. */
  readonly #deadLettered = new ProcessedTable();
  readonly #pendingWork = new Set<Promise<void>>();

  constructor(options: ProcessedRecordsOptions) {
    this.#options = options;
    this.#processed = new ProcessedRecords(options);
  }

  /** Whether it has had to forget what feeds may still have. */
  get isFull(): boolean {
    return this.#processed.isFull;
  }

  /** Reads what a previous process saw. */
  load(): Promise<void> {
    return this.#processed.load();
  }

  /** How an entry compares with what was seen of it. One that is older than that has been on its way for long. */
  changeOf(candidate: DedupeKey): 'new' | 'updated' | 'unchanged' {
    const dedupeKey = this.#withoutFutureDate(candidate);
    const processed = this.#processed.get(dedupeKey.key);
    if (processed === undefined || processed.isBaseline === true) return 'new';
    // When an entry was deleted says nothing of when it was written, nor the other way round.
    const isOlder = processed.deleted === dedupeKey.deleted && isBefore(dedupeKey, processed);
    return processed.version === dedupeKey.version || isOlder ? 'unchanged' : 'updated';
  }

  /** Whether no handler has had an entry that the topic has, or only an older one, and none has it in hand. */
  isMissing(candidate: DedupeKey): boolean {
    const dedupeKey = this.#withoutFutureDate(candidate);
    if (this.#inProgress.hasAnyVersion(dedupeKey.key)) return false;
    const processed = this.#processed.get(dedupeKey.key) ?? this.#deadLettered.get(dedupeKey.key);
    return processed === undefined || isNewVersion(processed, dedupeKey);
  }

  /** The same, where its topic had it before anybody looked and no handler has had it since: it may be of a gap. */
  isMissingOrBaseline(dedupeKey: DedupeKey): boolean {
    const isBaseline =
      this.#processed.get(dedupeKey.key)?.isBaseline === true && !this.#inProgress.hasAnyVersion(dedupeKey.key);
    return isBaseline || this.isMissing(dedupeKey);
  }

  /** Whether nobody knows anything of an entry: no handler had it, and its topic did not have it before. */
  isUnknown({ key }: DedupeKey): boolean {
    return !this.#processed.has(key) && !this.#deadLettered.has(key);
  }

  /** Whether an entry is in hand and may come to nothing: neither handled nor stored. */
  isUncertain({ key }: DedupeKey): boolean {
    return this.#inProgress.isUncertain(key);
  }

  /**
   * What a hub is answered that sends nothing but what was seen, or is in hand; undefined for news.
   *
   * @param windowMs milliseconds for which a whole body counts as seen
   */
  answerToDuplicate(dedupeKeys: readonly DedupeKey[], windowMs: number): Awaitable<DuplicateAnswer | undefined> {
    if (dedupeKeys.length === 0) return undefined;
    const since = this.#options.now() - windowMs;
    const answers: PendingAnswer[] = [];
    let isNew = false;
    const looking = forEachInSlices(dedupeKeys, (dedupeKey) => {
      if (isNew) return;
      const isRecent = !isBodyKey(dedupeKey) || (this.#processed.get(dedupeKey.key)?.at ?? -Infinity) > since;
      if (isRecent && this.changeOf(dedupeKey) === 'unchanged') return;
      const answer = this.#inProgress.answerFor(dedupeKey);
      if (answer === undefined) isNew = true;
      else answers.push(answer);
    });
    return mapAwaitable(looking, () => {
      if (isNew) return undefined;
      return { answer: answers.length === 0 ? ACKNOWLEDGED : worstAnswer(new Set(answers)) };
    });
  }

  /**
   * The news is in hand until it was seen or given up; where it could not be kept, its hub is to come again. Called for what
   * was found to be news in the same turn.
   *
   * @param onStarted told when it is in hand and handed over
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
    // In hand before it is handed over: a handler may be done with it at once.
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

  /** The news waits in the store for its handler. */
  markEnqueued(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    return forEachInSlices(dedupeKeys, (dedupeKey) => {
      this.#deadLettered.delete(dedupeKey.key);
      this.#inProgress.set(dedupeKey, ACKNOWLEDGED);
    });
  }

  /** The handler has succeeded, or need not have it. What cannot be stored is remembered by this process alone. */
  markProcessed(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#options.now();
    return this.#trackWork(
      forEachInSlices(dedupeKeys, (dedupeKey) => {
        const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
        this.#inProgress.delete(dedupeKey);
        this.#deadLettered.delete(key);
        const before = this.#processed.get(key);
        // An older version that comes late takes the place of none.
        const kept =
          before !== undefined && this.changeOf(dedupeKey) === 'unchanged' ? before : { version, updated, deleted };
        const isStored = kept === before && at - before.storedAt < STORE_INTERVAL_MS && !isBodyKey(dedupeKey);
        this.#processed.put(key, { ...kept, at, storedAt: isStored ? before.storedAt : at }, { inStore: !isStored });
      }),
    );
  }

  /** Its topic had them before anybody looked: they are not missing, and are news all the same should a hub deliver them. */
  markBaseline(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#options.now();
    return forEachInSlices(dedupeKeys, (dedupeKey) => {
      const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
      if (this.#processed.has(key)) return;
      this.#processed.put(key, { at, version, updated, deleted, isBaseline: true, storedAt: at }, { inStore: true });
    });
  }

  /** What a topic still has is not to be forgotten before what it has no more. */
  touch(dedupeKeys: readonly DedupeKey[]): Awaitable<void> {
    const at = this.#options.now();
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

  /** The news is given up: should a hub send it again, it is handed over. */
  markDeadLettered(dedupeKeys: readonly DedupeKey[]): void {
    const { maxKeys } = this.#processed;
    const at = this.#options.now();
    void this.#trackWork(
      forEachInSlices(dedupeKeys, (dedupeKey) => {
        const { key, version, updated, deleted } = this.#withoutFutureDate(dedupeKey);
        this.#inProgress.delete(dedupeKey);
        this.#deadLettered.set(key, { at, version, updated, deleted, storedAt: at });
        if (this.#deadLettered.size > maxKeys) this.#deadLettered.delete(this.#deadLettered.oldest() ?? key);
      }),
    );
  }

  /** Forgets the bodies that were seen before a time, in epoch milliseconds. */
  sweep(before: number): void {
    void this.#trackWork(
      forEachInSlices(this.#processed.keys(), (key) => {
        const processed = this.#processed.get(key);
        if (processed !== undefined && processed.at < before && isBodyKey({ key, version: processed.version }))
          this.#processed.forget(key);
      }),
    );
  }

  /** Resolves when what was seen is in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#pendingWork.size > 0) await Promise.all(this.#pendingWork);
    await this.#processed.settled();
  }

  /** {@link settled} waits for it. */
  #trackWork(work: Awaitable<void>): Awaitable<void> {
    if (!(work instanceof Promise)) return undefined;
    const pending = work.finally(() => this.#pendingWork.delete(pending));
    this.#pendingWork.add(pending);
    return pending;
  }

  /** A time that is yet to come is none: what is corrected later would be taken for older. */
  #withoutFutureDate(dedupeKey: DedupeKey): DedupeKey {
    const { updated = -Infinity } = dedupeKey;
    return updated > this.#options.now() ? { ...dedupeKey, updated: undefined } : dedupeKey;
  }
}
