import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { StoredRun } from '../handler/handler-run.js';

/** Runs a stored event. An error in our own code counts as a failed run, so the event is retried. */
export async function runSafely(run: () => Promise<StoredRun>): Promise<StoredRun> {
  try {
    return await run();
  } catch (error) {
    return { type: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** Logs a handler outcome that could not be recorded. Never rejects, because no caller could handle it. */
export async function logRejection(work: Promise<void>, logger: Logger): Promise<void> {
  try {
    await work;
  } catch (error) {
    log(logger, 'event.settle-failed', { err: error });
  }
}
