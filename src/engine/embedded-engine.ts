import type { CronJob } from 'cron';
import { onDemand } from '../on-demand.js';
import { DueHeap } from './due-heap.js';
import type { Engine, Timetable } from './engine.js';
import { KeyedMutex } from './keyed-mutex.js';

/** How the embedded engine is set up. */
export interface EmbeddedEngineOptions {
  /** The clock, in epoch milliseconds. */
  readonly now: () => number;
  /** When due work is looked for. @default every second */
  readonly tick?: string;
  /** Told of what goes wrong in a timer: cron cannot be loaded, or work throws. The engine goes on. @default nothing */
  readonly onError?: (error: unknown) => void;
}

/** Clocks are put right by so much without anything to be done about it, in milliseconds. */
const TOLERANCE_MS = 1_000;

/** Milliseconds until the cron jobs are made, which takes time: after a start, which does not wait for it, and after a failure. */
const JOBS_START_DELAY_MS = 250;
const JOBS_RETRY_MS = 1_000;

/** Milliseconds until a cron job looks again whose next time could not be found. */
const TIME_RETRY_MS = 60_000;

/** The engine of a single process: turns in memory, due times in heaps, driven by cron. */
export interface EmbeddedEngine extends Engine {
  /** Runs what is due by now. */
  tick(): void;
}

/** An engine that runs nothing before `start()`. */
export function embeddedEngine({
  now,
  tick: tickTime = '* * * * * *',
  onError = () => {},
}: EmbeddedEngineOptions): EmbeddedEngine {
  const mutex = new KeyedMutex();
  const heaps: { readonly heap: DueHeap; readonly run: (key: string) => void }[] = [];
  const planned: { readonly cronTime: string; readonly onTick: () => void }[] = [];
  let jobs: readonly CronJob[] = [];
  let startTimer: NodeJS.Timeout | undefined;
  const setBackListeners: (() => void)[] = [];
  let latest = -Infinity;
  const runSafely = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      onError(error);
    }
  };
  const createJob = (cronTime: string, onTick: () => void): CronJob => {
    // The timers alone do not keep the process up: the listener does.
    const cronJob = onDemand('cron').CronJob.from({
      cronTime,
      onTick: () => runSafely(onTick),
      start: false,
      unrefTimeout: true,
    });
    const time = cronJob.cronTime;
    const getTimeout = time.getTimeout.bind(time);
    time.getTimeout = () => {
      try {
        // A moment that has just gone by is taken at once. Cron would do the same, and write to the console about it.
        return Math.max(0, getTimeout());
      } catch (error) {
        onError(error);
        return TIME_RETRY_MS;
      }
    };
    return cronJob;
  };
  const startJobs = (): void => {
    try {
      jobs = planned.map(({ cronTime, onTick }) => createJob(cronTime, onTick));
      for (const each of jobs) each.start();
    } catch (error) {
      onError(error);
      for (const each of jobs) void each.stop();
      // Due work goes on without cron.
      tick();
      startTimer = setTimeout(startJobs, JOBS_RETRY_MS).unref();
    }
  };
  const tick = (): void => {
    const time = now();
    if (time < latest - TOLERANCE_MS) for (const run of setBackListeners) runSafely(run);
    latest = time;
    // An error here must not stop the other work that is due.
    for (const { heap, run } of heaps) for (const key of heap.takeDue(time)) runSafely(() => run(key));
  };
  const every = (cronTime: string, onTick: () => void): void => void planned.push({ cronTime, onTick });
  every(tickTime, tick);
  return {
    tick,
    runExclusive: (key, work) => mutex.runExclusive(key, work),
    timetable(run): Timetable {
      const heap = new DueHeap();
      heaps.push({ heap, run });
      return heap;
    },
    every,
    onClockSetBack: (run) => void setBackListeners.push(run),
    start() {
      startTimer = setTimeout(startJobs, JOBS_START_DELAY_MS).unref();
    },
    stop() {
      clearTimeout(startTimer);
      // `stop()` answers with a promise only where callbacks are awaited, which ours are not.
      for (const each of jobs) void each.stop();
    },
  };
}
