import { CronJob } from 'cron';
import { DueHeap } from './due-heap.js';
import type { Engine, Timetable } from './engine.js';
import { Turns } from './turns.js';

/** How the embedded engine is set up. */
export interface EmbeddedEngineOptions {
  /** The clock, in epoch milliseconds. */
  readonly now: () => number;
  /** When due work is looked for. @default every second */
  readonly tick?: string;
}

/** Clocks are put right by so much without anything to be done about it, in milliseconds. */
const TOLERANCE_MS = 1_000;

/** The engine of a single process: turns in memory, due times in heaps, driven by cron. */
export interface EmbeddedEngine extends Engine {
  /** Runs what is due by now. */
  tick(): void;
}

/** An engine that runs nothing before `start()`. */
export function embeddedEngine({ now, tick: tickTime = '* * * * * *' }: EmbeddedEngineOptions): EmbeddedEngine {
  const turns = new Turns();
  const heaps: { readonly heap: DueHeap; readonly run: (key: string) => void }[] = [];
  const jobs: CronJob[] = [];
  const onSetBack: (() => void)[] = [];
  let latest = -Infinity;
  const job = (cronTime: string, onTick: () => void): void => {
    // The timers alone do not keep the process up: the listener does.
    const made = CronJob.from({ cronTime, onTick, start: false, unrefTimeout: true });
    const time = made.cronTime;
    const getTimeout = time.getTimeout.bind(time);
    // A moment that has just gone by is taken at once. Cron would do the same, and write to the console about it.
    time.getTimeout = () => Math.max(0, getTimeout());
    jobs.push(made);
  };
  const tick = (): void => {
    const time = now();
    if (time < latest - TOLERANCE_MS) for (const run of onSetBack) run();
    latest = time;
    for (const { heap, run } of heaps) for (const key of heap.takeDue(time)) run(key);
  };
  job(tickTime, tick);
  return {
    tick,
    inTurn: (key, work) => turns.take(key, work),
    timetable(run): Timetable {
      const heap = new DueHeap();
      heaps.push({ heap, run });
      return heap;
    },
    every: job,
    onSetBack: (run) => void onSetBack.push(run),
    start() {
      for (const each of jobs) each.start();
    },
    stop() {
      // `stop()` answers with a promise only where callbacks are awaited, which ours are not.
      for (const each of jobs) void each.stop();
    },
  };
}
