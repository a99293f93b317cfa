/** How the wait between tries grows, in milliseconds. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** For a hub or publisher that does not answer, or not as hoped: up to an hour (PROTOCOL L2). */
export const FAILURE_BACKOFF: Backoff = { baseMs: 2_000, capMs: 3_600_000 };

/** For a hub that refuses: slowly, up to a day (PROTOCOL S3). */
export const REFUSAL_BACKOFF: Backoff = { baseMs: 60_000, capMs: 86_400_000 };

/** Failures in a row at one hub after which another advertised one is tried (PROTOCOL D8). */
export const FAILOVER_AFTER = 3;

/** How many hubs of one round are asked right after the one before came to nothing; the further ones wait. */
export const FAILOVERS_AT_ONCE = 2;

const FASTEST_MS = 1_000;

/**
 * The wait before the next try: exponential with full jitter, never under a second.
 *
 * @param failures how many tries in a row failed, from 1
 * @param random from 0 to 1
 */
export function backoffMs(failures: number, random: number, { baseMs, capMs }: Backoff): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 40));
  return Math.max(FASTEST_MS, Math.floor(ceiling * random));
}
