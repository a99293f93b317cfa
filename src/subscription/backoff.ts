/** How the wait between tries grows, in milliseconds. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** For a hub or publisher that does not answer, or not as hoped: up to an hour (PROTOCOL L2). */
export const FAILURE_BACKOFF: Backoff = { baseMs: 2_000, capMs: 3_600_000 };

/** For a hub that does not end a subscription: slowly, up to a day (PROTOCOL S3). */
export const REFUSAL_BACKOFF: Backoff = { baseMs: 60_000, capMs: 86_400_000 };

/** Failures in a row at one hub after which another advertised one is tried (PROTOCOL D8). */
export const FAILOVER_AFTER = 3;

/** How many hubs of one round are asked right after the one before came to nothing; the further ones wait. */
export const FAILOVERS_AT_ONCE = 2;

/** No hub is asked sooner after a failure, in milliseconds (PROTOCOL L2). */
export const FASTEST_MS = 1_000;

/** The ceilings of the waits after a hub's denials and refusals in a row (PROTOCOL N2), in milliseconds. */
const FIRST_REFUSAL_MS = 120_000;
const SECOND_REFUSAL_MS = 900_000;
const LONGEST_REFUSAL_MS = 86_400_000;

/**
 * The wait before a hub that denied or refused is asked again: 60 to 120 s at first, then between half and all of
 * 15 min, 30 min, and so on up to 24 h.
 *
 * @param refusals denials and refusals in a row, from 1
 * @param random from 0 to 1
 */
export function refusalWaitMs(refusals: number, random: number): number {
  const doublings = Math.min(Math.max(0, refusals - 2), 20);
  const ceiling = refusals < 2 ? FIRST_REFUSAL_MS : Math.min(LONGEST_REFUSAL_MS, SECOND_REFUSAL_MS * 2 ** doublings);
  return Math.floor((ceiling * (1 + random)) / 2);
}

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
