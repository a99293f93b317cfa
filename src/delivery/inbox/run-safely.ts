import type { Logger } from '../../logger.js';
import type { StoredRun } from '../handler/handler-run.js';

/** The outcome of a stored event's run. One that fails in our own code is tried again like one whose handler failed. */
export async function runSafely(run: () => Promise<StoredRun>): Promise<StoredRun> {
  try {
    return await run();
  } catch (error) {
    return { type: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** Logs why a handler's end could not be noted. Never rejects: nobody waits for it who could do anything about it. */
export async function logRejection(work: Promise<void>, logger: Logger): Promise<void> {
  try {
    await work;
  } catch (error) {
    logger.error({ err: error }, 'the end of a handler could not be noted');
  }
}
