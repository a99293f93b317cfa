import type { TransitionContext } from '../transition-types.js';
import { verifyTimeoutMs } from './lease.js';
import type { GrantRecord } from '../../record/record.js';

/** Deadline for the hub to verify a request that is sent now, in epoch milliseconds. */
export function deadlineOf(grant: GrantRecord, { rules, now }: TransitionContext): number {
  // An unsubscribe request gets the configured time, however short the lease (PROTOCOL L8).
  if (grant.state === 'unsubscribing') return now + verifyTimeoutMs(rules.verifyTimeoutSeconds, undefined);
  return now + verifyTimeoutMs(rules.verifyTimeoutSeconds, leaseForRetries(grant, rules));
}

/**
 * The lease that several tries must fit into. An expired lease does not shorten the deadline. Otherwise a slow hub
 * would always be too late.
 */
export function leaseForRetries(
  { state, leaseSeconds }: GrantRecord,
  { leaseSeconds: requestedSeconds }: Pick<TransitionContext['rules'], 'leaseSeconds'>,
): number | undefined {
  return state === 'active' ? (leaseSeconds ?? requestedSeconds) : requestedSeconds;
}
