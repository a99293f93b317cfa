/** What runs events, and how many. */
export interface ConcurrencyLimiterOptions {
  /** How many of a service's are run at the same time. */
  readonly concurrencyOf: (service: string) => number;
  /** Calls `free` when another one may be run in its place. Does not reject. */
  readonly run: (id: string, free: () => void) => Promise<void>;
  readonly suspects: Suspects;
}

/** Events during whose run the process has ended before: of all services together, one of them is run at a time. */
export interface Suspects {
  isSuspect(id: string): boolean;
  /** Whether it may begin now. */
  tryAcquire(id: string): boolean;
  release(id: string): void;
  /** Calls the listener whenever another one may begin. */
  onRelease(listener: () => void): void;
}

interface ServiceQueue {
  running: number;
  readonly ready: string[];
  /** Suspects that came first of those that are ready while another one was running. */
  readonly waitingSuspects: string[];
}

/** The events whose turn it is: of each service so many are run at the same time, and the others wait. */
export class ConcurrencyLimiter {
  readonly #options: ConcurrencyLimiterOptions;
  readonly #queues = new Map<string, ServiceQueue>();
  readonly #runs = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: ConcurrencyLimiterOptions) {
    this.#options = options;
    options.suspects.onRelease(() => {
      for (const [service, queue] of this.#queues)
        if (queue.waitingSuspects.length > 0) this.#startNext(service, queue);
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs an event as soon as there is room. */
  push(service: string, id: string): void {
    const queue = this.#queues.get(service) ?? { running: 0, ready: [], waitingSuspects: [] };
    this.#queues.set(service, queue);
    queue.ready.push(id);
    this.#startNext(service, queue);
  }

  /** Begins no further run. Resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#runs);
  }

  #startNext(service: string, queue: ServiceQueue): void {
    while (!this.#isStopped && queue.running < this.#options.concurrencyOf(service)) {
      const id = this.#takeNext(queue);
      if (id === undefined) return;
      queue.running += 1;
      let isReleased = false;
      const releaseSlot = (): void => {
        if (isReleased) return;
        isReleased = true;
        queue.running -= 1;
        this.#startNext(service, queue);
      };
      const run = this.#options.run(id, releaseSlot).finally(() => {
        releaseSlot();
        this.#runs.delete(run);
        this.#options.suspects.release(id);
      });
      this.#runs.add(run);
    }
  }

  /** The next that may begin. Others do not wait for a suspect that waits. */
  #takeNext({ ready, waitingSuspects }: ServiceQueue): string | undefined {
    const { suspects } = this.#options;
    const [first] = waitingSuspects;
    if (first !== undefined && suspects.tryAcquire(first)) return waitingSuspects.shift();
    for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
      if (!suspects.isSuspect(id) || suspects.tryAcquire(id)) return id;
      waitingSuspects.push(id);
    }
    return undefined;
  }
}
