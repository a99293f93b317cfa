import { withGrant } from '../changes.js';
import type { TransitionContext } from '../events.js';
import { isCurrent } from './current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { coolingDownGrant } from './refusal-cooldown.js';
import { isWorking } from '../state.js';

/** The grant that works and whose place another one was to take, where that one was never verified. */
export function predecessorOf(
  { grants }: SubscriptionRecord,
  { replaces, verifiedAt }: GrantRecord,
): GrantRecord | undefined {
  return verifiedAt === undefined ? grants.find((other) => other.id === replaces && isWorking(other)) : undefined;
}

/**
 * The hub denied or refused the grant that was to take another's place. It is forgotten, and the other one goes on: a
 * refusal of the same hub all the same, which is not asked before `again` (PROTOCOL N2).
 */
export function withoutSuccessor(
  record: SubscriptionRecord,
  successor: GrantRecord,
  predecessor: GrantRecord,
  retryAt: number,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): SubscriptionRecord {
  // The refusals for a callback that is no longer ours do not count: the successor keeps them then.
  const isOurs = predecessor.callback === callbackOf(predecessor.path);
  const kept = isOurs ? undefined : coolingDownGrant({ ...successor, notBefore: retryAt, replaces: undefined });
  const grants = record.grants.flatMap((grant) => (grant.id === successor.id ? (kept ?? []) : grant));
  const refusals = Math.max(successor.refusals ?? 0, predecessor.refusals ?? 0) || undefined;
  const until = Math.max(retryAt, predecessor.notBefore ?? 0);
  const working = { ...predecessor, refusals, notBefore: until, guardedUntil: undefined };
  return postponeRenewal({ ...record, grants }, working, until);
}

/**
 * The request for a grant failed or waits. Working grants whose renewal waited for it are renewed on their own, so their next
 * attempt is planned and no longer a guard.
 */
export function withoutWaitingRenewals(
  record: SubscriptionRecord,
  { id, replaces }: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): SubscriptionRecord {
  const isWaiting = (grant: GrantRecord): boolean =>
    grant.guardedUntil !== undefined &&
    grant.id !== id &&
    isWorking(grant) &&
    grant.renewalDue !== true &&
    (grant.id === replaces || !isCurrent(record, grant, context));
  if (!record.grants.some(isWaiting)) return record;
  const grants = record.grants.map((grant) => (isWaiting(grant) ? { ...grant, guardedUntil: undefined } : grant));
  return { ...record, grants };
}

/** Puts the renewal of a working grant off until a time. */
export function postponeRenewal(record: SubscriptionRecord, working: GrantRecord, time: number): SubscriptionRecord {
  const planned = working.nextAttemptAt ?? working.renewsAt ?? time;
  const nextAttemptAt = planned < time ? time : working.nextAttemptAt;
  return withGrant(record, working.id, () => ({ ...working, nextAttemptAt }));
}
