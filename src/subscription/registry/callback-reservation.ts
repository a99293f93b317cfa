import { FAILOVER_AFTER } from '../retry-policy.js';
import type { GrantRecord } from '../record/record.js';
import { isLive, isOver } from '../machine/state.js';

/** Milliseconds until the next check whether a callback is free, while its grant unsubscribes. */
const UNSUBSCRIBING_RECHECK_MS = 1_000;

/** Milliseconds until the next check whether a callback is free, while its grant is active. */
const ACTIVE_RECHECK_MS = 60_000;

/** Whether another grant may take the callback: the grant has ended, or its hub repeatedly failed to unsubscribe. */
export function canYieldCallback(grant: GrantRecord): boolean {
  return isOver(grant) || (grant.state === 'unsubscribing' && grant.attempts >= FAILOVER_AFTER);
}

/**
 * Until when a grant reserves its callback, at least. The hub may still deliver there, and its verification of an
 * unsubscribe request needs an answer.
 *
 * @param now epoch milliseconds
 * @returns when to check again, in epoch milliseconds; undefined if another grant may use the callback
 */
export function reservedUntil(grant: GrantRecord, now: number): number | undefined {
  if (!isLive(grant) || canYieldCallback(grant) || (grant.expiresAt ?? Infinity) <= now) return undefined;
  return now + (grant.state === 'unsubscribing' ? UNSUBSCRIBING_RECHECK_MS : ACTIVE_RECHECK_MS);
}
