import { withTimeout } from '../timeout.js';

/**
 * Why a commit failed. LMDB's binding puts the reason into a promise of its own, which has to be listened to, or it ends
 * the process.
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
