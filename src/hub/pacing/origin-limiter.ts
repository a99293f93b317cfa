import { originOf } from '../http/origin.js';

interface Waiting {
  readonly go: (mayBegin: boolean) => void;
  next?: Waiting;
}

/** What goes on at one origin, and who waits for a turn there, the first one first. */
interface Lane {
  inFlight: number;
  first?: Waiting | undefined;
  last?: Waiting | undefined;
}

/**
 * Turns at servers: at most so many pieces of work are in flight at one origin, the further ones wait in order, and no
 * origin waits for another (PROTOCOL L5). An origin at which nothing is done costs nothing.
 */
export class Pacing {
  readonly #limit: number;
  readonly #signal: AbortSignal;
  readonly #lanes = new Map<string, Lane>();

  /**
   * @param limit pieces of work in flight per origin, at least 1
   * @param signal when it aborts, nothing begins any more, and what waits is given up
   */
  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#giveUp());
  }

  /** How many origins something is done at. */
  get origins(): number {
    return this.#lanes.size;
  }

  /** Runs the work, at once where there is room, and resolves or rejects as it does; resolves without it where it is given up. */
  async inTurn(url: string, work: () => Promise<void>): Promise<void> {
    if (this.#signal.aborted) return;
    const origin = originOf(url);
    const lane = this.#lanes.get(origin) ?? { inFlight: 0 };
    this.#lanes.set(origin, lane);
    if (lane.inFlight < this.#limit) lane.inFlight += 1;
    else if (!(await turnIn(lane))) return;
    try {
      await work();
    } finally {
      this.#passOn(origin, lane);
    }
  }

  /** Whoever waits first takes the place of what has ended. */
  #passOn(origin: string, lane: Lane): void {
    const { first } = lane;
    if (first !== undefined) {
      lane.first = first.next;
      if (first.next === undefined) lane.last = undefined;
      first.go(true);
      return;
    }
    lane.inFlight -= 1;
    if (lane.inFlight === 0) this.#lanes.delete(origin);
  }

  #giveUp(): void {
    for (const lane of this.#lanes.values()) {
      for (let waiting = lane.first; waiting !== undefined; waiting = waiting.next) waiting.go(false);
      lane.first = undefined;
      lane.last = undefined;
    }
  }
}

/** Waits at the end of the queue; a list and no array, whose first item would cost all of it. */
function turnIn(lane: Lane): Promise<boolean> {
  return new Promise((go) => {
    const waiting: Waiting = { go };
    if (lane.last === undefined) lane.first = waiting;
    else lane.last.next = waiting;
    lane.last = waiting;
  });
}
