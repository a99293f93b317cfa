import type { Transition } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';

type Guarded = Pick<GrantRecord, 'nextAttemptAt' | 'guardedUntil'>;

/**
 * A next attempt that guards work in flight. If the process dies before the work ends, the work starts again at `at`
 * (epoch milliseconds). Snapshots hide the guard.
 */
export function inFlightGuard(at: number): Required<Guarded> {
  return { nextAttemptAt: at, guardedUntil: at };
}

/** Work in flight has ended, and nothing is planned yet. */
export const NOTHING_PLANNED = { nextAttemptAt: undefined, guardedUntil: undefined } as const;

/** The time of the next attempt, in epoch milliseconds. Undefined if nothing is planned or the time is only a guard. */
export function plannedAt({ nextAttemptAt, guardedUntil }: Guarded): number | undefined {
  return nextAttemptAt === guardedUntil ? undefined : nextAttemptAt;
}

/**
 * Drops the guards of work that has ended. Otherwise a next attempt planned for the same time would count as a guard.
 */
export function withoutStaleGuards(before: SubscriptionRecord, { record, effects }: Transition): Transition {
  const hasStale = record !== before && (isStale(record) || record.grants.some(isStale));
  if (!hasStale) return { record, effects };
  const grants = record.grants.some(isStale) ? record.grants.map(withoutStaleGuard) : record.grants;
  const next: SubscriptionRecord = { ...withoutStaleGuard(record), grants };
  return { record: next, effects };
}

function withoutStaleGuard<T extends Guarded>(guarded: T): T {
  return isStale(guarded) ? { ...guarded, guardedUntil: undefined } : guarded;
}

function isStale({ nextAttemptAt, guardedUntil }: Guarded): boolean {
  return guardedUntil !== undefined && guardedUntil !== nextAttemptAt;
}
