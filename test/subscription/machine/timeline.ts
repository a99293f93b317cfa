import { START } from './life.js';

interface Task {
  readonly at: number;
  readonly run: () => void;
}

/** The time that hubs and publishers go by, and what is to happen in it. Nobody waits: time is moved. */
export class Timeline {
  now = START;
  #tasks: Task[] = [];

  after(milliseconds: number, run: () => void): void {
    const at = this.now + milliseconds;
    const index = this.#tasks.findIndex((task) => task.at > at);
    if (index === -1) this.#tasks.push({ at, run });
    else this.#tasks.splice(index, 0, { at, run });
  }

  /** Resolves when so much time has passed. */
  passed(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, resolve));
  }

  get nextAt(): number {
    return this.#tasks[0]?.at ?? Infinity;
  }

  /** Moves to a time, and does the first thing that has come due by then. */
  moveTo(time: number): void {
    this.now = Math.max(this.now, time);
    if (this.nextAt <= this.now) this.#tasks.shift()?.run();
  }
}

/** Resolves when all that can happen without time passing has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Numbers from 0 to 1 that follow from the seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
