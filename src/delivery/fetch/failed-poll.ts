import { FAILURE_BACKOFF } from '../../subscription/backoff.js';

/** Milliseconds to wait after polls that failed in a row: half to all of a time that begins with the interval and doubles. */
export function failedPollMs(intervalMs: number, failures: number, random: number): number {
  const longest = Math.max(intervalMs, FAILURE_BACKOFF.capMs);
  const ceiling = Math.min(longest, intervalMs * 2 ** Math.min(failures - 1, 40));
  return Math.floor((ceiling * (1 + random)) / 2);
}
