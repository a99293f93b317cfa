import { randomUUID } from 'node:crypto';
import { WebSubError } from '../../errors.js';
import { log } from '../../log-events.js';
import { canConfirm } from '../machine/steps/on-verified.js';
import { registryContext, type RegistryContext } from './registry-context.js';
import type { NamedEffect, TransitionInput } from '../machine/transition-types.js';
import { CallbackIndex, type CallbackMatch, type StoredSubscription } from './callback-index.js';
import { callbackKey } from './callback-key.js';
import { isCurrent } from '../machine/rules/current-grants.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { HistoryEntry } from '../history/history.js';
import { RecordWriter } from '../record/record-writer.js';
import { RecordInterner } from '../record/interning.js';
import { isWorking } from '../machine/state.js';
import { readSubscriptions } from '../record/subscription-codec.js';
import type { RequestPolicy } from '../request-policy.js';
import type { SubscriptionContext } from '../subscription-context.js';
import { shouldSweep, withoutOldGrants } from '../record/tombstones.js';
import { DueSubscriptions, type RunFetch } from './due-subscriptions.js';
import { SubscriptionCreator, type CreatedSubscription, type NewSubscriptionFields } from './subscription-creator.js';
import { TargetIndex, type ServiceTarget } from './target-index.js';
import { decide, NO_EFFECTS, type Decision, type Update } from './update.js';

export type { CallbackMatch, StoredSubscription } from './callback-index.js';

/** Carries out an effect of a transition, after the record is stored. Does not throw. */
export type CarryOut = (record: SubscriptionRecord, effect: NamedEffect) => void;

/**
 * All subscriptions. Applies inputs to them, one at a time per subscription. Stores a record before its effects start,
 * unless that write can be deferred.
 */
export class Registry {
  readonly #context: SubscriptionContext;
  readonly #subscriptions = new Map<string, StoredSubscription>();
  readonly #callbacks = new CallbackIndex();
  readonly #due: DueSubscriptions;
  readonly #writer: RecordWriter;
  readonly #targets = new TargetIndex(this.#subscriptions);
  readonly #creator: SubscriptionCreator;
  /** Id of this run of the process. */
  readonly #member = randomUUID();
  #carryOut: CarryOut = () => {};

  constructor(context: SubscriptionContext) {
    this.#context = context;
    this.#writer = new RecordWriter(context, this.#subscriptions);
    this.#due = new DueSubscriptions(context, this);
    this.#creator = new SubscriptionCreator(context, this);
  }

  /** Sets what carries out effects. Called once, before any input is applied. */
  onEffect(carryOut: CarryOut): void {
    this.#carryOut = carryOut;
  }

