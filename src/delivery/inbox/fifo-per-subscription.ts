/** Where an event stands in the order of reception. */
export interface Place {
  readonly id: string;
  readonly line: string;
  /** Undefined for one that was stored when there were no positions: it came before those that have one. */
  readonly position: number | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

interface Waiting {
  readonly id: string;
  readonly line: string;
  before: Waiting | undefined;
  behind: Waiting | undefined;
  isReady: boolean;
}

/**
 * Events one behind the other, in as many lines as there are: the first of a line alone has its turn. Each operation costs
 * the same however long the line is, and waiting costs nothing. An event that is in no line waits for nobody.
 */
export class Lines {
  readonly #events = new Map<string, Waiting>();
  readonly #last = new Map<string, Waiting>();

  /** How many lines there are. */
  get size(): number {
    return this.#last.size;
  }

  /** Puts an event at the end of a line. It holds back those that come later, and is not ready itself. */
  join(line: string, id: string): void {
    const before = this.#last.get(line);
    const event: Waiting = { id, line, before, behind: undefined, isReady: false };
    if (before !== undefined) before.behind = event;
    this.#last.set(line, event);
    this.#events.set(id, event);
  }

  /** Puts events into their lines in the order in which they were received, whatever order they are given in. */
  joinInOrder(places: readonly Place[]): void {
    for (const { line, id } of places.toSorted(byReception)) this.join(line, id);
  }

  /** The event is ready to be run. Whether it is its turn as well; if not, `leave` hands it out when it is. */
  isTurn(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return true;
    event.isReady = true;
    return event.before === undefined;
  }

  /** Takes an event out of its line. Returns the one that is ready and whose turn it is by that. */
  leave(id: string): string | undefined {
    const event = this.#events.get(id);
    if (event === undefined) return undefined;
    const { line, before, behind } = event;
    this.#events.delete(id);
    if (before !== undefined) before.behind = behind;
    if (behind !== undefined) behind.before = before;
    else if (before !== undefined) this.#last.set(line, before);
    else this.#last.delete(line);
    return before === undefined && behind?.isReady === true ? behind.id : undefined;
  }
}

function byReception(one: Place, other: Place): number {
  return (one.position ?? -1) - (other.position ?? -1) || one.receivedAt - other.receivedAt;
}
