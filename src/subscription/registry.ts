import { randomBytes, randomUUID } from 'node:crypto';
import type { Engine, Timetable } from '../engine/engine.js';
import { WebSubError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import { dueAt } from './due.js';
import type { Effect, SubscriptionEvent, TransitionContext } from './events.js';
import { heldUntil, makesWay } from './callback-hold.js';
import { callbackKey } from './callback-key.js';
import { Counters } from './counters.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isOver } from './state.js';
import { readStored, writeStored } from './stored-subscription.js';
import type { ServiceTerms } from './terms.js';
import { transition } from './transition.js';

/** A subscription as the registry holds it: its record, which is replaced and never changed, and its counters. */
export interface Entry {
  record: SubscriptionRecord;
  readonly counters: Counters;
  /** The callback keys it is found by. */
  keys: readonly string[];
}

/** What a callback path stands for. */
export interface CallbackMatch {
  readonly entry: Entry;
  readonly grant: GrantRecord;
}

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
  readonly #byKey = new Map<string, { readonly entry: Entry; readonly grantId: string }>();
  /** The callback keys of grants that are being stored: they are in use, and nothing answers there yet. */
  readonly #reserved = new Set<string>();
  readonly #due: Timetable;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#due = options.engine.timetable((id) => {
      this.apply(id, { type: 'due' }).catch((error: unknown) => {
        options.logger.error({ subscription: id, err: error }, 'due work could not be done: tried again in a minute');
        this.#due.set(id, options.now() + 60_000);
      });
    });
  }

  /** Reads the stored subscriptions. One that cannot be read is logged and left in the store as it is. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'a stored subscription cannot be read: left as it is');
    for await (const [id, raw] of store.entries('subscription', { onUnreadable: unreadable })) {
      try {
        const { record, stats } = readStored(id, raw);
        this.#index({ record, counters: new Counters(stats), keys: [] });
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
    const known = this.#byKey.get(key);
    if (known === undefined) return undefined;
    const grant = known.entry.record.grants.find(({ id }) => id === known.grantId);
    return grant === undefined ? undefined : { entry: known.entry, grant };
  }

  /** Stores a new subscription. */
  async add(record: SubscriptionRecord): Promise<void> {
    const entry = { record, counters: new Counters(), keys: [] };
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
      if (record !== entry.record) await this.#replace(entry, record, context.fresh.id);
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
    let failure: { readonly error: unknown } | undefined;
    for (const entry of this.#entries.values()) {
      if (!entry.counters.changed) continue;
      try {
        await this.#options.engine.inTurn(entry.record.id, () => this.#save(entry, entry.record));
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
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

  async #replace(entry: Entry, record: SubscriptionRecord, freshId?: string): Promise<void> {
    const made = record.grants.find(({ id }) => id === freshId);
    const key = made === undefined ? undefined : callbackKey(made.callback);
    if (key !== undefined) this.#reserved.add(key);
    try {
      await this.#save(entry, record);
      entry.record = record;
      this.#index(entry);
    } finally {
      if (key !== undefined) this.#reserved.delete(key);
    }
  }

  async #forget(entry: Entry): Promise<void> {
    const { id } = entry.record;
    await this.#options.store.delete('subscription', id);
    entry.record = { ...entry.record, grants: [] };
    this.#index(entry);
    this.#due.set(id, undefined);
    this.#entries.delete(id);
  }

  async #save(entry: Entry, record: SubscriptionRecord): Promise<void> {
    const { store } = this.#options;
    const stats = entry.counters.stored();
    entry.counters.changed = false;
    try {
      await store.set('subscription', record.id, writeStored({ record, stats }));
    } catch (error) {
      entry.counters.changed = true;
      throw error;
    }
  }

  #context(entry: Entry, terms: ServiceTerms): TransitionContext {
    const { record } = entry;
    const now = this.#options.now();
    const path = terms.newPath((callback) => this.#isTaken(callbackKey(callback)));
    return {
      now,
      random: this.#options.random(),
      rules: { ...terms.rules, leaseSeconds: record.overrides?.leaseSeconds ?? terms.rules.leaseSeconds },
      callbackOf: terms.callbackOf,
      callbackHeldUntil: this.#heldUntil(callbackKey(terms.callbackOf(path)), entry, now),
      fresh: {
        id: randomUUID(),
        path,
        verifyToken: terms.protocol === 'pubsubhubbub-0.3' ? randomBytes(16).toString('base64url') : undefined,
      },
    };
  }

  #index(entry: Entry): void {
    const { record } = entry;
    this.#entries.set(record.id, entry);
    const served = this.#options.termsOf(record.service) !== undefined;
    this.#due.set(record.id, served ? dueAt(record) : undefined);
    const grants = new Set(record.grants.map(({ id }) => id));
    for (const key of entry.keys) {
      const known = this.#byKey.get(key);
      if (known?.entry === entry && !grants.has(known.grantId)) this.#byKey.delete(key);
    }
    entry.keys = record.grants.map((grant) => {
      const key = callbackKey(grant.callback);
      // A callback that the configuration fixes may have served another subscription before, or serve it still.
      const isHeld = this.#heldUntil(key, entry, this.#options.now()) !== undefined;
      if (!isHeld && !(makesWay(grant) && this.#servesAnother(key, entry))) {
        this.#byKey.set(key, { entry, grantId: grant.id });
      }
      return key;
    });
  }

  #isTaken(key: string): boolean {
    return this.#byKey.has(key) || this.#reserved.has(key);
  }

  /** Until when another subscription of the same service keeps a callback; nobody ends what other services left behind. */
  #heldUntil(key: string, entry: Entry, now: number): number | undefined {
    const match = this.match(key);
    if (match === undefined || match.entry === entry) return undefined;
    return match.entry.record.service === entry.record.service ? heldUntil(match.grant, now) : undefined;
  }

  #servesAnother(key: string, entry: Entry): boolean {
    const match = this.match(key);
    return match !== undefined && match.entry !== entry && !isOver(match.grant);
  }
}

/** Whether nothing is lost with it: neither code nor user wants it, and no callback is known for it. */
function isForgettable({ declared, desired, grants }: SubscriptionRecord): boolean {
  return !declared && desired === 'unsubscribed' && grants.length === 0;
}
