import { START } from './subscription-machine.js';

interface Task {
  readonly at: number;
  readonly run: () => void;
}

/** The time of hubs and publishers, and the tasks planned in it. Nobody waits: time is moved. */
export class Timeline {
  now = START;
  #tasks: Task[] = [];

  after(milliseconds: number, run: () => void): void {
    const at = this.now + milliseconds;
    const index = this.#tasks.findIndex((task) => task.at > at);
    if (index === -1) this.#tasks.push({ at, run });
    else this.#tasks.splice(index, 0, { at, run });
  }

  /** Resolves when this many milliseconds have passed. */
  passed(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, resolve));
  }

  get nextAt(): number {
    return this.#tasks[0]?.at ?? Infinity;
  }

  /** Moves to a time, and runs the first task that is due by then. */
  moveTo(time: number): void {
    this.now = Math.max(this.now, time);
    if (this.nextAt <= this.now) this.#tasks.shift()?.run();
  }
}

/** Resolves when everything that needs no time has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
