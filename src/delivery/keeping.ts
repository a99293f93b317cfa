import type { Logger } from '../logger.js';
import { ACKNOWLEDGED, FULL, UNSTORED, type DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryTarget } from './delivery-target.js';
import type { Inbox } from './inbox.js';
import type { NewContent } from './receptions.js';
import type { Reception } from './report.js';
import { newStoredEvent, type StoredEvent } from './stored-event.js';

/** What keeping events works with. */
export interface KeepingOptions {
  readonly inbox: Pick<Inbox, 'enqueue' | 'newPosition' | 'loadOf'>;
  readonly logger: Logger;
}

/** Keeps events in the inbox, and says what that comes to for whoever brought them. */
export class Keeping {
  readonly #options: KeepingOptions;

  constructor(options: KeepingOptions) {
    this.#options = options;
  }

  /** Whether the service takes no more: its inbox is full. */
  isFull({ name, delivery }: DeliveryTarget): boolean {
    const { events, bytes } = this.#options.inbox.loadOf(name);
    return events >= delivery.maxPending || bytes >= delivery.maxPendingBytes;
  }

  /**
   * Acknowledged when the event is in the store; its handler is run by the inbox.
   *
   * @param withinMs milliseconds the store has, where a hub waits
   */
  async queue(
    target: DeliveryTarget,
    reception: Reception,
    content: NewContent,
    { isPing, withinMs }: { readonly isPing?: true | undefined; readonly withinMs?: number } = {},
  ): Promise<DeliveryAnswer> {
    if (this.isFull(target)) return FULL;
    const { inbox } = this.#options;
    const stored = newStoredEvent(target.name, reception, content, { position: inbox.newPosition(), isPing });
    return (await this.isStored(stored, inbox.enqueue(stored, withinMs))) ? ACKNOWLEDGED : UNSTORED;
  }

  /** Whether an event that is being stored is; what fails is logged. */
  async isStored({ id, subscriptionId }: StoredEvent, storing: Promise<void>): Promise<boolean> {
    try {
      await storing;
      return true;
    } catch (error) {
      this.#options.logger.error(
        { event: id, subscription: subscriptionId, err: error },
        'an event cannot be stored: 503',
      );
      return false;
    }
  }
}
