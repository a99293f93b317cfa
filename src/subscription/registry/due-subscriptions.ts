import type { Engine, Timetable } from '../../engine/engine.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { catchUpDueAt } from '../machine/rules/catch-up-plan.js';
import { isAffectedByClockSetBack } from '../machine/rules/clock-set-back.js';
import { pollDueAt } from '../machine/rules/poll-plan.js';
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

/** Dependencies of {@link DueSubscriptions}. */
export interface DueSubscriptionsOptions {
  readonly engine: Pick<Engine, 'timetable' | 'onClockSetBack'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Undefined if no work is done for the subscription. */
  readonly policyOf: (record: SubscriptionRecord) => RequestPolicy | undefined;
  readonly subscriptions: ReadonlyMap<string, StoredSubscription>;
  /** Does the due work of a subscription. */
  readonly runDue: (id: string) => Update | Promise<Update>;
}

const DUE_AT = { 'catch-up': catchUpDueAt, poll: pollDueAt } as const;
const PLAN_NAMES = { 'catch-up': 'catchUp', poll: 'poll' } as const;

/** Runs the work of subscriptions at its due time, also after the clock was set back. */
export class DueSubscriptions {
  readonly #options: DueSubscriptionsOptions;
  readonly #life: Timetable;
  readonly #fetches: Readonly<Record<DueFetch['kind'], Timetable>>;
  #runFetch: RunFetch | undefined;

  constructor(options: DueSubscriptionsOptions) {
    const { engine } = options;
    this.#options = options;
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
    const { now, policyOf } = this.#options;
    if (policyOf(record) === undefined) {
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
    const { now, policyOf } = this.#options;
    if (policyOf(record) === undefined || this.#life.has(record.id)) return false;
    return (dueAt(record) ?? Infinity) <= now();
  }

  async #run(id: string): Promise<void> {
    const { logger, now, subscriptions, runDue } = this.#options;
    const stored = subscriptions.get(id);
    if (stored === undefined) return;
    try {
      const { isChanged } = await runDue(id);
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
    const { now, subscriptions } = this.#options;
    const { id, kind } = due;
    const before = subscriptions.get(id)?.record;
    // The plan may have changed since the fetch was scheduled, or while the last one ran.
    const isDue = before !== undefined && (DUE_AT[kind](before) ?? Infinity) <= now();
    const again = isDue ? await this.#runFetch?.(due) : undefined;
    const record = subscriptions.get(id)?.record;
    if (record === undefined) return;
    const name = PLAN_NAMES[kind];
    const isUnserved = isDue && record[name] === before[name];
    if (again === undefined && !isUnserved) this.#scheduleFetch(record, kind);
    else this.#fetches[kind].set(id, again ?? now() + STORE_RETRY_MS);
  }

  /** The clock was set back. Work that is due by the old clock must not wait until the new one gets there. */
  #onClockSetBack(): void {
    const { policyOf, subscriptions } = this.#options;
    for (const { record } of subscriptions.values()) {
      if (policyOf(record) === undefined) continue;
      // Retries after a failed write were also planned by the old clock.
      this.#life.set(record.id, dueAt(record));
      this.#scheduleFetch(record, 'catch-up');
      this.#scheduleFetch(record, 'poll');
      if (this.#isAffectedByClockSetBack(record)) void this.#run(record.id);
    }
  }

  #isAffectedByClockSetBack(record: SubscriptionRecord): boolean {
    const { now, policyOf } = this.#options;
    const rules = policyOf(record)?.rules;
    return rules !== undefined && isAffectedByClockSetBack(record, { now: now(), rules });
  }
}
