import { FAILOVER_AFTER } from '../retry-policy.js';
import type { GrantRecord } from '../record/record.js';
import { isLive, isOver } from '../machine/state.js';

/** How often to look whether a callback is free: while it is being given up, and otherwise; in milliseconds. */
const UNSUBSCRIBING_RECHECK_MS = 1_000;
const ACTIVE_RECHECK_MS = 60_000;

/** Whether a grant makes way for another one at its callback: it is over, or its hub would not let go time and again. */
export function canYieldCallback(grant: GrantRecord): boolean {
  return isOver(grant) || (grant.state === 'unsubscribing' && grant.attempts >= FAILOVER_AFTER);
}

/**
 * Until when a grant keeps its callback for itself, as far as can be told: the hub would deliver its news there, and has
 * to be answered when it verifies the end. Undefined where the callback may serve another grant.
 *
 * @param now epoch milliseconds
 * @returns epoch milliseconds, when to look again
 */
export function reservedUntil(grant: GrantRecord, now: number): number | undefined {
  if (!isLive(grant) || canYieldCallback(grant) || (grant.expiresAt ?? Infinity) <= now) return undefined;
  return now + (grant.state === 'unsubscribing' ? UNSUBSCRIBING_RECHECK_MS : ACTIVE_RECHECK_MS);
}
