import type { Logger } from '../../logger.js';
import { ACKNOWLEDGED, FULL, UNSTORED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { Inbox } from './inbox.js';
import type { Reception } from '../report.js';
import type { Piece } from '../dedupe/dedupe-key.js';
import { pingOf } from '../fetch/thin-ping.js';
import { newStoredEvent, storableKeys, type StoredEvent } from './stored-event.js';

/** Dependencies of keeping events. */
export interface KeepingOptions {
  readonly inbox: Pick<Inbox, 'enqueue' | 'hold' | 'release' | 'settle' | 'newPosition' | 'loadOf'>;
  readonly logger: Logger;
}

/** How an event is held. */
export interface HoldOptions {
  /** Milliseconds the store has. */
  readonly withinMs: number;
  /** Told when the event is found to be news. */
  readonly onRelease: () => void;
}

/** An event that is in the store while it is not known yet whether it is news. */
export interface Held {
  /** It is: it waits for its handler from now on. */
  release(pieces: readonly Piece[]): void;
  /** It is not. */
  drop(): void;
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
    { isPing, withinMs }: { readonly isPing?: true | undefined; readonly withinMs?: number } = {},
  ): Promise<DeliveryAnswer> {
    if (this.isFull(target)) return FULL;
    const stored = this.newEvent(reception, isPing);
    return (await this.isStored(stored, this.#options.inbox.enqueue(stored, withinMs))) ? ACKNOWLEDGED : UNSTORED;
  }

  /** The same for an event of which it is not known yet whether it is news. */
  async hold(
    target: DeliveryTarget,
    reception: Reception,
    { withinMs, onRelease }: HoldOptions,
  ): Promise<{ readonly answer: DeliveryAnswer; readonly held?: Held }> {
    if (this.isFull(target)) return { answer: FULL };
    const { inbox } = this.#options;
    const stored = this.newEvent(reception, pingOf(target, reception));
    if (!(await this.isStored(stored, inbox.hold(stored, withinMs)))) return { answer: UNSTORED };
    const held: Held = {
      release(pieces) {
        onRelease();
        reception.meta.dedupeKeys = storableKeys(pieces);
        inbox.release(stored);
      },
      drop: () => void inbox.settle(stored, { type: 'done', acknowledgement: undefined }),
    };
    return { answer: ACKNOWLEDGED, held };
  }

  /** An event that has just been received, for the store: the last of those received so far. */
  newEvent({ meta, content, event, pieces }: Reception, isPing?: true): StoredEvent {
    const position = this.#options.inbox.newPosition();
    return newStoredEvent(meta, content, { id: event.id, position, dedupeKeys: storableKeys(pieces), isPing });
  }

  /** Whether an event that is being stored is; what fails is logged. */
  async isStored({ meta: { id, subscriptionId } }: StoredEvent, storing: Promise<void>): Promise<boolean> {
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
