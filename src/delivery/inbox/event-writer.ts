import type { Logger } from '../../logger.js';
import { ACKNOWLEDGED, INBOX_FULL, STORE_FAILED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { Inbox } from './inbox.js';
import type { EventContext } from '../report.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import { isThinPing } from '../fetch/thin-ping.js';
import { newStoredEvent, storableDedupeKeys, type StoredEvent } from './stored-event.js';

/** Dependencies of keeping events. */
export interface EventWriterOptions {
  readonly inbox: Pick<Inbox, 'enqueue' | 'storeUnscheduled' | 'schedule' | 'settle' | 'newPosition' | 'loadOf'>;
  readonly logger: Logger;
}

/** How an event is held. */
export interface UndecidedOptions {
  /** Milliseconds the store has. */
  readonly timeoutMs: number;
  /** Told when the event is found to be news. */
  readonly onAccept: () => void;
}

/** An event that is in the store while it is not known yet whether it is news. */
export interface UndecidedEvent {
  /** It is: it waits for its handler from now on. */
  accept(dedupeKeys: readonly DedupeKey[]): void;
  /** It is not. */
  drop(): void;
}

/** Keeps events in the inbox, and says what that comes to for whoever brought them. */
export class EventWriter {
  readonly #options: EventWriterOptions;

  constructor(options: EventWriterOptions) {
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
  async enqueue(
    target: DeliveryTarget,
    context: EventContext,
    { isPing, withinMs }: { readonly isPing?: true | undefined; readonly withinMs?: number } = {},
  ): Promise<DeliveryAnswer> {
    if (this.isFull(target)) return INBOX_FULL;
    const stored = this.newEvent(context, isPing);
    return (await this.isStored(stored, this.#options.inbox.enqueue(stored, withinMs))) ? ACKNOWLEDGED : STORE_FAILED;
  }

  /** The same for an event of which it is not known yet whether it is news. */
  async storeUndecided(
    target: DeliveryTarget,
    context: EventContext,
    { timeoutMs, onAccept }: UndecidedOptions,
  ): Promise<{ readonly answer: DeliveryAnswer; readonly held?: UndecidedEvent }> {
    if (this.isFull(target)) return { answer: INBOX_FULL };
    const { inbox } = this.#options;
    const stored = this.newEvent(context, isThinPing(target, context));
    if (!(await this.isStored(stored, inbox.storeUnscheduled(stored, timeoutMs)))) return { answer: STORE_FAILED };
    const undecided: UndecidedEvent = {
      accept(dedupeKeys) {
        onAccept();
        context.meta.dedupeKeys = storableDedupeKeys(dedupeKeys);
        inbox.schedule(stored);
      },
      drop: () => void inbox.settle(stored, { type: 'done', acknowledgement: undefined }),
    };
    return { answer: ACKNOWLEDGED, held: undecided };
  }

  /** An event that has just been received, for the store: the last of those received so far. */
  newEvent({ meta, content, event, dedupeKeys }: EventContext, isPing?: true): StoredEvent {
    const position = this.#options.inbox.newPosition();
    return newStoredEvent(meta, content, {
      id: event.id,
      position,
      dedupeKeys: storableDedupeKeys(dedupeKeys),
      isPing,
    });
  }

  /** Whether an event that is being stored is; what fails is logged. */
  async isStored({ meta: { id, subscriptionId } }: StoredEvent, write: Promise<void>): Promise<boolean> {
    try {
      await write;
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
