import type { Timetable } from '../../engine/engine.js';
import { WebSubError } from '../../errors.js';
import { mayConfirm } from '../machine/steps/on-verified.js';
import { isScheduledByAnotherClock } from '../machine/rules/clock-set-back.js';
import { dueAt } from '../machine/steps/on-due.js';
import { entryContext, type EntryContext } from './registry-context.js';
import type { SubscriptionEvent } from '../machine/events.js';
import { CallbackIndex, type CallbackMatch, type Entry } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import { Counters, type StoredStats } from '../record/counters.js';
import { isFoundAgain } from '../record/deferred-write.js';
import { isPresent } from '../machine/rules/current-grants.js';
import type { SubscriptionRecord } from '../record/record.js';
import { RecordWriter } from '../record/record-writer.js';
import type { RegistryOptions } from './registry-options.js';
import { SharedParts } from '../record/interning.js';
import { isWorking } from '../machine/state.js';
import { storedSubscriptions } from '../record/subscription-codec.js';
import type { ServiceTerms } from '../request-policy.js';
import { isToBeSwept, swept } from '../record/tombstones.js';
import { transition } from '../machine/transition.js';
import { STORE_RETRY_MS } from '../retry-policy.js';

export type { CallbackMatch, Entry } from './callback-index.js';

