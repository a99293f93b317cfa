import { originOf } from '../http/origin.js';

interface Waiter {
  readonly start: (mayBegin: boolean) => void;
  next?: Waiter;
}

/** What goes on at one origin, and who waits for a turn there, the first one first. */
interface OriginQueue {
  inFlight: number;
  first?: Waiter | undefined;
  last?: Waiter | undefined;
}

/**
 * Turns at servers: at most so many pieces of work are in flight at one origin, the further ones wait in order, and no
 * origin waits for another (PROTOCOL L5). An origin at which nothing is done costs nothing.
 */
export class OriginLimiter {
  readonly #limit: number;
  readonly #signal: AbortSignal;
  readonly #queues = new Map<string, OriginQueue>();

  /**
   * @param limit pieces of work in flight per origin, at least 1
   * @param signal when it aborts, nothing begins any more, and what waits is given up
   */
  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#rejectWaiters());
  }

  /** How many origins something is done at. */
  get activeOrigins(): number {
    return this.#queues.size;
  }

  /** Runs the work, at once where there is room, and resolves or rejects as it does; resolves without it where it is given up. */
  async run(url: string, work: () => Promise<void>): Promise<void> {
    if (this.#signal.aborted) return;
    const origin = originOf(url);
    const queue = this.#queues.get(origin) ?? { inFlight: 0 };
    this.#queues.set(origin, queue);
    if (queue.inFlight < this.#limit) queue.inFlight += 1;
    else if (!(await waitForSlot(queue))) return;
    try {
      await work();
    } finally {
      this.#releaseSlot(origin, queue);
    }
  }

  /** Whoever waits first takes the place of what has ended. */
  #releaseSlot(origin: string, queue: OriginQueue): void {
    const { first } = queue;
    if (first !== undefined) {
      queue.first = first.next;
      if (first.next === undefined) queue.last = undefined;
      first.start(true);
      return;
    }
    queue.inFlight -= 1;
    if (queue.inFlight === 0) this.#queues.delete(origin);
  }

  #rejectWaiters(): void {
    for (const queue of this.#queues.values()) {
      for (let waiter = queue.first; waiter !== undefined; waiter = waiter.next) waiter.start(false);
      queue.first = undefined;
      queue.last = undefined;
    }
  }
}

/** Waits at the end of the queue; a list and no array, whose first item would cost all of it. */
function waitForSlot(queue: OriginQueue): Promise<boolean> {
  return new Promise((go) => {
    const waiter: Waiter = { start: go };
    if (queue.last === undefined) queue.first = waiter;
    else queue.last.next = waiter;
    queue.last = waiter;
  });
}
