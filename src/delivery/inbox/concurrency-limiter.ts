/** What runs events, and how many. */
export interface LanesOptions {
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
  takeTurn(id: string): boolean;
  endTurn(id: string): void;
  /** Calls the listener whenever another one may begin. */
  onFree(listener: () => void): void;
}

interface Lane {
  running: number;
  readonly ready: string[];
  /** Suspects that came first of those that are ready while another one was running. */
  readonly held: string[];
}

/** The events whose turn it is: of each service so many are run at the same time, and the others wait. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #runs = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: LanesOptions) {
    this.#options = options;
    options.suspects.onFree(() => {
      for (const [service, lane] of this.#lanes) if (lane.held.length > 0) this.#next(service, lane);
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs an event as soon as there is room. */
  push(service: string, id: string): void {
    const lane = this.#lanes.get(service) ?? { running: 0, ready: [], held: [] };
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
      const id = this.#take(lane);
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
        this.#options.suspects.endTurn(id);
      });
      this.#runs.add(run);
    }
  }

  /** The next that may begin. Others do not wait for a suspect that waits. */
  #take({ ready, held }: Lane): string | undefined {
    const { suspects } = this.#options;
    const [first] = held;
    if (first !== undefined && suspects.takeTurn(first)) return held.shift();
    for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
      if (!suspects.isSuspect(id) || suspects.takeTurn(id)) return id;
      held.push(id);
    }
    return undefined;
  }
}
