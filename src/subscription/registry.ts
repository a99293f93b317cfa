import type { Engine, Timetable } from '../engine/engine.js';
import { WebSubError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import { mayConfirm } from './answering.js';
import { isScheduledByAnotherClock } from './clock-jump.js';
import { dueAt } from './due.js';
import { entryContext, type EntryContext } from './entry-context.js';
import type { Effect, SubscriptionEvent } from './events.js';
import { CallbackIndex, type CallbackMatch, type Entry } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import { Counters } from './counters.js';
import { isPresent } from './presence.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { readStored, writeStored } from './stored-subscription.js';
import { isWorking } from './state.js';
import type { ServiceTerms } from './terms.js';
import { transition } from './transition.js';

export type { CallbackMatch, Entry } from './callback-index.js';

/** What the registry works with. */
export interface RegistryOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Undefined for a service that the code no longer has: its subscriptions are kept and left alone. */
  readonly termsOf: (service: string) => ServiceTerms | undefined;
  /** Carries out what a transition asks for, after the record was stored. Does not throw. */
  readonly perform: (record: SubscriptionRecord, effect: Effect) => void;
}

/** All subscriptions: applies events to them, one at a time for each, storing a record before its effects begin. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #callbacks = new CallbackIndex();
  readonly #due: Timetable;
  /** Whose counters differ from what is stored. */
  readonly #unstored = new Set<string>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#due = options.engine.timetable((id) => this.#doDue(id));
    options.engine.onSetBack(() => this.#onSetBack());
  }

  /** Reads the stored subscriptions. One that cannot be read is logged and left in the store as it is. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'a stored subscription cannot be read: left as it is');
    for await (const [id, raw] of store.entries('subscription', { onUnreadable: unreadable })) {
      try {
        const { record, stats } = readStored(id, raw);
        this.#index({ record, counters: new Counters(id, this.#unstored, stats), keys: [] });
      } catch (error) {
        unreadable(error);
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

  /** Stores a new subscription. */
  async add(record: SubscriptionRecord): Promise<void> {
    const entry = { record, counters: new Counters(record.id, this.#unstored), keys: [] };
    await this.#save(entry, record);
    this.#index(entry);
  }

  /**
   * Applies an event: the record is stored, then its effects begin.
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
      if (record !== entry.record) await this.#replace(entry, record, context);
      else this.#index(entry);
      for (const effect of effects) this.#options.perform(record, effect);
      return record;
    });
  }

  /**
   * Stores the counters that changed since they were last stored.
   *
   * @throws StoreError of the first that could not be stored; the others are stored all the same
   */
  async flush(): Promise<void> {
    const changed = [...this.#unstored].flatMap((id) => this.#entries.get(id) ?? []);
    const stored = await Promise.allSettled(
      changed.map((entry) => this.#options.engine.inTurn(entry.record.id, () => this.#save(entry, entry.record))),
    );
    const failure = stored.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /**
   * Notes whether the code declares a subscription.
   *
   * @throws StoreError when it cannot be stored; nothing has changed then
   */
  async setDeclared(id: string, declared: boolean): Promise<void> {
    await this.#options.engine.inTurn(id, async () => {
      const entry = this.#entries.get(id);
      if (entry === undefined || entry.record.declared === declared) return;
      await this.#replace(entry, { ...entry.record, declared });
    });
  }

  /**
   * Forgets grants that ended before a time, and with them the answer 410; and subscriptions that nobody wants or declares
   * any more, once none of their grants is left.
   */
  async sweep(endedBefore: number): Promise<void> {
    for (const entry of this.#entries.values()) {
      const isOld = (grant: GrantRecord): boolean => grant.endedAt !== undefined && grant.endedAt < endedBefore;
      if (!entry.record.grants.some(isOld) && !isForgettable(entry.record)) continue;
      await this.#options.engine.inTurn(entry.record.id, async () => {
        const record = { ...entry.record, grants: entry.record.grants.filter((grant) => !isOld(grant)) };
        if (isForgettable(record)) await this.#forget(entry);
        else await this.#replace(entry, record);
      });
    }
  }

  #doDue(id: string): void {
    this.apply(id, { type: 'due' }).catch((error: unknown) => {
      this.#options.logger.error(
        { subscription: id, err: error },
        'due work could not be done: tried again in a minute',
      );
      this.#due.set(id, this.#options.now() + 60_000);
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
      await this.#save(entry, record);
      entry.record = record;
      this.#index(entry);
    });
  }

  async #forget(entry: Entry): Promise<void> {
    const { id } = entry.record;
    await this.#options.store.delete('subscription', id);
    entry.record = { ...entry.record, grants: [] };
    this.#index(entry);
    this.#due.set(id, undefined);
    this.#entries.delete(id);
    this.#unstored.delete(id);
  }

  async #save(entry: Entry, record: SubscriptionRecord): Promise<void> {
    const { store } = this.#options;
    const stats = entry.counters.stored();
    this.#unstored.delete(record.id);
    try {
      await store.set('subscription', record.id, writeStored({ record, stats }));
    } catch (error) {
      this.#unstored.add(record.id);
      throw error;
    }
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

/** Whether nothing is lost with it: neither code nor user wants it, and no callback is known for it. */
function isForgettable({ declared, desired, grants }: SubscriptionRecord): boolean {
  return !declared && desired === 'unsubscribed' && grants.length === 0;
}
