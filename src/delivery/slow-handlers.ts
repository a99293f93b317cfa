import type { Logger } from '../logger.js';
import { OnceAMinute } from './once-a-minute.js';
import type { Reception } from './report.js';

/** Dependencies of {@link SlowHandlers}. */
export interface SlowHandlersOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Logs handlers that take longer than `delivery.ackAfterMs`, at most one a minute for each subscription. */
export class SlowHandlers {
  readonly #options: SlowHandlersOptions;
  readonly #minutes = new OnceAMinute();

  constructor(options: SlowHandlersOptions) {
    this.#options = options;
  }

  /** The time ran out, the event is stored, and its handler goes on. */
  note({ entry, event }: Reception, ackAfterMs: number): void {
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
