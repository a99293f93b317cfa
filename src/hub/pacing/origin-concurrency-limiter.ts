import { originOf } from '../http/origin.js';

interface Waiter {
  readonly resume: (hasSlot: boolean) => void;
  next?: Waiter;
}

/** The used slots of one origin, and a linked list of the work that waits, in order. */
interface OriginQueue {
  inFlight: number;
  first?: Waiter | undefined;
  last?: Waiter | undefined;
}

/**
 * Limits the work in flight per origin (PROTOCOL L5). More work waits in order; no origin waits for another. An idle
 * origin costs nothing.
 */
export class OriginConcurrencyLimiter {
  readonly #limit: number;
  readonly #signal: AbortSignal;
  readonly #queues = new Map<string, OriginQueue>();

  /**
   * @param limit slots per origin, at least 1
   * @param signal once it aborts, no work starts any more, and waiting work is dropped
   */
  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#dropWaiters());
  }

  /** Number of origins with work in flight. */
  get activeOrigins(): number {
    return this.#queues.size;
  }

  /**
   * Runs `work` when its origin has a free slot, and settles like `work`. If the signal aborts first, resolves without
   * running `work`.
   */
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

  /** Passes the slot on to the first waiter, if there is one. */
  #releaseSlot(origin: string, queue: OriginQueue): void {
    const { first } = queue;
    if (first !== undefined) {
      queue.first = first.next;
      if (first.next === undefined) queue.last = undefined;
      first.resume(true);
      return;
    }
    queue.inFlight -= 1;
    if (queue.inFlight === 0) this.#queues.delete(origin);
  }

  #dropWaiters(): void {
    for (const queue of this.#queues.values()) {
      for (let waiter = queue.first; waiter !== undefined; waiter = waiter.next) waiter.resume(false);
      queue.first = undefined;
      queue.last = undefined;
    }
  }
}

/** Waits at the end of the queue. A linked list: removing the first item of an array moves all the others. */
function waitForSlot(queue: OriginQueue): Promise<boolean> {
  return new Promise((resolve) => {
    const waiter: Waiter = { resume: resolve };
    if (queue.last === undefined) queue.first = waiter;
    else queue.last.next = waiter;
    queue.last = waiter;
  });
}
