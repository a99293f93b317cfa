/** Where an event stands in the order of reception. */
export interface FifoItem {
  readonly id: string;
  readonly subscriptionId: string;
  /** Undefined for one that was stored when there were no positions: it came before those that have one. */
  readonly position: number | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

interface QueuedEvent {
  readonly id: string;
  readonly subscriptionId: string;
  previous: QueuedEvent | undefined;
  next: QueuedEvent | undefined;
  isReady: boolean;
}

/**
 * Events one behind the other, in as many lines as there are: the first of a line alone has its turn. Each operation costs
 * the same however long the line is, and waiting costs nothing. An event that is in no line waits for nobody.
 */
export class FifoPerSubscription {
  readonly #events = new Map<string, QueuedEvent>();
  readonly #tails = new Map<string, QueuedEvent>();

  /** How many lines there are. */
  get size(): number {
    return this.#tails.size;
  }

  /** Puts an event at the end of a line. It holds back those that come later, and is not ready itself. */
  append(subscriptionId: string, id: string): void {
    const previous = this.#tails.get(subscriptionId);
    const event: QueuedEvent = { id, subscriptionId, previous, next: undefined, isReady: false };
    if (previous !== undefined) previous.next = event;
    this.#tails.set(subscriptionId, event);
    this.#events.set(id, event);
  }

  /** Puts events into their lines in the order in which they were received, whatever order they are given in. */
  appendInOrder(items: readonly FifoItem[]): void {
    for (const { subscriptionId, id } of items.toSorted(byReception)) this.append(subscriptionId, id);
  }

  /** The event is ready to be run. Whether it is its turn as well; if not, `leave` hands it out when it is. */
  markReady(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return true;
    event.isReady = true;
    return event.previous === undefined;
  }

  /** Takes an event out of its line. Returns the one that is ready and whose turn it is by that. */
  remove(id: string): string | undefined {
    const event = this.#events.get(id);
    if (event === undefined) return undefined;
    const { subscriptionId, previous, next } = event;
    this.#events.delete(id);
    if (previous !== undefined) previous.next = next;
    if (next !== undefined) next.previous = previous;
    else if (previous !== undefined) this.#tails.set(subscriptionId, previous);
    else this.#tails.delete(subscriptionId);
    return previous === undefined && next?.isReady === true ? next.id : undefined;
  }
}

function byReception(one: FifoItem, other: FifoItem): number {
  return (one.position ?? -1) - (other.position ?? -1) || one.receivedAt - other.receivedAt;
}
