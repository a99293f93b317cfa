import { randomUUID } from 'node:crypto';
import type { Engine, Timetable } from '../../engine/engine.js';
import { WebSubError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import { canConfirm } from '../machine/steps/on-verified.js';
import { isAffectedByClockSetBack } from '../machine/rules/clock-set-back.js';
import { dueAt } from '../machine/steps/on-due.js';
import { registryContext, type RegistryContext } from './registry-context.js';
import type { NamedEffect, TransitionInput } from '../machine/transition-types.js';
import { CallbackIndex, type CallbackMatch, type StoredSubscription } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import { Counters, type StoredStats } from '../record/counters.js';
import { canDeferWrite } from '../record/deferred-write.js';
import { isCurrent } from '../machine/rules/current-grants.js';
import type { SubscriptionRecord } from '../record/record.js';
import { RecordWriter } from '../record/record-writer.js';
import { RecordInterner } from '../record/interning.js';
import { isWorking } from '../machine/state.js';
import { readSubscriptions } from '../record/subscription-codec.js';
import type { RequestPolicy } from '../request-policy.js';
import { shouldSweep, withoutOldGrants } from '../record/tombstones.js';
import { transition } from '../machine/transition.js';
import { STORE_RETRY_MS } from '../retry-policy.js';

export type { CallbackMatch, StoredSubscription } from './callback-index.js';

/** Dependencies of the registry. */
export interface RegistryOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Undefined for a service that this runtime does not run. Its subscriptions stay stored and ignore all inputs. */
  readonly requestPolicyOf: (service: string) => RequestPolicy | undefined;
  /** Carries out an effect of a transition, after the record is stored. Does not throw. */
  readonly perform: (record: SubscriptionRecord, effect: NamedEffect) => void;
}