/** All subscriptions: applies events to them, one at a time for each, storing a record before its effects begin. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #callbacks = new CallbackIndex();
  readonly #due: Timetable;
  readonly #writer: RecordWriter;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#writer = new RecordWriter(options.store);
    this.#due = options.engine.timetable((id) => this.#doDue(id));
    options.engine.onSetBack(() => this.#onSetBack());
  }

  /** Reads the stored subscriptions. One that cannot be read is logged and left in the store as it is. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'a stored subscription cannot be read: left as it is');
    const shared = new SharedParts();
    for await (const slice of storedSubscriptions(store, unreadable)) {
      for (const { record, stats } of slice) {
        const kept = shared.of(record);
        this.#index({ record: kept, counters: this.#counters(kept.id, stats), keys: [] });
      }
    }
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** What the last segment of a callback's path stands for. */
  match(key: string): CallbackMatch | undefined {
    return this.#callbacks.match(key);
  }

  /** Whether a verification on a callback may be confirmed, as far as the subscription itself is concerned. */
  mayConfirm({ entry, grant }: CallbackMatch, mode: 'subscribe' | 'unsubscribe'): boolean {
    const terms = this.#options.termsOf(entry.record.service);
    return terms !== undefined && mayConfirm(entry.record, grant, mode, terms);
  }

  /** Whether a hub has granted a subscription as it is wanted today: its topic, its hub, under our callback. */
  isReady(record: SubscriptionRecord): boolean {
    const terms = this.#options.termsOf(record.service);
    return terms !== undefined && record.grants.some((grant) => isWorking(grant) && isPresent(record, grant, terms));
  }

  /** Whether the time has come for something to be done about a subscription, and nothing is to remind of it. */
  isLost(record: SubscriptionRecord): boolean {
    if (this.#options.termsOf(record.service) === undefined || this.#due.has(record.id)) return false;
    return (dueAt(record) ?? Infinity) <= this.#options.now();
  }

  /** Stores a new subscription. */
  async add(record: SubscriptionRecord): Promise<void> {
    const entry = { record, counters: this.#counters(record.id), keys: [] };
    await this.#writer.write(entry, record);
    this.#index(entry);
  }

  /**
   * Applies an event: the record is stored, then its effects begin. What would be found again without is stored with the
   * next change, or in a batch.
   *
   * @returns the record after it
   * @throws StoreError when it cannot be stored; nothing has changed then
   */
  async apply(id: string, event: SubscriptionEvent): Promise<SubscriptionRecord> {
    return this.#options.engine.inTurn(id, async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) throw new WebSubError(`There is no subscription ${id}`);
      const terms = this.#options.termsOf(entry.record.service);
      if (terms === undefined) return entry.record;
      const context = this.#context(entry, terms);
      const { record, effects } = transition(entry.record, event, context);
      if (isFoundAgain(entry.record, event, effects)) this.#take(entry, record);
      else if (record !== entry.record) await this.#replace(entry, record, context);
      else this.#index(entry);
      for (const effect of effects) this.#options.perform(record, effect);
      return record;
    });
  }

  /** Whether an event would change a subscription, or lead to anything. */
  isAffected(id: string, event: SubscriptionEvent): boolean {
    const entry = this.#entries.get(id);
    const terms = entry && this.#options.termsOf(entry.record.service);
    if (entry === undefined || terms === undefined) return false;
    const { record, effects } = transition(entry.record, event, this.#context(entry, terms));
    return record !== entry.record || effects.length > 0;
  }

  /**
   * Stores the counters that changed since they were last stored, and what was not worth a write of its own.
   *
   * @throws StoreError of the first that could not be stored; the others are stored all the same
   */
  async flush(): Promise<void> {
    const changed = [...this.#writer.unstored].flatMap((id) => this.#entries.get(id) ?? []);
    const stored = await Promise.allSettled(
      changed.map((entry) =>
        this.#options.engine.inTurn(entry.record.id, () => this.#writer.write(entry, entry.record)),
      ),
    );
    const failure = stored.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /**
   * Notes whether the code declares a subscription, or did once.
   *
   * @throws StoreError when it cannot be stored; nothing has changed then
   */
  async setDeclared(id: string, declared: boolean, { orphaned = false } = {}): Promise<void> {
    await this.#options.engine.inTurn(id, async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined) return;
      const { record } = entry;
      if (record.declared === declared && (record.orphaned ?? false) === orphaned) return;
      await this.#replace(entry, { ...record, declared, orphaned: orphaned ? true : undefined });
    });
  }

  /**
   * Forgets grants that ended before a time, and with them the answer 410; and subscriptions that nobody wants or declares
   * any more, once none of their grants is left.
   */
  async sweep(endedBefore: number): Promise<void> {
    for (const entry of this.#entries.values()) {
      if (!isToBeSwept(entry.record, endedBefore)) continue;
      await this.#options.engine.inTurn(entry.record.id, async () => {
        const record = swept(entry.record, endedBefore);
        if (record === undefined) await this.#forget(entry);
        else await this.#replace(entry, record);
      });
    }
  }

  /** The record is written with the next change, or in a batch. */
  #take(entry: Entry, record: SubscriptionRecord): void {
    entry.record = record;
    this.#index(entry);
    this.#writer.unstored.add(record.id);
  }

  #counters(id: string, stats?: StoredStats): Counters {
    return new Counters(id, this.#writer.unstored, stats);
  }

  #doDue(id: string): void {
    const { logger, now } = this.#options;
    this.apply(id, { type: 'due' }).catch((error: unknown) => {
      logger.error({ subscription: id, err: error }, 'due work could not be done: tried again in a minute');
      this.#due.set(id, now() + STORE_RETRY_MS);
    });
  }

  /** The clock was set back: what was to be done by then is not to wait for the same hour to come again. */
  #onSetBack(): void {
    for (const { record } of this.#entries.values()) {
      if (this.#options.termsOf(record.service) === undefined) continue;
      // What was put off because it could not be stored was so by another clock, too.
      this.#due.set(record.id, dueAt(record));
      if (this.#isByAnotherClock(record)) this.#doDue(record.id);
    }
  }

  #isByAnotherClock(record: SubscriptionRecord): boolean {
    const { now, termsOf } = this.#options;
    const rules = termsOf(record.service)?.rules;
    return rules !== undefined && isScheduledByAnotherClock(record, { now: now(), rules });
  }

  async #replace(entry: Entry, record: SubscriptionRecord, context?: EntryContext): Promise<void> {
    const made = new Set(context?.made.map(({ id }) => id));
    const keys = record.grants.flatMap(({ id, callback }) => (made.has(id) ? callbackKey(callback) : []));
    await this.#callbacks.reserving(keys, async () => {
      await this.#writer.write(entry, record);
      entry.record = record;
      this.#index(entry);
    });
  }

  async #forget(entry: Entry): Promise<void> {
    const { id } = entry.record;
    await this.#writer.remove(id);
    entry.record = { ...entry.record, grants: [] };
    this.#index(entry);
    this.#due.set(id, undefined);
    this.#entries.delete(id);
  }

  #context(entry: Entry, terms: ServiceTerms): EntryContext {
    const { now, random } = this.#options;
    return entryContext(entry, { terms, callbacks: this.#callbacks, now: now(), random: random() });
  }

  #index(entry: Entry): void {
    const { record } = entry;
    this.#entries.set(record.id, entry);
    const now = this.#options.now();
    const served = this.#options.termsOf(record.service) !== undefined;
    // What a clock has put off that was set back, maybe while the process was down, is due now.
    const at = this.#isByAnotherClock(record) ? now : dueAt(record);
    this.#due.set(record.id, served ? at : undefined);
    this.#callbacks.update(entry, now);
  }
}
