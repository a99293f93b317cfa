import type { EngineContext } from '../../engine/engine-context.js';
import { log } from '../../log-events.js';
import type { CallbackMatch, Registry } from '../../subscription/registry/registry.js';
import { Throttle } from '../throttle.js';

/**
 * Records content that was answered 503, usually because the inbox was full or the store failed. Many hubs do not retry
 * a 503 (PROTOCOL C7). When there is room again, catch-up fetches the topic and renews the subscription, once per
 * overload.
 *
 * Quirk(rsscloud-server): never retries a delivery. We fetch the topic.
 *
 * Quirk(websub-server): retries a delivery three times within a second, then drops it. We fetch the topic.
 *
 * Quirk(PuSHPress, websub.rocks): end the subscription at the first answer other than 2xx. We renew it.
 */
export class OverloadRecovery {
  readonly #context: EngineContext;
  readonly #registry: Registry;
  readonly #logThrottle = new Throttle();
  readonly #unreadThrottle = new Throttle();

  constructor(context: EngineContext, registry: Registry) {
    this.#context = context;
    this.#registry = registry;
  }

  /** Records that genuine content was refused. */
  onRefused({ stored: subscription, grant }: CallbackMatch, reason: string): void {
    const { logger, now } = this.#context;
    const { id } = subscription.record;
    subscription.counters.refused();
    const suppressed = this.#logThrottle.tryPass(subscription, now());
    if (suppressed !== undefined) {
      log(logger, 'delivery.refused', { subscription: id, hub: grant.hub, topic: grant.topic, reason, suppressed });
    }
    void this.#record(id);
  }

  /** Records that content was refused unread. It may be forged, so at most one a minute counts. */
  onRefusedUnread(match: CallbackMatch, reason: string): void {
    if (this.#unreadThrottle.tryPass(match.stored, this.#context.now()) !== undefined) this.onRefused(match, reason);
  }

  /** Records the refusal in memory at once, because the store may be what failed. Then stores it. */
  async #record(id: string): Promise<void> {
    const { logger, now } = this.#context;
    try {
      const { isChanged } = await this.#registry.update(id, { type: 'content-refused', since: now() });
      if (isChanged) await this.#registry.save(id);
    } catch (error) {
      log(logger, 'delivery.missed-not-stored', { subscription: id, err: error });
    }
  }
}
