import type { EngineContext } from '../../engine/engine-context.js';
import { log } from '../../log-events.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { Throttle } from '../throttle.js';
import type { EventContext } from '../event-context.js';

/** A handler that got a smaller share of `delivery.ackAfterMs` is not logged: parsing took the rest. */
const MIN_SHARE = 0.9;

/** Logs handlers that take longer than `delivery.ackAfterMs`, at most one a minute for each subscription. */
export class SlowHandlers {
  readonly #context: Pick<EngineContext, 'logger' | 'now'>;
  readonly #throttle = new Throttle();

  constructor(context: Pick<EngineContext, 'logger' | 'now'>) {
    this.#context = context;
  }

  /**
   * Logs a handler that did not finish in time. Its event is stored, and it keeps running.
   *
   * @param waitedMs milliseconds that the hub waited for the handler
   */
  report(
    { subscription, event }: EventContext,
    { ackAfterMs }: Pick<CheckedDeliveryConfig, 'ackAfterMs'>,
    waitedMs: number,
  ): void {
    if (waitedMs < ackAfterMs * MIN_SHARE) return;
    const { logger, now } = this.#context;
    const suppressed = this.#throttle.tryPass(subscription, now());
    if (suppressed === undefined) return;
    const { id, service } = subscription.record;
    log(logger, 'handler.slow', { eventId: event.id, subscription: id, service, ackAfterMs, suppressed });
  }
}
