/** An event's place in the order of reception. */
export interface FifoItem {
  readonly id: string;
  readonly subscriptionId: string;
  /** Undefined for an event stored by an older version. It comes before events with a position. */
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
 * A queue of events for each subscription. Only the first event of a queue may run. Each operation takes constant time,
 * and waiting costs nothing. An event outside any queue may run at once.
 */
export class FifoPerSubscription {
  readonly #events = new Map<string, QueuedEvent>();
  readonly #tails = new Map<string, QueuedEvent>();

  /** The number of queues. */
  get size(): number {
    return this.#tails.size;
  }

  /** Appends an event that is not ready yet to its queue. Later events wait for it. */
  append(subscriptionId: string, id: string): void {
    const previous = this.#tails.get(subscriptionId);
    const event: QueuedEvent = { id, subscriptionId, previous, next: undefined, isReady: false };
    if (previous !== undefined) previous.next = event;
    this.#tails.set(subscriptionId, event);
    this.#events.set(id, event);
  }

  /** Appends events in the order of reception, whatever the order of `items`. */
  appendInOrder(items: readonly FifoItem[]): void {
    for (const { subscriptionId, id } of items.toSorted(byReception)) this.append(subscriptionId, id);
  }

  /** Marks an event as ready. Returns whether the event may run now. If not, a later `remove` returns its id. */
  markReady(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return true;
    event.isReady = true;
    return event.previous === undefined;
  }

  /** Removes an event from its queue. Returns the next event if it is ready and may run now. */
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
