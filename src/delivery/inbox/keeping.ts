import type { Logger } from '../../logger.js';
import { ACKNOWLEDGED, FULL, UNSTORED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { Inbox } from './inbox.js';
import type { NewContent } from '../message/receptions.js';
import type { Reception } from '../report.js';
import type { Piece } from '../dedupe/piece.js';
import { pingOf } from '../fetch/thin-ping.js';
import { newStoredEvent, storablePieces, type StoredEvent } from './stored-event.js';

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
    content: NewContent,
    { isPing, withinMs }: { readonly isPing?: true | undefined; readonly withinMs?: number } = {},
  ): Promise<DeliveryAnswer> {
    if (this.isFull(target)) return FULL;
    const { inbox } = this.#options;
    const stored = newStoredEvent(target.name, reception, content, { position: inbox.newPosition(), isPing });
    return (await this.isStored(stored, inbox.enqueue(stored, withinMs))) ? ACKNOWLEDGED : UNSTORED;
  }

  /** The same for an event of which it is not known yet whether it is news. */
  async hold(
    target: DeliveryTarget,
    reception: Reception,
    content: NewContent,
    { withinMs, onRelease }: HoldOptions,
  ): Promise<{ readonly answer: DeliveryAnswer; readonly held?: Held }> {
    if (this.isFull(target)) return { answer: FULL };
    const { inbox } = this.#options;
    const order = { position: inbox.newPosition(), isPing: pingOf(target, reception) };
    const stored = newStoredEvent(target.name, reception, content, order);
    if (!(await this.isStored(stored, inbox.hold(stored, withinMs)))) return { answer: UNSTORED };
    const held: Held = {
      release(pieces) {
        onRelease();
        inbox.release({ ...stored, pieces: storablePieces(pieces) });
      },
      drop: () => void inbox.settle(stored, { type: 'done', acknowledgement: undefined }),
    };
    return { answer: ACKNOWLEDGED, held };
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
