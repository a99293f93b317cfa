import type { Engine, Timetable } from '../../engine/engine.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isAffectedByClockSetBack } from '../machine/rules/clock-set-back.js';
import { dueAt } from '../machine/steps/on-due.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';
import { STORE_RETRY_MS } from '../retry-policy.js';
import type { StoredSubscription } from './callback-index.js';
import type { Update } from './update.js';

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

/** Runs the work of subscriptions at its due time, also after the clock was set back. */
export class DueSubscriptions {
  readonly #options: DueSubscriptionsOptions;
  readonly #timetable: Timetable;

  constructor(options: DueSubscriptionsOptions) {
    this.#options = options;
    this.#timetable = options.engine.timetable('subscriptions', (id) => this.#run(id));
    options.engine.onClockSetBack(() => this.#onClockSetBack());
  }

  /** Plans the next work of a subscription, or none. */
  schedule(record: SubscriptionRecord): void {
    const { now, policyOf } = this.#options;
    if (policyOf(record) === undefined) {
      this.#timetable.set(record.id, undefined);
      return;
    }
    // Work planned by a clock that was set back since, maybe while the process was down, is due now.
    this.#timetable.set(record.id, this.#isAffectedByClockSetBack(record) ? now() : dueAt(record));
  }

  remove(id: string): void {
    this.#timetable.set(id, undefined);
  }

  /** Whether a subscription is due, but missing in the timetable. */
  isDueUnscheduled(record: SubscriptionRecord): boolean {
    const { now, policyOf } = this.#options;
    if (policyOf(record) === undefined || this.#timetable.has(record.id)) return false;
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
      this.#timetable.set(id, now() + STORE_RETRY_MS);
    }
  }

  /** The clock was set back. Work that is due by the old clock must not wait until the new one gets there. */
  #onClockSetBack(): void {
    const { policyOf, subscriptions } = this.#options;
    for (const { record } of subscriptions.values()) {
      if (policyOf(record) === undefined) continue;
      // Retries after a failed write were also planned by the old clock.
      this.#timetable.set(record.id, dueAt(record));
      if (this.#isAffectedByClockSetBack(record)) void this.#run(record.id);
    }
  }

  #isAffectedByClockSetBack(record: SubscriptionRecord): boolean {
    const { now, policyOf } = this.#options;
    const rules = policyOf(record)?.rules;
    return rules !== undefined && isAffectedByClockSetBack(record, { now: now(), rules });
  }
}
