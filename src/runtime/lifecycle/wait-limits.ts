import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';

/** A time limit that can be shortened. */
export interface TimeLimit {
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** Ends the limit now, or after `afterMs` milliseconds unless it ends earlier. */
  end(afterMs?: number): void;
}

/** Starts a time limit. It keeps the process alive until it ends, so that the limited work can end. */
export function timeLimit(milliseconds: number): TimeLimit {
  const controller = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const end = (afterMs = 0): void => {
    if (controller.signal.aborted) return;
    if (afterMs > 0) {
      timers.push(setTimeout(end, afterMs));
      return;
    }
    for (const timer of timers) clearTimeout(timer);
    controller.abort();
  };
  end(milliseconds);
  return { signal: controller.signal, end };
}

/** Settles like the work, or resolves when the signal aborts. */
export async function waitUnlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let onAbort = (): void => {};
  const timeUp = new Promise<void>((resolve) => {
    onAbort = resolve;
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', onAbort);
  });
  try {
    await Promise.race([work, timeUp]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Settles like the work, or resolves after a number of milliseconds. */
export async function waitAtMost(work: Promise<unknown>, milliseconds: number): Promise<void> {
  const limit = timeLimit(milliseconds);
  try {
    await waitUnlessAborted(work, limit.signal);
  } finally {
    limit.end();
  }
}

/** Runs all tasks one after another. Logs failures and continues. */
export async function runAll(tasks: readonly (() => unknown)[], logger: Logger, step: string): Promise<void> {
  for (const task of tasks) {
    try {
      await task();
    } catch (error) {
      log(logger, 'shutdown.step-failed', { step, err: error });
    }
  }
}
