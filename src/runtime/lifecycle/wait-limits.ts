import type { Logger } from '../../logger.js';

/** A moment by which something has to be over. */
export interface TimeLimit {
  readonly signal: AbortSignal;
  /** The time is up now, or after so many milliseconds if it is not before. */
  end(afterMs?: number): void;
}

/** A limit that is over after so many milliseconds. Until then it keeps the process up: what it bounds has to end. */
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

/** Resolves when the work does, or when the signal says that time is up. Rejects as the work does. */
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

/** {@link waitUnlessAborted} a number of milliseconds. */
export async function waitAtMost(work: Promise<unknown>, milliseconds: number): Promise<void> {
  const limit = timeLimit(milliseconds);
  try {
    await waitUnlessAborted(work, limit.signal);
  } finally {
    limit.end();
  }
}

/** Runs every task, one after the other; what fails is logged and the rest goes on. */
export async function runAll(tasks: readonly (() => unknown)[], logger: Logger, failed: string): Promise<void> {
  for (const task of tasks) {
    try {
      await task();
    } catch (error) {
      logger.error({ err: error }, failed);
    }
  }
}
