import { MAX_RATE_LIMIT_MS } from '../hub/pacing/origin-rate-limits.js';
import { MAX_RETRY_AFTER_SECONDS } from '../protocol/retry-after.js';

/** How the wait grows with consecutive failures. */
export interface RetryPolicy {
  /** Ceiling of the first wait in milliseconds. It doubles with each further failure. */
  readonly baseMs: number;
  /** The highest ceiling, in milliseconds. */
  readonly capMs: number;
}

/** A {@link RetryPolicy} with a short first wait. */
export interface RefusalPolicy extends RetryPolicy {
  /** Ceiling of the wait after the first refusal, in milliseconds. `baseMs` is the ceiling after the second. */
  readonly firstMs: number;
}

/** A {@link RetryPolicy} with an end. */
export interface BoundedRetryPolicy extends RetryPolicy {
  /** Milliseconds after which a failure is final. */
  readonly giveUpAfterMs: number;
}

/**
 * The hub or discovery fails: no answer, no verification, 408, 409, 422, 425, 429 or 5xx. Full jitter; the ceiling
 * grows from 2 s to 1 h (PROTOCOL L2).
 */
export const HUB_UNREACHABLE: RetryPolicy = { baseMs: 2_000, capMs: 3_600_000 };

/** The hub denies or refuses. Half to full ceiling: 2 min, then 15 min, 30 min … 24 h (PROTOCOL N2). */
export const HUB_REFUSED: RefusalPolicy = { firstMs: 120_000, baseMs: 900_000, capMs: 86_400_000 };

/**
 * The hub refuses to unsubscribe, or fails to unsubscribe a replaced grant. Full jitter; the ceiling grows from 1 min
 * to 24 h (PROTOCOL S3).
 */
export const UNSUBSCRIBE_REFUSED: RetryPolicy = { baseMs: 60_000, capMs: 86_400_000 };

/**
 * The handler fails. Full jitter; the ceiling grows from 2 s to 1 h. Retries end after `delivery.retryForSeconds`
 * (PROTOCOL C7).
 */
export const HANDLER: RetryPolicy = { baseMs: 2_000, capMs: 3_600_000 };

/**
 * The topic cannot be fetched (PROTOCOL L3). A catch-up waits with full jitter, under a ceiling from 2 s to 1 h, and
 * gives up after 24 h. A poll waits with half jitter, with its interval instead of `baseMs`, and never gives up.
 */
export const TOPIC_FETCH: BoundedRetryPolicy = { baseMs: 2_000, capMs: 3_600_000, giveUpAfterMs: 86_400_000 };

const POLICIES: readonly RetryPolicy[] = [HUB_UNREACHABLE, HUB_REFUSED, UNSUBSCRIBE_REFUSED, HANDLER, TOPIC_FETCH];

/** The shortest wait of a policy with full jitter, in milliseconds (PROTOCOL L2). */
export const MIN_WAIT_MS = 1_000;

/** A longer `Retry-After` of a hub or publisher counts as this, in milliseconds (PROTOCOL D13, S3). */
export const MAX_RETRY_AFTER_MS = MAX_RETRY_AFTER_SECONDS * 1000;

/** Requests answered 429 are spread over this many milliseconds after their `Retry-After` (PROTOCOL S3). */
export const RETRY_AFTER_SPREAD_MS = 60_000;

/**
 * The longest wait in milliseconds, derived from all caps. A stored time further ahead was set before the clock was set
 * back.
 */
export const MAX_WAIT_MS = Math.max(...POLICIES.map(({ capMs }) => capMs), MAX_RETRY_AFTER_MS);

/**
 * The longest wait of a deferred request, in milliseconds. Twice the longest rate limit leaves room for the spread
 * after the limit.
 */
export const MAX_DEFERRAL_MS = 2 * MAX_RATE_LIMIT_MS;

/** Wait before a failed write to the store is retried, in milliseconds. */
export const STORE_RETRY_MS = 60_000;

/** Wait before a fetch is retried because another suspect was running, in milliseconds. */
export const TOPIC_BUSY_MS = 1_000;

/** Wait before the second and last unsubscribe request at shutdown, in milliseconds (PROTOCOL L8). */
export const SHUTDOWN_RETRY_MS = 1_000;

/** Failures in a row at one hub before the next advertised hub is tried (PROTOCOL D8). */
export const FAILOVER_AFTER = 3;

/** Failovers per round that start without a wait. Later ones wait. */
export const IMMEDIATE_FAILOVERS = 2;

/**
 * The wait before the next try, in milliseconds: exponential backoff with full jitter, at least a second.
 *
 * @param failures failures in a row, from 1
 * @param random from 0 to 1
 */
export function retryWaitMs(failures: number, random: number, policy: RetryPolicy): number {
  return Math.max(MIN_WAIT_MS, Math.floor(ceilingMs(failures, policy) * random));
}

/**
 * The wait before the next try, in milliseconds: exponential backoff, between half the ceiling and the ceiling.
 *
 * @param failures failures in a row, from 1
 * @param random from 0 to 1
 */
export function halfJitterWaitMs(failures: number, random: number, policy: RetryPolicy): number {
  return Math.floor((ceilingMs(failures, policy) * (1 + random)) / 2);
}

/**
 * The wait before a hub that denied or refused gets the next request, in milliseconds (see {@link HUB_REFUSED}).
 *
 * @param refusals denials and refusals in a row, from 1
 * @param random from 0 to 1
 */
export function refusalWaitMs(refusals: number, random: number): number {
  const { firstMs } = HUB_REFUSED;
  if (refusals < 2) return halfJitterWaitMs(1, random, { baseMs: firstMs, capMs: firstMs });
  return halfJitterWaitMs(refusals - 1, random, HUB_REFUSED);
}

function ceilingMs(failures: number, { baseMs, capMs }: RetryPolicy): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 40));
}
