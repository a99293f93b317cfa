import type { DeliveryTarget } from './delivery-target.js';
import type { OnceOnly } from './once-only.js';
import type { Receptions } from './receptions.js';
import { emitEvent, type Reception, type ReportOptions } from './report.js';
import { isTracked } from './sameness.js';
import type { StoredEvent } from './stored-event.js';

/** What taking note of stored events works with. */
export interface LeftEventsOptions extends ReportOptions {
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  /** An event from the store; undefined where it is there no more. */
  readonly readEvent: (id: string) => Promise<StoredEvent | undefined>;
}

/** Takes note of events that previous processes left, and of those that are given up. */
export class LeftEvents {
  readonly #options: LeftEventsOptions;
  readonly #receptions: Receptions;
  readonly #once: OnceOnly;

  constructor(options: LeftEventsOptions, receptions: Receptions, once: OnceOnly) {
    this.#options = options;
    this.#receptions = receptions;
    this.#once = once;
  }

  /** An event that a previous process left or gave up: it is not to be handed over beside that. */
  found(stored: StoredEvent): void {
    const { id, service, subscriptionId, pieces, deadSince } = stored;
    const target = this.#options.targetOf(service);
    if (target === undefined || !isTracked(target.delivery)) return;
    const isDead = deadSince !== undefined;
    const receptionOf = (event: StoredEvent): Reception | undefined =>
      this.#receptions.ofStored(event, event.attempts + (isDead ? 0 : 1));
    if (pieces === undefined) {
      // There may be thousands: to hold them all would take more memory than there is.
      this.#once.foundUnparsed(subscriptionId, isDead, async () => {
        const event = await this.#options.readEvent(id);
        return event && receptionOf(event);
      });
      return;
    }
    const reception = receptionOf(stored);
    if (reception !== undefined) this.#once.found(reception, isDead);
  }

  /** Tells of an event that is given up. */
  bury(stored: StoredEvent): void {
    const last = stored.errors.at(-1)?.message ?? '';
    this.#options.logger.error(
      { event: stored.id, subscription: stored.subscriptionId, service: stored.service, attempts: stored.attempts },
      `an event is given up and kept as a dead letter: ${last}`,
    );
    const reception = this.#receptions.ofStored(stored, stored.attempts);
    if (reception === undefined) return;
    emitEvent(this.#options, 'dead-letter', reception, new Error(last));
    this.#once.givenUp(reception);
  }
}
