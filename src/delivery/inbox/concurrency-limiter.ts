import type { DeliveryServices } from '../delivery-context.js';

/** Runs an event. Calls `releaseSlot` when the next event may start. Does not reject. */
type RunEvent = (id: string, releaseSlot: () => void) => Promise<void>;

/** Events that were running when a process crashed. Only one of them runs at a time, across all services. */
export interface Suspects {
  isSuspect(id: string): boolean;
  /** Whether the suspect may start now. If so, it holds the lock until `release`. */
  tryAcquire(id: string): boolean;
  release(id: string): void;
  /** Calls the listener whenever the next suspect may start. */
  onRelease(listener: () => void): void;
}

interface ServiceQueue {
  /** Number of events that occupy a slot. */
  running: number;
  readonly ready: string[];
  /** Suspects taken from `ready` while another suspect was running. */
  readonly waitingSuspects: string[];
}

/** Limits how many events of each service run at the same time. The others wait. */
export class ConcurrencyLimiter {
  readonly #services: Pick<DeliveryServices, 'get'>;
  readonly #suspects: Suspects;
  readonly #run: RunEvent;
  readonly #queues = new Map<string, ServiceQueue>();
  readonly #runs = new Set<Promise<void>>();
  #isStopped = false;

  constructor(services: Pick<DeliveryServices, 'get'>, suspects: Suspects, run: RunEvent) {
    this.#services = services;
    this.#suspects = suspects;
    this.#run = run;
    suspects.onRelease(() => {
      for (const [service, queue] of this.#queues)
        if (queue.waitingSuspects.length > 0) this.#startNext(service, queue);
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs an event as soon as its service has a free slot. */
  push(service: string, id: string): void {
    const queue = this.#queues.get(service) ?? { running: 0, ready: [], waitingSuspects: [] };
    this.#queues.set(service, queue);
    queue.ready.push(id);
    this.#startNext(service, queue);
  }

  /** Starts no further runs. Resolves once the current runs have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#runs);
  }

  #startNext(service: string, queue: ServiceQueue): void {
    const concurrency = this.#services.get(service)?.delivery.concurrency ?? 0;
    while (!this.#isStopped && queue.running < concurrency) {
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
      const run = this.#run(id, releaseSlot).finally(() => {
        releaseSlot();
        this.#runs.delete(run);
        this.#suspects.release(id);
      });
      this.#runs.add(run);
    }
  }

  /** The next event that may start. Other events do not wait behind a waiting suspect. */
  #takeNext({ ready, waitingSuspects }: ServiceQueue): string | undefined {
    const suspects = this.#suspects;
    const [first] = waitingSuspects;
    if (first !== undefined && suspects.tryAcquire(first)) return waitingSuspects.shift();
    for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
      if (!suspects.isSuspect(id) || suspects.tryAcquire(id)) return id;
      waitingSuspects.push(id);
    }
    return undefined;
  }
}
