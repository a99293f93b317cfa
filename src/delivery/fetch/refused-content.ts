import type { Engine, Timetable } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { SubscriptionEvent } from '../../subscription/machine/events.js';
import type { CallbackMatch, StoredSubscription } from '../../subscription/registry/registry.js';
import { STORE_RETRY_MS } from '../../subscription/retry-policy.js';
import type { DeliveryTarget } from '../delivery-target.js';
import { Throttle } from '../throttle.js';

/** Milliseconds between looks at whether there is room again. */
const CHECK_INTERVAL_MS = 10_000;

/** Milliseconds over which fetches and renewals are spread once there is room again. */
const SPREAD_MS = 600_000;

/** Dependencies of {@link RefusedContent}. */
export interface RefusedContentOptions {
  readonly engine: Pick<Engine, 'timetable' | 'onClockSetBack'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  readonly isFull: (target: DeliveryTarget) => boolean;
  readonly apply: (subscriptionId: string, event: SubscriptionEvent) => Promise<unknown>;
  /** Has a topic fetched for what was missed since then, now. Times are epoch milliseconds. */
  readonly catchUp: (subscriptionId: string, since: number) => void;
  /** Whether the runtime stops: nothing is begun any more. */
  readonly isClosing: () => boolean;
}

/** A subscription whose content was refused. */
interface Refused {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Whether the store knows of it. */
  isStored: boolean;
  /** Whether there was room again, and its turn is what is waited for. */
  isScheduled: boolean;
}

/**
 * Genuine content that was answered 503: no room, or no store. Many hubs do not send it again (PROTOCOL C7), so the topic is
 * fetched and the subscription renewed when there is room, once for each overload.
 *
 * Quirk(rsscloud-server): never retries a delivery. We fetch the topic.
 *
 * Quirk(websub-server): retries a delivery three times within a second, then drops it. We fetch the topic.
 *
 * Quirk(PuSHPress, websub.rocks): end the subscription at the first answer other than 2xx. We renew it.
 */
export class RefusedContent {
  readonly #options: RefusedContentOptions;
  readonly #due: Timetable;
  readonly #refused = new Map<string, Refused>();
  readonly #logThrottle = new Throttle();
  readonly #unreadThrottle = new Throttle();

  constructor(options: RefusedContentOptions) {
    this.#options = options;
    const { engine, now } = options;
    this.#due = engine.timetable((id) => void this.#check(id));
    engine.onClockSetBack(() => this.#due.bringForwardTo(now() + SPREAD_MS));
  }

  /** Content was refused that is known to be genuine. */
  onRefused({ stored: subscription, grant }: CallbackMatch, reason: string): void {
    const { logger, now } = this.#options;
    const { id } = subscription.record;
    subscription.counters.refused();
    const notLogged = this.#logThrottle.tryPass(subscription, now());
    if (notLogged !== undefined) {
      logger.warn(
        { subscription: id, hub: grant.hub, topic: grant.topic, reason, notLogged },
        'content was answered 503: the topic is fetched and the subscription renewed when there is room again',
      );
    }
    if (!this.#refused.has(id)) this.#start(subscription);
  }

  /** Content was refused that was not read, so that nobody knows whether it is genuine: one a minute counts. */
  onRefusedUnread(match: CallbackMatch, reason: string): void {
    if (this.#unreadThrottle.tryPass(match.stored, this.#options.now()) !== undefined) this.onRefused(match, reason);
  }

  /** Since when content is missing that was refused and not made up for; undefined where none is. Epoch milliseconds. */
  get missingSince(): number | undefined {
    let earliest: number | undefined;
    for (const { since } of this.#refused.values()) earliest = Math.min(since, earliest ?? since);
    return earliest;
  }

  #start({ record: { id, service } }: StoredSubscription): void {
    const { now, targetOf } = this.#options;
    const isStored = targetOf(service)?.delivery.catchUp !== true;
    const refused: Refused = { since: now(), isStored, isScheduled: false };
    this.#refused.set(id, refused);
    this.#due.set(id, now() + CHECK_INTERVAL_MS);
    void this.#ensureStored(id, refused);
  }

  /** A due time has come: looks for room, then waits for a turn, then makes up for what was refused. */
  async #check(id: string): Promise<void> {
    const { now, random, subscriptionOf, targetOf, isFull, isClosing } = this.#options;
    const refused = this.#refused.get(id);
    if (refused === undefined || isClosing()) return;
    const subscription = subscriptionOf(id);
    const target = subscription && targetOf(subscription.record.service);
    if (target === undefined) {
      this.#refused.delete(id);
    } else if (isFull(target)) {
      refused.isScheduled = false;
      this.#due.set(id, now() + CHECK_INTERVAL_MS);
    } else if (!(await this.#ensureStored(id, refused))) {
      this.#due.set(id, now() + STORE_RETRY_MS);
    } else if (refused.isScheduled) {
      await this.#catchUpAndRenew(id, refused);
    } else {
      refused.isScheduled = true;
      this.#due.set(id, now() + Math.floor(random() * SPREAD_MS));
    }
  }

  async #catchUpAndRenew(id: string, { since }: Refused): Promise<void> {
    const { apply, catchUp, logger, now } = this.#options;
    this.#refused.delete(id);
    try {
      await apply(id, { type: 'renewal-wanted', isOwed: true });
      catchUp(id, since);
    } catch (error) {
      // What is owed is stored. Content that was refused meanwhile has an entry of its own.
      if (!this.#refused.has(id)) {
        this.#refused.set(id, { since, isStored: true, isScheduled: true });
        this.#due.set(id, now() + STORE_RETRY_MS);
      }
      logger.error({ subscription: id, err: error }, 'a subscription could not be renewed after content was refused');
    }
  }

  /** Whether the store knows since when content is missing; it is told where it does not. */
  async #ensureStored(id: string, refused: Refused): Promise<boolean> {
    if (refused.isStored) return true;
    try {
      await this.#options.apply(id, { type: 'missed', since: refused.since, isRenewalOwed: true });
      refused.isStored = true;
    } catch (error) {
      this.#options.logger.error({ subscription: id, err: error }, 'that content is missing could not be noted');
    }
    return refused.isStored;
  }
}
