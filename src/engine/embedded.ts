import type { CronJob } from 'cron';
import { onDemand } from '../on-demand.js';
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

/** Until cron is loaded, in milliseconds after the start, which is not kept waiting for it: no turn comes much sooner. */
const CRON_AFTER_MS = 250;

/** The engine of a single process: turns in memory, due times in heaps, driven by cron. */
export interface EmbeddedEngine extends Engine {
  /** Runs what is due by now. */
  tick(): void;
}

/** An engine that runs nothing before `start()`. */
export function embeddedEngine({ now, tick: tickTime = '* * * * * *' }: EmbeddedEngineOptions): EmbeddedEngine {
  const turns = new Turns();
  const heaps: { readonly heap: DueHeap; readonly run: (key: string) => void }[] = [];
  const planned: { readonly cronTime: string; readonly onTick: () => void }[] = [];
  let jobs: readonly CronJob[] = [];
  let starting: NodeJS.Timeout | undefined;
  const onSetBack: (() => void)[] = [];
  let latest = -Infinity;
  const job = (cronTime: string, onTick: () => void): CronJob => {
    // The timers alone do not keep the process up: the listener does.
    const made = onDemand('cron').CronJob.from({ cronTime, onTick, start: false, unrefTimeout: true });
    const time = made.cronTime;
    const getTimeout = time.getTimeout.bind(time);
    // A moment that has just gone by is taken at once. Cron would do the same, and write to the console about it.
    time.getTimeout = () => Math.max(0, getTimeout());
    made.start();
    return made;
  };
  const tick = (): void => {
    const time = now();
    if (time < latest - TOLERANCE_MS) for (const run of onSetBack) run();
    latest = time;
    for (const { heap, run } of heaps) for (const key of heap.takeDue(time)) run(key);
  };
  const every = (cronTime: string, onTick: () => void): void => void planned.push({ cronTime, onTick });
  every(tickTime, tick);
  return {
    tick,
    inTurn: (key, work) => turns.take(key, work),
    timetable(run): Timetable {
      const heap = new DueHeap();
      heaps.push({ heap, run });
      return heap;
    },
    every,
    onSetBack: (run) => void onSetBack.push(run),
    start() {
      starting = setTimeout(() => {
        jobs = planned.map(({ cronTime, onTick }) => job(cronTime, onTick));
      }, CRON_AFTER_MS).unref();
    },
    stop() {
      clearTimeout(starting);
      // `stop()` answers with a promise only where callbacks are awaited, which ours are not.
      for (const each of jobs) void each.stop();
    },
  };
}
