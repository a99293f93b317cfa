import type { CronJob } from 'cron';
import { onDemand } from '../on-demand.js';
import type { Engine } from './engine.js';
import { KeyedMutex } from './keyed-mutex.js';
import { Timetables } from './timetables.js';

/** Options of the embedded engine. */
export interface EmbeddedEngineOptions {
  /** The clock, in epoch milliseconds. */
  readonly now: () => number;
  /** When to look for due work, as a cron expression. @default every second */
  readonly tick?: string;
  /** Receives errors of cron and of the work it runs. The engine continues. @default ignores them */
  readonly onError?: (error: unknown, work?: FailedWork) => void;
}

/** The work that failed. */
export interface FailedWork {
  /** The name of its timetable or schedule. */
  readonly name: string;
  /** Absent for a schedule. */
  readonly key?: string;
}

/** Smaller corrections of the clock are ignored, in milliseconds. */
const TOLERANCE_MS = 1_000;

/** Milliseconds from the start until the cron jobs are created. That takes time, and the start does not wait for it. */
const JOBS_START_DELAY_MS = 250;

/** Milliseconds until the next attempt after the cron jobs could not be created. */
const JOBS_RETRY_MS = 1_000;

/** Milliseconds until a cron job computes its next time again, after it could not. */
const TIME_RETRY_MS = 60_000;

/** The engine of a single process: mutexes and due times in memory, driven by cron. */
export interface EmbeddedEngine extends Engine {
  /** Runs the due work. */
  tick(): void;
}

/** Creates an engine. It runs no due work before `start()`. */
export function embeddedEngine({
  now,
  tick: tickTime = '* * * * * *',
  onError = () => {},
}: EmbeddedEngineOptions): EmbeddedEngine {
  const mutex = new KeyedMutex();
  const timetables = new Timetables({ now, onError });
  const schedules: { readonly cronTime: string; readonly onTick: () => void }[] = [];
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
    // Timers must not keep the process running: the listener does.
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
        // A time that has just passed counts as now. Cron would do the same, but also write to the console.
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
      jobs = schedules.map(({ cronTime, onTick }) => createJob(cronTime, onTick));
      for (const job of jobs) job.start();
    } catch (error) {
      onError(error);
      for (const job of jobs) void job.stop();
      // Due work must not wait for cron: each retry runs it, too.
      tick();
      startTimer = setTimeout(startJobs, JOBS_RETRY_MS).unref();
    }
  };
  const tick = (): void => {
    const time = now();
    if (time < latest - TOLERANCE_MS) for (const run of setBackListeners) runSafely(run);
    latest = time;
    timetables.runDue(time);
  };
  schedules.push({ cronTime: tickTime, onTick: tick });
  return {
    tick,
    runExclusive: (key, work) => mutex.runExclusive(key, work),
    isLocked: (key) => mutex.isLocked(key),
    timetable: (name, run) => timetables.create(name, run),
    every(name, cronTime, run) {
      let isRunning = false;
      const settle = async (running: Promise<void>): Promise<void> => {
        isRunning = true;
        try {
          await running;
        } catch (error) {
          onError(error, { name });
        } finally {
          isRunning = false;
        }
      };
      const onTick = (): void => {
        if (isRunning) return;
        try {
          const running = run();
          if (running !== undefined) void settle(running);
        } catch (error) {
          onError(error, { name });
        }
      };
      schedules.push({ cronTime, onTick });
    },
    onClockSetBack: (run) => void setBackListeners.push(run),
    start() {
      startTimer = setTimeout(startJobs, JOBS_START_DELAY_MS).unref();
    },
    stop() {
      clearTimeout(startTimer);
      // `stop()` returns a promise only for awaited callbacks; ours are not.
      for (const job of jobs) void job.stop();
    },
  };
}
