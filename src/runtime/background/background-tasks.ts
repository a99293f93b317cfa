import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';

/** Runs work now, or once a slot is free. Resolves when the work has ended or was dropped. */
export type RunInSlot = (work: () => Promise<void>) => Promise<void>;

/** The kind of a task and its subscription, for the log line of a failure. */
export interface NamedTask {
  readonly task: 'discover' | 'subscribe' | 'unsubscribe' | 'catch-up' | 'poll';
  readonly subscription: string;
}

interface Task {
  hasStarted: boolean;
  /** Whether it had to wait for a slot, or for the task before it. */
  isDelayed: boolean;
  ended: Promise<void>;
}

const immediately: RunInSlot = (work) => work();

/** Tasks in the background, at most one running per key. Failures are logged. */
export class BackgroundTasks {
  readonly #logger: Logger;
  readonly #tasks = new Map<string, Task>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Starts a task in a slot once the running task of that key has ended. Does nothing if a task waits already.
   *
   * @returns resolves when the task, or the one that waits already, has ended
   */
  startAfterCurrent(
    key: string,
    work: () => Promise<void>,
    named: NamedTask,
    slot: RunInSlot = immediately,
  ): Promise<void> {
    const current = this.#tasks.get(key);
    if (current?.hasStarted === false) return current.ended;
    const begin = (): Promise<void> => {
      task.hasStarted = true;
      return work();
    };
    const task: Task = { hasStarted: false, isDelayed: false, ended: Promise.resolve() };
    this.#tasks.set(key, task);
    const runInSlot = (): Promise<void> => this.runLogged(() => slot(begin), named);
    const completed = current === undefined ? runInSlot() : current.ended.then(runInSlot);
    task.isDelayed = !task.hasStarted;
    task.ended = completed.finally(() => this.#remove(key, task));
    return task.ended;
  }

  /** Runs work and logs its failure. Never rejects. */
  async runLogged(work: () => Promise<void>, { task, subscription }: NamedTask): Promise<void> {
    try {
      await work();
    } catch (error) {
      log(this.#logger, 'task.failed', { task, subscription, err: error });
    }
  }

  /** Whether a task of that key runs or waits. */
  has(key: string): boolean {
    return this.#tasks.has(key);
  }

  /** Resolves when no task with a matching key is left. */
  async waitFor(isMatch: (key: string) => boolean): Promise<void> {
    for (;;) {
      const matching = [...this.#tasks].flatMap(([key, { ended }]) => (isMatch(key) ? ended : []));
      if (matching.length === 0) return;
      await Promise.all(matching);
    }
  }

  /** Resolves when no task is left. */
  async waitForIdle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all([...this.#tasks.values()].map(({ ended }) => ended));
  }

  /** Resolves when every task that is left had to wait. */
  async waitForUndelayed(): Promise<void> {
    for (;;) {
      const undelayed = [...this.#tasks.values()].filter(({ isDelayed }) => !isDelayed);
      if (undelayed.length === 0) return;
      await Promise.all(undelayed.map(({ ended }) => ended));
    }
  }

  #remove(key: string, task: Task): void {
    if (this.#tasks.get(key) === task) this.#tasks.delete(key);
  }
}
