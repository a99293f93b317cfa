import type { DeliveryContext } from '../delivery-context.js';
import { closeEvent, type ContentDistributionMessage } from '../message/message.js';
import type { Deduplicator } from '../dedupe/deduplicator.js';
import type { EventFactory } from '../message/event-factory.js';
import type { EventContext } from '../event-context.js';
import { reportDeadLetter } from '../report.js';
import { isTracked } from '../dedupe/tracked-keys.js';
import { findEvent, type StoredEvent } from './stored-event.js';

/**
 * Registers stored events of previous processes for deduplication, reports new dead letters, and rebuilds stored events
 * as their handler gets them.
 */
export class RecoveredEvents {
  readonly #context: DeliveryContext;
  readonly #eventFactory: EventFactory;
  readonly #deduplicator: Deduplicator;

  constructor(context: DeliveryContext, eventFactory: EventFactory, deduplicator: Deduplicator) {
    this.#context = context;
    this.#eventFactory = eventFactory;
    this.#deduplicator = deduplicator;
  }

  /**
   * Registers an event of a previous process, or a requeued one. Duplicates of a waiting event are then dropped. Polls
   * and catch-ups then ignore the entries of a dead letter.
   */
  add(stored: StoredEvent): void {
    const { id, service, subscriptionId, dedupeKeys } = stored.meta;
    const deliveryService = this.#context.services.get(service);
    if (deliveryService === undefined || !isTracked(deliveryService.delivery)) return;
    const isDead = stored.retry.deadSince !== undefined;
    const contextOf = (event: StoredEvent): EventContext | undefined =>
      this.#eventFactory.fromStored(event, event.retry.attempts + (isDead ? 0 : 1));
    if (dedupeKeys === undefined) {
      // Read later, one at a time: there may be thousands, more than fit into memory.
      this.#deduplicator.onRecoveredUnparsed(subscriptionId, isDead, async () => {
        const event = await this.read(id);
        return event && contextOf(event);
      });
      return;
    }
    const context = contextOf(stored);
    if (context !== undefined) this.#deduplicator.onRecovered(context, isDead);
  }

  /** Reads an event from the store; undefined if it no longer exists or cannot be read. */
  read(id: string): Promise<StoredEvent | undefined> {
    return findEvent(this.#context.store, id, () => {});
  }

  /** A stored event as its handler gets it; undefined if its subscription no longer exists. */
  messageOf(stored: StoredEvent): ContentDistributionMessage | undefined {
    const event = this.#eventFactory.fromStored(stored, stored.retry.attempts)?.event;
    return event && closeEvent(event);
  }

  /** Reports a new dead letter. */
  onDeadLetter(stored: StoredEvent): void {
    const context = this.#eventFactory.fromStored(stored, stored.retry.attempts);
    reportDeadLetter(this.#context, context, stored);
    if (context !== undefined) this.#deduplicator.onDeadLettered(context);
  }
}
