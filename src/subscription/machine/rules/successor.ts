import { withGrant } from '../record-changes.js';
import type { TransitionContext } from '../transition-types.js';
import { isCurrent } from './current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { coolingDownGrant } from './refusal-cooldown.js';
import { isWorking } from '../state.js';

/** The working grant that an unverified successor would replace. */
export function predecessorOf(
  { grants }: SubscriptionRecord,
  { replaces, verifiedAt }: GrantRecord,
): GrantRecord | undefined {
  return verifiedAt === undefined ? grants.find((other) => other.id === replaces && isWorking(other)) : undefined;
}

/**
 * Removes the successor of a working grant after the hub denied or refused the successor. The working grant continues.
 * The refusal still counts: the hub is not requested before `retryAt` (PROTOCOL N2).
 */
export function withoutSuccessor(
  record: SubscriptionRecord,
  successor: GrantRecord,
  predecessor: GrantRecord,
  retryAt: number,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): SubscriptionRecord {
  // Refusals stored on a grant whose callback is no longer ours do not count. Then the successor is kept to store them.
  const isOurs = predecessor.callback === callbackOf(predecessor.path);
  const kept = isOurs ? undefined : coolingDownGrant({ ...successor, notBefore: retryAt, replaces: undefined });
  const grants = record.grants.flatMap((grant) => (grant.id === successor.id ? (kept ?? []) : grant));
  const refusals = Math.max(successor.refusals ?? 0, predecessor.refusals ?? 0) || undefined;
  const until = Math.max(retryAt, predecessor.notBefore ?? 0);
  const working = { ...predecessor, refusals, notBefore: until, guardedUntil: undefined };
  return postponeRenewal({ ...record, grants }, working, until);
}

/**
 * The request for a grant failed or is deferred. Working grants no longer wait for this request. Their guard becomes a
 * planned renewal.
 */
export function withRenewalsReleased(
  record: SubscriptionRecord,
  { id, replaces }: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): SubscriptionRecord {
  const isWaiting = (grant: GrantRecord): boolean =>
    grant.guardedUntil !== undefined &&
    grant.id !== id &&
    isWorking(grant) &&
    grant.isRenewalStarted !== true &&
    (grant.id === replaces || !isCurrent(record, grant, context));
  if (!record.grants.some(isWaiting)) return record;
  const grants = record.grants.map((grant) => (isWaiting(grant) ? { ...grant, guardedUntil: undefined } : grant));
  return { ...record, grants };
}

/** Postpones the renewal of a working grant until a time (epoch milliseconds). */
export function postponeRenewal(record: SubscriptionRecord, working: GrantRecord, time: number): SubscriptionRecord {
  const planned = working.nextAttemptAt ?? working.renewsAt ?? time;
  const nextAttemptAt = planned < time ? time : working.nextAttemptAt;
  return withGrant(record, working.id, () => ({ ...working, nextAttemptAt }));
}