/**
 * All subscriptions. Applies inputs to them, one at a time per subscription. Stores a record before its effects start,
 * unless that write can be deferred.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #subscriptions = new Map<string, StoredSubscription>();
  readonly #callbacks = new CallbackIndex();
  readonly #due: Timetable;
  readonly #writer: RecordWriter;
  /** Id of this run of the process. */
  readonly #member = randomUUID();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#writer = new RecordWriter(options.store);
    this.#due = options.engine.timetable((id) => this.#runDue(id));
    options.engine.onClockSetBack(() => this.#onClockSetBack());
  }

  /** Reads the stored subscriptions. Unreadable ones are logged, and stay in the store. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const onUnreadable = (error: unknown): void => log(logger, 'subscription.unreadable', { err: error });
    const interner = new RecordInterner();
    for await (const slice of readSubscriptions(store, onUnreadable)) {
      for (const { record, stats } of slice) {
        const interned = interner.intern(record);
        this.#index({ record: interned, counters: this.#counters(interned.id, stats), keys: [] });
      }
    }
  }

  get(id: string): StoredSubscription | undefined {
    return this.#subscriptions.get(id);
  }

  all(): IterableIterator<StoredSubscription> {
    return this.#subscriptions.values();
  }

  /** The grant that a callback key (the last segment of its path) belongs to. */
  match(key: string): CallbackMatch | undefined {
    return this.#callbacks.match(key);
  }

  /** Whether the subscription's state allows confirming a verification. The service's handler may still refuse it. */
  canConfirm({ stored, grant }: CallbackMatch, mode: 'subscribe' | 'unsubscribe'): boolean {
    const policy = this.#options.requestPolicyOf(stored.record.service);
    return policy !== undefined && canConfirm(stored.record, grant, mode, policy);
  }

  /** Whether a working grant matches the current topic, hubs and callback URL. */
  isReady(record: SubscriptionRecord): boolean {
    const policy = this.#options.requestPolicyOf(record.service);
    return policy !== undefined && record.grants.some((grant) => isWorking(grant) && isCurrent(record, grant, policy));
  }

  /** Whether a subscription is due, but missing in the timetable. */
  isDueUnscheduled(record: SubscriptionRecord): boolean {
    if (this.#options.requestPolicyOf(record.service) === undefined || this.#due.has(record.id)) return false;
    return (dueAt(record) ?? Infinity) <= this.#options.now();
  }

  /** Stores a new subscription. */
  async add(record: SubscriptionRecord): Promise<void> {
    const stored = { record, counters: this.#counters(record.id), keys: [] };
    await this.#writer.write(stored, record);
    this.#index(stored);
  }

  /**
   * Applies an input: stores the record, then starts its effects. A write that can be deferred (see `canDeferWrite`) is
   * made with the next one, or in a batch.
   *
   * @returns the new record
   * @throws StoreError if the store fails; nothing has changed then
   * @throws WebSubError if there is no such subscription
   */
  async apply(id: string, input: TransitionInput): Promise<SubscriptionRecord> {
    return this.#options.engine.runExclusive(id, async () => {
      const stored = this.#subscriptions.get(id);
      if (stored === undefined) throw new WebSubError(`There is no subscription ${id}.`);
      const policy = this.#options.requestPolicyOf(stored.record.service);
      if (policy === undefined) return stored.record;
      const context = this.#context(stored, policy);
      const { record, effects } = transition(stored.record, input, context);
      if (canDeferWrite(stored.record, input, effects)) this.#deferWrite(stored, record);
      else if (record !== stored.record) await this.#writeNow(stored, record, context);
      else this.#index(stored);
      for (const effect of effects) this.#options.perform(record, effect);
      return record;
    });
  }

  /** Whether an input would change a subscription or have effects. */
  isAffected(id: string, input: TransitionInput): boolean {
    const stored = this.#subscriptions.get(id);
    const policy = stored && this.#options.requestPolicyOf(stored.record.service);
    if (stored === undefined || policy === undefined) return false;
    const { record, effects } = transition(stored.record, input, this.#context(stored, policy));
    return record !== stored.record || effects.length > 0;
  }

  /**
   * Stores changed counters and deferred writes.
   *
   * @throws StoreError of the first failed write; the other writes are still made
   */
  async flush(): Promise<void> {
    const unsaved = [...this.#writer.unsaved].flatMap((id) => this.#subscriptions.get(id) ?? []);
    const results = await Promise.allSettled(
      unsaved.map((stored) =>
        this.#options.engine.runExclusive(stored.record.id, () => this.#writer.write(stored, stored.record)),
      ),
    );
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /**
   * Stores whether the code declares a subscription, or declared it in the past (`orphaned`).
   *
   * @throws StoreError if the store fails; nothing has changed then
   */
  async setDeclared(id: string, declared: boolean, { orphaned = false } = {}): Promise<void> {
    await this.#options.engine.runExclusive(id, async () => {
      const stored = this.#subscriptions.get(id);
      if (stored === undefined) return;
      const { record } = stored;
      if (record.declared === declared && (record.orphaned ?? false) === orphaned) return;
      await this.#writeNow(stored, { ...record, declared, orphaned: orphaned ? true : undefined });
    });
  }

  /**
   * Removes grants that ended before a time (epoch milliseconds); their callbacks no longer answer 410. Removes
   * unwanted, undeclared subscriptions once no grant is left.
   */
  async sweep(endedBefore: number): Promise<void> {
    for (const stored of this.#subscriptions.values()) {
      if (!shouldSweep(stored.record, endedBefore)) continue;
      await this.#options.engine.runExclusive(stored.record.id, async () => {
        const record = withoutOldGrants(stored.record, endedBefore);
        if (record === undefined) await this.#remove(stored);
        else await this.#writeNow(stored, record);
      });
    }
  }

  /** Replaces the record in memory. It is stored with the next write, or in a batch. */
  #deferWrite(stored: StoredSubscription, record: SubscriptionRecord): void {
    stored.record = record;
    this.#index(stored);
    this.#writer.unsaved.add(record.id);
  }

  #counters(id: string, stats?: StoredStats): Counters {
    return new Counters(id, this.#writer.unsaved, stats);
  }

  #runDue(id: string): void {
    const { logger, now } = this.#options;
    this.apply(id, { type: 'due' }).catch((error: unknown) => {
      log(logger, 'subscription.due-failed', { subscription: id, retriedBy: 'timer', err: error });
      this.#due.set(id, now() + STORE_RETRY_MS);
    });
  }

  /** The clock was set back. Work that is due by the old clock must not wait until the new one gets there. */
  #onClockSetBack(): void {
    for (const { record } of this.#subscriptions.values()) {
      if (this.#options.requestPolicyOf(record.service) === undefined) continue;
      // Retries after a failed write were also planned by the old clock.
      this.#due.set(record.id, dueAt(record));
      if (this.#isAffectedByClockSetBack(record)) this.#runDue(record.id);
    }
  }

  #isAffectedByClockSetBack(record: SubscriptionRecord): boolean {
    const { now, requestPolicyOf } = this.#options;
    const rules = requestPolicyOf(record.service)?.rules;
    return rules !== undefined && isAffectedByClockSetBack(record, { now: now(), rules });
  }

  async #writeNow(stored: StoredSubscription, record: SubscriptionRecord, context?: RegistryContext): Promise<void> {
    const newGrants = new Set(context?.newGrants.map(({ id }) => id));
    const keys = record.grants.flatMap(({ id, callback }) => (newGrants.has(id) ? callbackKey(callback) : []));
    await this.#callbacks.reserveWhile(keys, async () => {
      await this.#writer.write(stored, record);
      stored.record = record;
      this.#index(stored);
    });
  }

  async #remove(stored: StoredSubscription): Promise<void> {
    const { id } = stored.record;
    await this.#writer.remove(id);
    stored.record = { ...stored.record, grants: [] };
    this.#index(stored);
    this.#due.set(id, undefined);
    this.#subscriptions.delete(id);
  }

  #context(stored: StoredSubscription, policy: RequestPolicy): RegistryContext {
    const { now, random } = this.#options;
    return registryContext(stored, {
      policy,
      callbacks: this.#callbacks,
      now: now(),
      random: random(),
      member: this.#member,
    });
  }

  #index(stored: StoredSubscription): void {
    const { record } = stored;
    this.#subscriptions.set(record.id, stored);
    const now = this.#options.now();
    const hasService = this.#options.requestPolicyOf(record.service) !== undefined;
    // Work planned by a clock that was set back since, maybe while the process was down, is due now.
    const at = this.#isAffectedByClockSetBack(record) ? now : dueAt(record);
    this.#due.set(record.id, hasService ? at : undefined);
    this.#callbacks.update(stored, now);
  }
}
