import type { DeliveryTarget } from '../delivery-target.js';
import { closeEvent, type ContentDistributionMessage } from '../message/message.js';
import type { OnceOnly } from '../dedupe/deduplicator.js';
import type { Receptions } from '../message/event-factory.js';
import { reportDeadLetter, type Reception, type ReportOptions } from '../report.js';
import { isTracked } from '../dedupe/tracked-keys.js';
import type { StoredEvent } from './stored-event.js';

/** Dependencies of taking note of stored events. */
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
    const { id, service, subscriptionId, dedupeKeys } = stored.meta;
    const target = this.#options.targetOf(service);
    if (target === undefined || !isTracked(target.delivery)) return;
    const isDead = stored.retry.deadSince !== undefined;
    const receptionOf = (event: StoredEvent): Reception | undefined =>
      this.#receptions.ofStored(event, event.retry.attempts + (isDead ? 0 : 1));
    if (dedupeKeys === undefined) {
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

  /** A stored event as its handler would get it; undefined where its subscription is gone. */
  messageOf(stored: StoredEvent): ContentDistributionMessage | undefined {
    const event = this.#receptions.ofStored(stored, stored.retry.attempts)?.event;
    return event && closeEvent(event);
  }

  /** Tells of an event that is given up. */
  bury(stored: StoredEvent): void {
    const reception = this.#receptions.ofStored(stored, stored.retry.attempts);
    reportDeadLetter(this.#options, reception, stored);
    if (reception !== undefined) this.#once.givenUp(reception);
  }
}
