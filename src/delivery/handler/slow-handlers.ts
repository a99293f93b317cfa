import type { Logger } from '../../logger.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { Throttle } from '../throttle.js';
import type { EventContext } from '../report.js';

/** A handler that was given a smaller share of `delivery.ackAfterMs` may be quick: parsing took the rest. */
const MIN_SHARE = 0.9;

/** Dependencies of {@link SlowHandlers}. */
export interface SlowHandlersOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Logs handlers that take longer than `delivery.ackAfterMs`, at most one a minute for each subscription. */
export class SlowHandlers {
  readonly #options: SlowHandlersOptions;
  readonly #throttle = new Throttle();

  constructor(options: SlowHandlersOptions) {
    this.#options = options;
  }

  /**
   * The time ran out, the event is stored, and its handler goes on.
   *
   * @param waitedMs how long the handler was waited for, in milliseconds
   */
  report(
    { subscription, event }: EventContext,
    { ackAfterMs }: Pick<CheckedDeliveryConfig, 'ackAfterMs'>,
    waitedMs: number,
  ): void {
    if (waitedMs < ackAfterMs * MIN_SHARE) return;
    const { logger, now } = this.#options;
    const notLogged = this.#throttle.tryPass(subscription, now());
    if (notLogged === undefined) return;
    const { id, service } = subscription.record;
    logger.warn(
      { event: event.id, subscription: id, service, ackAfterMs, notLogged },
      'the handler did not finish within delivery.ackAfterMs: the event is stored, the hub was answered 202, and the handler ' +
        'keeps running',
    );
  }
}
