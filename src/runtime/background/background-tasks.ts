import type { Logger } from '../../logger.js';

/** Begins a piece of work, now or when it is its turn; resolves when it has ended, or is given up. */
export type Turn = (work: () => Promise<void>) => Promise<void>;

interface Run {
  hasBegun: boolean;
  /** Whether it had to wait: it begins by itself when it can. */
  isScheduled: boolean;
  ended: Promise<void>;
}

const atOnce: Turn = (work) => work();

/** Work that goes on by itself, one run at a time for each key. What fails is logged. */
export class UnderWay {
  readonly #logger: Logger;
  readonly #runs = new Map<string, Run>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Begins the work in its turn, unless a run of that key is under way, or waits. */
  once(key: string, work: () => Promise<void>, failed: string, turn: Turn = atOnce): void {
    if (!this.#runs.has(key)) this.next(key, work, failed, turn);
  }

  /** Begins the work in its turn when what is under way for that key, if anything, has ended; of those that wait, one is enough. */
  next(key: string, work: () => Promise<void>, failed: string, turn: Turn = atOnce): void {
    const before = this.#runs.get(key);
    if (before?.hasBegun === false) return;
    const begin = (): Promise<void> => {
      run.hasBegun = true;
      return work();
    };
    const run: Run = { hasBegun: false, isScheduled: false, ended: Promise.resolve() };
    this.#runs.set(key, run);
    const inTurn = (): Promise<void> => this.logged(() => turn(begin), failed);
    const worked = before === undefined ? inTurn() : before.ended.then(inTurn);
    run.isScheduled = !run.hasBegun;
    run.ended = worked.finally(() => this.#forget(key, run));
  }

  /** Resolves when the work has ended, however it did. */
  async logged(work: () => Promise<void>, failed: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#logger.error({ err: error }, failed);
    }
  }

  /** Whether a run of that key is under way, or waits. */
  has(key: string): boolean {
    return this.#runs.has(key);
  }

  /** Resolves when no run is left whose key is among those meant. */
  async ended(isMeant: (key: string) => boolean): Promise<void> {
    for (;;) {
      const meant = [...this.#runs].flatMap(([key, { ended }]) => (isMeant(key) ? ended : []));
      if (meant.length === 0) return;
      await Promise.all(meant);
    }
  }

  /** Resolves when nothing is under way, and nothing waits. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all([...this.#runs.values()].map(({ ended }) => ended));
  }

  /** Resolves when nothing is under way but what had to wait for its turn. */
  async sent(): Promise<void> {
    for (;;) {
      const sending = [...this.#runs.values()].filter(({ isScheduled }) => !isScheduled);
      if (sending.length === 0) return;
      await Promise.all(sending.map(({ ended }) => ended));
    }
  }

  #forget(key: string, run: Run): void {
    if (this.#runs.get(key) === run) this.#runs.delete(key);
  }
}
