import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { ACKNOWLEDGED, INBOX_FULL, STORE_FAILED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryService } from '../delivery-service.js';
import type { Inbox } from './inbox.js';
import type { EventContext } from '../event-context.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import { isThinPing } from '../fetch/thin-ping.js';
import { newStoredEvent, storableDedupeKeys, type StoredEvent } from './stored-event.js';

/** The inbox that events are written to. */
type WritableInbox = Pick<Inbox, 'enqueue' | 'storeUnscheduled' | 'schedule' | 'settle' | 'newPosition' | 'loadOf'>;

/** How an event is enqueued. */
export interface EnqueueOptions {
  readonly isPing?: true | undefined;
  /** Milliseconds the store may take while a hub waits. @default no limit */
  readonly timeoutMs?: number;
}

/** How an undecided event is stored. */
export interface UndecidedOptions {
  /** Milliseconds the store may take. */
  readonly timeoutMs: number;
  /** Called when the event turns out to be new. */
  readonly onAccept: () => void;
}

/** A stored event that may still turn out to be a duplicate. */
export interface UndecidedEvent {
  /** The event is new: schedules it for its handler. */
  accept(dedupeKeys: readonly DedupeKey[]): void;
  /** The event is a duplicate: removes it. */
  drop(): void;
}

/** The answer for an undecided event, and the event if it was stored. */
export interface UndecidedWrite {
  readonly answer: DeliveryAnswer;
  readonly undecided?: UndecidedEvent;
}

/** Writes events to the inbox and returns the answer for the hub. */
export class EventWriter {
  readonly #logger: Logger;
  readonly #inbox: WritableInbox;

  constructor({ logger }: { readonly logger: Logger }, inbox: WritableInbox) {
    this.#logger = logger;
    this.#inbox = inbox;
  }

  /** Whether the service's inbox is full. */
  isFull({ name, delivery }: DeliveryService): boolean {
    const { events, bytes } = this.#inbox.loadOf(name);
    return events >= delivery.maxPending || bytes >= delivery.maxPendingBytes;
  }

  /** Acknowledges the event once it is stored. The inbox then runs its handler. */
  async enqueue(
    service: DeliveryService,
    context: EventContext,
    { isPing, timeoutMs }: EnqueueOptions = {},
  ): Promise<DeliveryAnswer> {
    if (this.isFull(service)) return INBOX_FULL;
    const stored = this.newEvent(context, isPing);
    return (await this.isStored(stored, this.#inbox.enqueue(stored, timeoutMs))) ? ACKNOWLEDGED : STORE_FAILED;
  }

  /** Stores an event before it is known whether it is a duplicate, and acknowledges it. */
  async storeUndecided(
    service: DeliveryService,
    context: EventContext,
    { timeoutMs, onAccept }: UndecidedOptions,
  ): Promise<UndecidedWrite> {
    if (this.isFull(service)) return { answer: INBOX_FULL };
    const inbox = this.#inbox;
    const stored = this.newEvent(context, isThinPing(service, context));
    if (!(await this.isStored(stored, inbox.storeUnscheduled(stored, timeoutMs)))) return { answer: STORE_FAILED };
    const undecided: UndecidedEvent = {
      accept(dedupeKeys) {
        onAccept();
        context.meta.dedupeKeys = storableDedupeKeys(dedupeKeys);
        inbox.schedule(stored);
      },
      drop: () => void inbox.settle(stored, { type: 'done', acknowledgement: undefined }),
    };
    return { answer: ACKNOWLEDGED, undecided };
  }

  /** Makes the stored form of an event that has just been received. Gives it the next position. */
  newEvent({ meta, content, event, dedupeKeys }: EventContext, isPing?: true): StoredEvent {
    const position = this.#inbox.newPosition();
    return newStoredEvent(meta, content, {
      id: event.id,
      position,
      dedupeKeys: storableDedupeKeys(dedupeKeys),
      isPing,
    });
  }

  /** Whether the write succeeds. Logs a failure. */
  async isStored({ meta: { id, subscriptionId } }: StoredEvent, write: Promise<void>): Promise<boolean> {
    try {
      await write;
      return true;
    } catch (error) {
      log(this.#logger, 'delivery.not-stored', { eventId: id, subscription: subscriptionId, err: error });
      return false;
    }
  }
}
