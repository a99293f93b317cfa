import type { Timetable } from '../../engine/engine.js';
import type { EngineContext } from '../../engine/engine-context.js';
import { log } from '../../log-events.js';
import { catchUpDueAt } from '../machine/fetches/catch-up-plan.js';
import { isAffectedByClockSetBack } from '../machine/rules/clock-set-back.js';
import { pollDueAt } from '../machine/fetches/poll-plan.js';
import { dueAt } from '../machine/steps/on-due.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';
import { STORE_RETRY_MS } from '../retry-policy.js';
import type { StoredSubscription } from './callback-index.js';
import type { Update } from './update.js';

/** A fetch of a subscription's topic that is due. */
export interface DueFetch {
  readonly id: string;
  readonly kind: 'catch-up' | 'poll';
}

/**
 * Runs a due fetch, and applies its result to the subscription. Does not run again for the same subscription and kind
 * until it has settled.
 *
 * @returns when to run again (epoch milliseconds) if the subscription is to stay as it is; undefined otherwise
 */
export type RunFetch = (due: DueFetch) => Promise<number | undefined>;

/** The subscriptions whose work comes due. */
export interface ScheduledSubscriptions {
  get(id: string): StoredSubscription | undefined;
  all(): Iterable<StoredSubscription>;
  /** Undefined if no work is done for the subscription. */
  policyOf(record: SubscriptionRecord): RequestPolicy | undefined;
  update(id: string, input: { readonly type: 'due' }): Update | Promise<Update>;
}

const DUE_AT = { 'catch-up': catchUpDueAt, poll: pollDueAt } as const;
const PLAN_NAMES = { 'catch-up': 'catchUp', poll: 'poll' } as const;

/** Runs the work of subscriptions at its due time, also after the clock was set back. */
export class DueSubscriptions {
  readonly #context: EngineContext;
  readonly #subscriptions: ScheduledSubscriptions;
  readonly #life: Timetable;
  readonly #fetches: Readonly<Record<DueFetch['kind'], Timetable>>;
  #runFetch: RunFetch | undefined;

  constructor(context: EngineContext, subscriptions: ScheduledSubscriptions) {
    const { engine } = context;
    this.#context = context;
    this.#subscriptions = subscriptions;
    this.#life = engine.timetable('subscriptions', (id) => this.#run(id));
    this.#fetches = {
      'catch-up': engine.timetable('catch-ups', (id) => this.#fetch({ id, kind: 'catch-up' })),
      poll: engine.timetable('polls', (id) => this.#fetch({ id, kind: 'poll' })),
    };
    engine.onClockSetBack(() => this.#onClockSetBack());
  }

  /** Sets what runs the due fetches. Without it, none run. */
  onDueFetch(run: RunFetch): void {
    this.#runFetch = run;
  }

  /** Plans the next work of a subscription, or none. */
  schedule(record: SubscriptionRecord): void {
    const { now } = this.#context;
    if (this.#subscriptions.policyOf(record) === undefined) {
      this.remove(record.id);
      return;
    }
    // Work planned by a clock that was set back since, maybe while the process was down, is due now.
    this.#life.set(record.id, this.#isAffectedByClockSetBack(record) ? now() : dueAt(record));
    this.#scheduleFetch(record, 'catch-up');
    this.#scheduleFetch(record, 'poll');
  }

  remove(id: string): void {
    for (const timetable of [this.#life, ...Object.values(this.#fetches)]) timetable.set(id, undefined);
  }

  /** Whether a subscription is due, but missing in the timetable. */
  isDueUnscheduled(record: SubscriptionRecord): boolean {
    const { now } = this.#context;
    if (this.#subscriptions.policyOf(record) === undefined || this.#life.has(record.id)) return false;
    return (dueAt(record) ?? Infinity) <= now();
  }

  async #run(id: string): Promise<void> {
    const { logger, now } = this.#context;
    const stored = this.#subscriptions.get(id);
    if (stored === undefined) return;
    try {
      const { isChanged } = await this.#subscriptions.update(id, { type: 'due' });
      // The timetable has removed the due time.
      if (!isChanged) this.schedule(stored.record);
    } catch (error) {
      log(logger, 'subscription.due-failed', { subscription: id, retriedBy: 'timer', err: error });
      this.#life.set(id, now() + STORE_RETRY_MS);
    }
  }

  #scheduleFetch(record: SubscriptionRecord, kind: DueFetch['kind']): void {
    this.#fetches[kind].set(record.id, this.#runFetch && DUE_AT[kind](record));
  }

  async #fetch(due: DueFetch): Promise<void> {
    const { now } = this.#context;
    const { id, kind } = due;
    const before = this.#subscriptions.get(id)?.record;
    // The plan may have changed since the fetch was scheduled, or while the last one ran.
    const isDue = before !== undefined && (DUE_AT[kind](before) ?? Infinity) <= now();
    const again = isDue ? await this.#runFetch?.(due) : undefined;
    const record = this.#subscriptions.get(id)?.record;
    if (record === undefined) return;
    const name = PLAN_NAMES[kind];
    const isUnserved = isDue && record[name] === before[name];
    if (again === undefined && !isUnserved) this.#scheduleFetch(record, kind);
    else this.#fetches[kind].set(id, again ?? now() + STORE_RETRY_MS);
  }

  /** The clock was set back. Work that is due by the old clock must not wait until the new one gets there. */
  #onClockSetBack(): void {
    for (const { record } of this.#subscriptions.all()) {
      if (this.#subscriptions.policyOf(record) === undefined) continue;
      // Retries after a failed write were also planned by the old clock.
      this.#life.set(record.id, dueAt(record));
      this.#scheduleFetch(record, 'catch-up');
      this.#scheduleFetch(record, 'poll');
      if (this.#isAffectedByClockSetBack(record)) void this.#run(record.id);
    }
  }

  #isAffectedByClockSetBack(record: SubscriptionRecord): boolean {
    const rules = this.#subscriptions.policyOf(record)?.rules;
    return rules !== undefined && isAffectedByClockSetBack(record, { now: this.#context.now(), rules });
  }
}
