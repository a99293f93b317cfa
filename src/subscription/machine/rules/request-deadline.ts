import type { TransitionContext } from '../events.js';
import { verifyTimeoutMs } from './lease.js';
import type { GrantRecord } from '../../record/record.js';

/** When the hub should have verified a request that leaves now, in epoch milliseconds. */
export function deadlineOf(grant: GrantRecord, { rules, now }: TransitionContext): number {
  // An unsubscription has as long as is configured, however short the lease (PROTOCOL L8).
  if (grant.state === 'unsubscribing') return now + verifyTimeoutMs(rules.verifyTimeoutSeconds, undefined);
  return now + verifyTimeoutMs(rules.verifyTimeoutSeconds, leaseForRetries(grant, rules));
}

/** The lease that several tries are to fit into. One that has run out hurries nobody: a slow hub would never be in time. */
export function leaseForRetries(
  { state, leaseSeconds }: GrantRecord,
  { leaseSeconds: requestedSeconds }: Pick<TransitionContext['rules'], 'leaseSeconds'>,
): number | undefined {
  return state === 'active' ? (leaseSeconds ?? requestedSeconds) : requestedSeconds;
}
