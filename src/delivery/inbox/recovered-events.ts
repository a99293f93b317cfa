import type { DeliveryTarget } from '../delivery-target.js';
import { closeEvent, type ContentDistributionMessage } from '../message/message.js';
import type { Deduplicator } from '../dedupe/deduplicator.js';
import type { EventFactory } from '../message/event-factory.js';
import { reportDeadLetter, type EventContext, type ReportOptions } from '../report.js';
import { isTracked } from '../dedupe/tracked-keys.js';
import type { StoredEvent } from './stored-event.js';

/** Dependencies of taking note of stored events. */
export interface RecoveredEventsOptions extends ReportOptions {
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  /** An event from the store; undefined where it is there no more. */
  readonly readEvent: (id: string) => Promise<StoredEvent | undefined>;
}

/** Takes note of events that previous processes left, and of those that are given up. */
export class RecoveredEvents {
  readonly #options: RecoveredEventsOptions;
  readonly #eventFactory: EventFactory;
  readonly #deduplicator: Deduplicator;

  constructor(options: RecoveredEventsOptions, eventFactory: EventFactory, deduplicator: Deduplicator) {
    this.#options = options;
    this.#eventFactory = eventFactory;
    this.#deduplicator = deduplicator;
  }

  /** An event that a previous process left or gave up: it is not to be handed over beside that. */
  add(stored: StoredEvent): void {
    const { id, service, subscriptionId, dedupeKeys } = stored.meta;
    const target = this.#options.targetOf(service);
    if (target === undefined || !isTracked(target.delivery)) return;
    const isDead = stored.retry.deadSince !== undefined;
    const contextOf = (event: StoredEvent): EventContext | undefined =>
      this.#eventFactory.fromStored(event, event.retry.attempts + (isDead ? 0 : 1));
    if (dedupeKeys === undefined) {
      // There may be thousands: to hold them all would take more memory than there is.
      this.#deduplicator.onRecoveredUnparsed(subscriptionId, isDead, async () => {
        const event = await this.#options.readEvent(id);
        return event && contextOf(event);
      });
      return;
    }
    const context = contextOf(stored);
    if (context !== undefined) this.#deduplicator.onRecovered(context, isDead);
  }

  /** A stored event as its handler would get it; undefined where its subscription is gone. */
  messageOf(stored: StoredEvent): ContentDistributionMessage | undefined {
    const event = this.#eventFactory.fromStored(stored, stored.retry.attempts)?.event;
    return event && closeEvent(event);
  }

  /** Tells of an event that is given up. */
  onDeadLetter(stored: StoredEvent): void {
    const context = this.#eventFactory.fromStored(stored, stored.retry.attempts);
    reportDeadLetter(this.#options, context, stored);
    if (context !== undefined) this.#deduplicator.onDeadLettered(context);
  }
}
