import { withTimeout } from '../timeout.js';

/**
 * Returns the reason why a commit failed. LMDB's binding rejects a separate promise with the reason. If nobody handles
 * that rejection, it ends the process.
 */
export async function commitErrorOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await withTimeout(new Promise((resolve) => resolve(error.commitError)), 1_000);
    return error;
  } catch (reason) {
    return reason;
  }
}
