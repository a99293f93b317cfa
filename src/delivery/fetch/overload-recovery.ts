import type { Engine, Timetable } from '../../engine/engine.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { TransitionInput } from '../../subscription/machine/transition-types.js';
import type { CallbackMatch, StoredSubscription } from '../../subscription/registry/registry.js';
import { STORE_RETRY_MS } from '../../subscription/retry-policy.js';
import type { DeliveryService } from '../delivery-service.js';
import { Throttle } from '../throttle.js';

/** Milliseconds between checks for free room in the inbox. */
const CHECK_INTERVAL_MS = 10_000;

/** Milliseconds over which fetches and renewals are spread once the inbox has room. */
const SPREAD_MS = 600_000;

/** Dependencies of {@link OverloadRecovery}. */
export interface OverloadRecoveryOptions {
  readonly engine: Pick<Engine, 'timetable' | 'onClockSetBack'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  readonly serviceOf: (service: string) => DeliveryService | undefined;
  readonly isFull: (service: DeliveryService) => boolean;
  readonly apply: (subscriptionId: string, input: TransitionInput) => Promise<unknown>;
  /** Fetches a topic now, for content missed since `since` (epoch milliseconds). */
  readonly catchUp: (subscriptionId: string, since: number) => void;
  /** Whether the runtime is stopping. No new work starts then. */
  readonly isStopping: () => boolean;
}

/** The recovery of one subscription whose content was answered 503. */
interface PendingRecovery {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Whether nothing is left to store: the gap is stored, or the service has no catch-up. */
  needsNoWrite: boolean;
  /** Whether the inbox had room and the fetch is scheduled. */
  isScheduled: boolean;
}

/**
 * Recovers content that was answered 503, usually because the inbox was full or the store failed. Many hubs do not
 * retry a 503 (PROTOCOL C7). When there is room again, the topic is fetched and the subscription renewed, once per
 * overload.
 *
 * Quirk(rsscloud-server): never retries a delivery. We fetch the topic.
 *
 * Quirk(websub-server): retries a delivery three times within a second, then drops it. We fetch the topic.
 *
 * Quirk(PuSHPress, websub.rocks): end the subscription at the first answer other than 2xx. We renew it.
 */
export class OverloadRecovery {
  readonly #options: OverloadRecoveryOptions;
  readonly #due: Timetable;
  readonly #pending = new Map<string, PendingRecovery>();
  readonly #logThrottle = new Throttle();
  readonly #unreadThrottle = new Throttle();

  constructor(options: OverloadRecoveryOptions) {
    this.#options = options;
    const { engine, now } = options;
    this.#due = engine.timetable('overload-recovery', (id) => this.#check(id));
    engine.onClockSetBack(() => this.#due.bringForwardTo(now() + SPREAD_MS));
  }

  /** Records that genuine content was refused. */
  onRefused({ stored: subscription, grant }: CallbackMatch, reason: string): void {
    const { logger, now } = this.#options;
    const { id } = subscription.record;
    subscription.counters.refused();
    const suppressed = this.#logThrottle.tryPass(subscription, now());
    if (suppressed !== undefined) {
      log(logger, 'delivery.refused', { subscription: id, hub: grant.hub, topic: grant.topic, reason, suppressed });
    }
    if (!this.#pending.has(id)) this.#start(subscription);
  }

  /** Records that content was refused unread. It may be forged, so at most one a minute counts. */
  onRefusedUnread(match: CallbackMatch, reason: string): void {
    if (this.#unreadThrottle.tryPass(match.stored, this.#options.now()) !== undefined) this.onRefused(match, reason);
  }

  /**
   * Time of the earliest refused content whose fetch has not started; undefined without any. Epoch milliseconds.
   */
  get unsavedGapSince(): number | undefined {
    let earliest: number | undefined;
    for (const { since } of this.#pending.values()) earliest = Math.min(since, earliest ?? since);
    return earliest;
  }

  #start({ record: { id, service } }: StoredSubscription): void {
    const { now, serviceOf } = this.#options;
    const needsNoWrite = serviceOf(service)?.delivery.catchUp !== true;
    const recovery: PendingRecovery = { since: now(), needsNoWrite, isScheduled: false };
    this.#pending.set(id, recovery);
    this.#due.set(id, now() + CHECK_INTERVAL_MS);
    void this.#ensureStored(id, recovery);
  }

  /** Called when a timer is due. First checks for room, then waits a random time, then fetches and renews. */
  async #check(id: string): Promise<void> {
    const { now, random, subscriptionOf, serviceOf, isFull, isStopping } = this.#options;
    const recovery = this.#pending.get(id);
    if (recovery === undefined || isStopping()) return;
    const subscription = subscriptionOf(id);
    const service = subscription && serviceOf(subscription.record.service);
    if (service === undefined) {
      this.#pending.delete(id);
    } else if (isFull(service)) {
      recovery.isScheduled = false;
      this.#due.set(id, now() + CHECK_INTERVAL_MS);
    } else if (!(await this.#ensureStored(id, recovery))) {
      this.#due.set(id, now() + STORE_RETRY_MS);
    } else if (recovery.isScheduled) {
      await this.#catchUpAndRenew(id, recovery);
    } else {
      recovery.isScheduled = true;
      this.#due.set(id, now() + Math.floor(random() * SPREAD_MS));
    }
  }

  async #catchUpAndRenew(id: string, { since }: PendingRecovery): Promise<void> {
    const { apply, catchUp, logger, now } = this.#options;
    this.#pending.delete(id);
    try {
      await apply(id, { type: 'renewal-wanted', isOwed: true });
      catchUp(id, since);
    } catch (error) {
      // `#ensureStored` succeeded before. Content refused meanwhile has its own state.
      if (!this.#pending.has(id)) {
        this.#pending.set(id, { since, needsNoWrite: true, isScheduled: true });
        this.#due.set(id, now() + STORE_RETRY_MS);
      }
      log(logger, 'subscription.renewal-failed', { subscription: id, err: error });
    }
  }

  /** Stores the gap if that is still needed. Resolves to false if the store failed. */
  async #ensureStored(id: string, recovery: PendingRecovery): Promise<boolean> {
    if (recovery.needsNoWrite) return true;
    try {
      await this.#options.apply(id, { type: 'missed', since: recovery.since, isRenewalOwed: true });
      recovery.needsNoWrite = true;
    } catch (error) {
      log(this.#options.logger, 'delivery.missed-not-stored', { subscription: id, err: error });
    }
    return recovery.needsNoWrite;
  }
}