  /** Reads the stored subscriptions. Unreadable ones are logged, and stay in the store. */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
    const onUnreadable = (error: unknown): void => log(logger, 'subscription.unreadable', { err: error });
    const interner = new RecordInterner();
    for await (const slice of readSubscriptions(store, onUnreadable)) {
      for (const { record, stats } of slice) {
        const interned = interner.intern(record);
        this.#targets.add(interned);
        this.#index({ record: interned, counters: this.#writer.counters(interned.id, stats), keys: [] });
      }
    }
    await this.#writer.loadCounters();
  }

  get(id: string): StoredSubscription | undefined {
    return this.#subscriptions.get(id);
  }

  /** Younger subscriptions with the same service and target as another one. */
  get duplicates(): readonly SubscriptionRecord[] {
    return this.#targets.duplicates;
  }

  /**
   * The policy of a subscription's requests. If its service does not run, nothing is done for a wanted subscription, and
   * an unwanted one is left by default rules.
   */
  policyOf(record: SubscriptionRecord): RequestPolicy | undefined {
    const { services } = this.#context;
    return record.desired === 'unsubscribed' ? this.#policyToLeave(record) : services.policyOf(record.service);
  }

  /** The id of the service's subscription to a target. */
  idOf(subscription: ServiceTarget): string | undefined {
    return this.#targets.idOf(subscription);
  }

  /** The service's subscription to the target. */
  find(subscription: ServiceTarget): SubscriptionRecord | undefined {
    return this.get(this.idOf(subscription) ?? '')?.record;
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
    const policy = this.policyOf(stored.record);
    return policy !== undefined && canConfirm(stored.record, grant, mode, policy);
  }

  /** Whether a working grant matches the current topic, hubs and callback URL. */
  isReady(record: SubscriptionRecord): boolean {
    const policy = this.#context.services.policyOf(record.service);
    return policy !== undefined && record.grants.some((grant) => isWorking(grant) && isCurrent(record, grant, policy));
  }

  /** Sets what runs the due fetches of topics. Called once, before the subscriptions are loaded. */
  onDueFetch(run: RunFetch): void {
    this.#due.onDueFetch(run);
  }

  /** Whether a subscription is due, but missing in the timetable. */
  isDueUnscheduled(record: SubscriptionRecord): boolean {
    return this.#due.isDueUnscheduled(record);
  }

  /**
   * Creates the service's subscription to a target, under a random id that it keeps for good. Returns the existing one
   * if there is one.
   *
   * @throws StoreError if the store fails; nothing has changed then
   */
  create(fields: NewSubscriptionFields): Promise<CreatedSubscription> {
    return this.#creator.create(fields);
  }

  /** Stores a new subscription. */
  async add(record: SubscriptionRecord): Promise<void> {
    const stored = { record, counters: this.#writer.counters(record.id), keys: [] };
    await this.#writer.writeNew(stored);
    this.#targets.add(record);
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
    const { record } = await this.update(id, input);
    return record;
  }

  /**
   * Like {@link apply}, and tells whether the input changed anything. Returns the result at once if it did not, and no
   * other work for the subscription runs: a start applies inputs to all subscriptions, and most change nothing.
   *
   * @throws StoreError if the store fails; nothing has changed then
   * @throws WebSubError if there is no such subscription
   */
  update(id: string, input: TransitionInput): Update | Promise<Update> {
    const { engine } = this.#context;
    if (engine.isLocked(id)) return engine.runExclusive(id, async () => this.#commit(this.#decide(id, input)));
    const decision = this.#decide(id, input);
    return decision.isChanged ? engine.runExclusive(id, () => this.#commit(decision)) : decision;
  }

  /**
   * Stores changed counters and deferred writes.
   *
   * @throws StoreError of the first failed write; the other writes are still made
   */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /**
   * Stores a subscription now if its last write was deferred.
   *
   * @throws StoreError if the store fails; the change stays in memory, and is stored with the next write or in a batch
   */
  async save(id: string): Promise<void> {
    const stored = this.#subscriptions.get(id);
    if (stored !== undefined) await this.#context.engine.runExclusive(id, () => this.#writer.save(stored));
  }

  /**
   * The last transitions of a subscription, oldest first.
   *
   * @throws StoreError if the store fails
   */
  history(id: string): Promise<readonly HistoryEntry[]> {
    return this.#context.engine.runExclusive(id, () => this.#writer.history(id));
  }

  /**
   * Stores whether the code declares a subscription, or declared it in the past (`orphaned`).
   *
   * @throws StoreError if the store fails; nothing has changed then
   */
  async setDeclared(id: string, declared: boolean, { orphaned = false } = {}): Promise<void> {
    await this.#context.engine.runExclusive(id, async () => {
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
      const isServed = this.#context.services.policyOf(stored.record.service) !== undefined;
      if (!shouldSweep(stored.record, endedBefore, isServed)) continue;
      await this.#context.engine.runExclusive(stored.record.id, async () => {
        const record = withoutOldGrants(stored.record, endedBefore, isServed);
        if (record === undefined) await this.#remove(stored);
        else await this.#writeNow(stored, record);
      });
    }
  }

  #policyToLeave({ service }: SubscriptionRecord): RequestPolicy {
    const { services } = this.#context;
    return services.policyOf(service) ?? services.leavingPolicy;
  }

  #decide(id: string, input: TransitionInput): Decision {
    const stored = this.#subscriptions.get(id);
    if (stored === undefined) throw new WebSubError(`There is no subscription ${id}.`);
    const policy = input.type === 'unwanted' ? this.#policyToLeave(stored.record) : this.policyOf(stored.record);
    return decide(stored, input, policy && this.#transitionContext(stored, policy));
  }

  async #commit(decision: Decision): Promise<Update> {
    const { stored, record, effects, mayWait } = decision;
    if (mayWait) this.#deferWrite(stored, record);
    else if (record !== stored.record) await this.#writeNow(stored, record, decision);
    else this.#due.schedule(record);
    for (const effect of effects) this.#carryOut(record, effect);
    return decision;
  }

  /** Replaces the record in memory. It is stored with the next write, or in a batch. */
  #deferWrite(stored: StoredSubscription, record: SubscriptionRecord): void {
    const hasSameGrants = stored.record.grants === record.grants;
    stored.record = record;
    if (hasSameGrants) this.#due.schedule(record);
    else this.#index(stored);
    this.#writer.defer(record.id);
  }

  async #writeNow(
    stored: StoredSubscription,
    record: SubscriptionRecord,
    { context, effects }: Pick<Decision, 'context' | 'effects'> = NO_EFFECTS,
  ): Promise<void> {
    const newGrants = new Set(context?.newGrants.map(({ id }) => id));
    const keys = record.grants.flatMap(({ id, callback }) => (newGrants.has(id) ? callbackKey(callback) : []));
    await this.#callbacks.reserveWhile(keys, async () => {
      await this.#writer.write(stored, record, effects);
      stored.record = record;
      this.#index(stored);
    });
  }

  async #remove(stored: StoredSubscription): Promise<void> {
    const { id } = stored.record;
    await this.#writer.remove(id);
    stored.record = { ...stored.record, grants: [] };
    this.#index(stored);
    this.#due.remove(id);
    this.#subscriptions.delete(id);
    this.#targets.delete(stored.record);
  }

  #transitionContext(stored: StoredSubscription, policy: RequestPolicy): RegistryContext {
    const parts = { policy, callbacks: this.#callbacks, member: this.#member };
    return registryContext(this.#context, stored, parts);
  }

  #index(stored: StoredSubscription): void {
    const { record } = stored;
    this.#subscriptions.set(record.id, stored);
    this.#due.schedule(record);
    this.#callbacks.update(stored, this.#context.now());
  }
}
