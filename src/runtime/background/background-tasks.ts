import type { Logger } from '../../logger.js';

/** Begins a piece of work, now or when it is its turn; resolves when it has ended, or is given up. */
export type Slot = (work: () => Promise<void>) => Promise<void>;

interface Task {
  hasStarted: boolean;
  /** Whether it had to wait: it begins by itself when it can. */
  isDelayed: boolean;
  ended: Promise<void>;
}

const immediately: Slot = (work) => work();

/** Work that goes on by itself, one run at a time for each key. What fails is logged. */
export class BackgroundTasks {
  readonly #logger: Logger;
  readonly #tasks = new Map<string, Task>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Begins the work in its turn, unless a run of that key is under way, or waits. */
  startUnlessRunning(key: string, work: () => Promise<void>, failed: string, slot: Slot = immediately): void {
    if (!this.#tasks.has(key)) this.startAfterCurrent(key, work, failed, slot);
  }

  /** Begins the work in its turn when what is under way for that key, if anything, has ended; of those that wait, one is enough. */
  startAfterCurrent(key: string, work: () => Promise<void>, failed: string, slot: Slot = immediately): void {
    const current = this.#tasks.get(key);
    if (current?.hasStarted === false) return;
    const begin = (): Promise<void> => {
      task.hasStarted = true;
      return work();
    };
    const task: Task = { hasStarted: false, isDelayed: false, ended: Promise.resolve() };
    this.#tasks.set(key, task);
    const inSlot = (): Promise<void> => this.runLogged(() => slot(begin), failed);
    const worked = current === undefined ? inSlot() : current.ended.then(inSlot);
    task.isDelayed = !task.hasStarted;
    task.ended = worked.finally(() => this.#remove(key, task));
  }

  /** Resolves when the work has ended, however it did. */
  async runLogged(work: () => Promise<void>, failed: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.error({ err: error }, failed);
    }
  }

  /** Whether a run of that key is under way, or waits. */
  has(key: string): boolean {
    return this.#tasks.has(key);
  }

  /** Resolves when no run is left whose key is among those meant. */
  async waitFor(isMatch: (key: string) => boolean): Promise<void> {
    for (;;) {
      const matching = [...this.#tasks].flatMap(([key, { ended }]) => (isMatch(key) ? ended : []));
      if (matching.length === 0) return;
      await Promise.all(matching);
    }
  }

  /** Resolves when nothing is under way, and nothing waits. */
  async waitForIdle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all([...this.#tasks.values()].map(({ ended }) => ended));
  }

  /** Resolves when nothing is under way but what had to wait for its turn. */
  async waitForUndelayed(): Promise<void> {
    for (;;) {
      const undelayed = [...this.#tasks.values()].filter(({ isDelayed }) => !isDelayed);
      if (undelayed.length === 0) return;
      await Promise.all(undelayed.map(({ ended }) => ended));
    }
  }

  #remove(key: string, run: Task): void {
    if (this.#tasks.get(key) === run) this.#tasks.delete(key);
  }
}
