import type { Logger } from '../../logger.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { Throttle } from '../throttle.js';
import type { Reception } from '../report.js';

/** A handler that was given a smaller share of `delivery.ackAfterMs` may be quick: parsing took the rest. */
const LEAST_SHARE = 0.9;

/** Dependencies of {@link SlowHandlers}. */
export interface SlowHandlersOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Logs handlers that take longer than `delivery.ackAfterMs`, at most one a minute for each subscription. */
export class SlowHandlers {
  readonly #options: SlowHandlersOptions;
  readonly #minutes = new Throttle();

  constructor(options: SlowHandlersOptions) {
    this.#options = options;
  }

  /**
   * The time ran out, the event is stored, and its handler goes on.
   *
   * @param waitedMs how long the handler was waited for, in milliseconds
   */
  note({ entry, event }: Reception, { ackAfterMs }: Pick<CheckedDeliveryConfig, 'ackAfterMs'>, waitedMs: number): void {
    if (waitedMs < ackAfterMs * LEAST_SHARE) return;
    const { logger, now } = this.#options;
    const notLogged = this.#minutes.pass(entry, now());
    if (notLogged === undefined) return;
    const { id, service } = entry.record;
    logger.warn(
      { event: event.id, subscription: id, service, ackAfterMs, notLogged },
      'the handler did not finish within delivery.ackAfterMs: the event is stored, the hub was answered 202, and the handler ' +
        'keeps running',
    );
  }
}
