import { randomBytes, randomUUID } from 'node:crypto';
import type { Engine, Timetable } from '../engine/engine.js';
import { StoreError, WebSubError } from '../errors.js';
import type { Logger } from '../logger.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';
import { dueAt } from './due.js';
import type { Effect, SubscriptionEvent, TransitionContext } from './events.js';
import { callbackKey } from './callback-key.js';
import { SUBSCRIPTION_RECORD_VERSION, type GrantRecord, type SubscriptionRecord } from './record.js';
import { Counters, type StoredStats } from './counters.js';
import { isOver } from './state.js';
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

interface Stored {
  readonly record: SubscriptionRecord;
  readonly stats: StoredStats;
}

function readStored(id: string, raw: unknown): Stored {
  const key = `subscription ${id}`;
  const data = decodeRecord(SUBSCRIPTION_RECORD_VERSION, raw, {}, key);
  if (!isStored(data))
    throw new StoreError(`The record ${key} is corrupt: it does not hold a subscription. It was left as it is.`);
  return data;
}

function isStored(data: unknown): data is Stored {
  if (typeof data !== 'object' || data === null || !('record' in data) || !('stats' in data)) return false;
  const { record, stats } = data;
  if (typeof record !== 'object' || record === null || typeof stats !== 'object' || stats === null) return false;
  return (
    'id' in record && 'service' in record && 'grants' in record && Array.isArray(record.grants) && 'received' in stats
  );
}

/** All subscriptions: applies events to them, one at a time for each, storing a record before its effects begin. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #byKey = new Map<string, { readonly entry: Entry; readonly grantId: string }>();
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
      const { record, effects } = transition(entry.record, event, this.#context(entry.record, terms));
      if (record !== entry.record) {
        await this.#save(entry, record);
        entry.record = record;
      }
      this.#index(entry);
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

  /** Forgets grants that ended before a time, and with them the answer 410. */
  async sweep(endedBefore: number): Promise<void> {
    for (const entry of this.#entries.values()) {
      const isOld = (grant: GrantRecord): boolean => grant.endedAt !== undefined && grant.endedAt < endedBefore;
      if (!entry.record.grants.some(isOld)) continue;
      await this.#options.engine.inTurn(entry.record.id, async () => {
        const record = { ...entry.record, grants: entry.record.grants.filter((grant) => !isOld(grant)) };
        await this.#save(entry, record);
        entry.record = record;
        this.#index(entry);
      });
    }
  }

  async #save(entry: Entry, record: SubscriptionRecord): Promise<void> {
    const { store } = this.#options;
    const stats = entry.counters.stored();
    entry.counters.changed = false;
    try {
      await store.set('subscription', record.id, encodeRecord(SUBSCRIPTION_RECORD_VERSION, { record, stats }));
    } catch (error) {
      entry.counters.changed = true;
      throw error;
    }
  }

  #context(record: SubscriptionRecord, terms: ServiceTerms): TransitionContext {
    return {
      now: this.#options.now(),
      random: this.#options.random(),
      rules: { ...terms.rules, leaseSeconds: record.overrides?.leaseSeconds ?? terms.rules.leaseSeconds },
      callbackOf: terms.callbackOf,
      fresh: {
        id: randomUUID(),
        path: terms.newPath((callback) => this.#byKey.has(callbackKey(callback))),
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
      // A callback that the configuration fixes may have served another subscription before.
      if (!isOver(grant) || !this.#servesAnother(key, entry)) this.#byKey.set(key, { entry, grantId: grant.id });
      return key;
    });
  }

  #servesAnother(key: string, entry: Entry): boolean {
    const match = this.match(key);
    return match !== undefined && match.entry !== entry && !isOver(match.grant);
  }
}
