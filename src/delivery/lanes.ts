/** What runs events, and how many. */
export interface LanesOptions {
  /** How many of a service's are run at the same time. */
  readonly concurrencyOf: (service: string) => number;
  /** Calls `free` when another one may be run in its place. Does not reject. */
  readonly run: (id: string, free: () => void) => Promise<void>;
}

interface Lane {
  running: number;
  readonly ready: string[];
}

/** The events whose turn it is: of each service so many are run at the same time, and the others wait. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #runs = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs an event as soon as there is room. */
  push(service: string, id: string): void {
    const lane = this.#lanes.get(service) ?? { running: 0, ready: [] };
    this.#lanes.set(service, lane);
    lane.ready.push(id);
    this.#next(service, lane);
  }

  /** Begins no further run. Resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#runs);
  }

  #next(service: string, lane: Lane): void {
    while (!this.#isStopped && lane.running < this.#options.concurrencyOf(service)) {
      const id = lane.ready.shift();
      if (id === undefined) return;
      lane.running += 1;
      let isFree = false;
      const free = (): void => {
        if (isFree) return;
        isFree = true;
        lane.running -= 1;
        this.#next(service, lane);
      };
      const run = this.#options.run(id, free).finally(() => {
        free();
        this.#runs.delete(run);
      });
      this.#runs.add(run);
    }
  }
}
