import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import type { SubscriptionState } from '../record/snapshot.js';

/** Where a subscription stands: follows from its grants, and from what is wanted of it. */
export function stateOf(record: SubscriptionRecord): SubscriptionState {
  const isWanted = record.desired === 'subscribed';
  // What another grant has taken the place of says nothing of what is wanted; it does of what still ends.
  const grants = isWanted ? record.grants.filter(({ superseded }) => superseded !== true) : record.grants;
  const has = (state: SubscriptionState): boolean => grants.some((grant) => grant.state === state);
  if (grants.some((grant) => grant.state === 'active' && !hasUnsolicitedDenial(grant))) return 'active';
  if (has('unsubscribing')) return 'unsubscribing';
  if (!isWanted) return 'unsubscribed';
  if (record.stoppedBecause === 'denied') return 'denied';
  const isDenied = lastRequested(grants)?.deniedAt !== undefined;
  if (isDenied && (record.stoppedBecause === undefined || record.stoppedBecause === 'gave-up')) return 'denied';
  if (record.stoppedBecause !== undefined) return 'failed';
  if (has('expired')) return 'expired';
  if (grants.some(({ state, pending }) => state === 'verifying' && pending?.denied !== true)) return 'verifying';
  if (record.attempts > 0) return 'failed';
  const isEnded = has('unsubscribed') && grants.every(isOver) && record.nextAttemptAt === undefined;
  return isEnded ? 'unsubscribed' : 'requested';
}

/** The state of a grant: `denied` if it does not work and its hub's last word was a denial. */
export function grantStateOf(grant: GrantRecord): SubscriptionState {
  const { state, deniedAt } = grant;
  if (isOver(grant)) return hasUnsolicitedDenial(grant) ? 'denied' : state;
  if (deniedAt === undefined || state === 'unsubscribing') return state;
  return state !== 'active' || hasUnsolicitedDenial(grant) ? 'denied' : state;
}

/** The grant whose hub was asked last: its word counts where nothing works. */
function lastRequested(grants: readonly GrantRecord[]): GrantRecord | undefined {
  return grants
    .filter((grant) => !isOver(grant) || hasUnsolicitedDenial(grant))
    .reduce<GrantRecord | undefined>(
      (last, grant) => (last === undefined || (grant.requestedAt ?? 0) >= (last.requestedAt ?? 0) ? grant : last),
      undefined,
    );
}

/** The hold that is left after a verification: one that comes late ends `gave-up` and `denied`. */
export function stopReasonOnceVerified({
  stoppedBecause: hold,
}: SubscriptionRecord): SubscriptionRecord['stoppedBecause'] {
  return hold === 'gave-up' || hold === 'denied' ? undefined : hold;
}

/** Whether anything may be asked for on its behalf. */
export function isEnabled(record: SubscriptionRecord): boolean {
  return record.desired === 'subscribed' && record.stoppedBecause === undefined;
}

/** Whether a hub is being asked to subscribe, and has not come back. */
export function hasPendingSubscribe(grant: GrantRecord): boolean {
  return grant.pending?.mode === 'subscribe' && !isOver(grant);
}

/**
 * Whether a subscribe request of ours is open (PROTOCOL V9): until it is verified or refused; once accepted, until ten
 * verify time-outs after its deadline.
 */
export function isVerificationExpected(grant: GrantRecord, now: number): boolean {
  return hasPendingSubscribe(grant) || (grant.lateUntil !== undefined && grant.lateUntil > now && !isOver(grant));
}

/** Whether a denial stands against the grant that came while nothing was open. */
export function hasUnsolicitedDenial({ deniedUnsolicited: deniedUnasked }: GrantRecord): boolean {
  return deniedUnasked === true;
}

/** Whether a hub delivers under the grant, and it is to go on. */
export function isWorking(grant: GrantRecord): boolean {
  return grant.state === 'active' && grant.superseded !== true && !hasUnsolicitedDenial(grant);
}

/**
 * When the hub of a grant is to be asked if nobody verifies it meanwhile (epoch milliseconds); undefined where that is not
 * planned.
 */
export function plannedAttemptAt(record: SubscriptionRecord, grant: GrantRecord, now: number): number | undefined {
  if (grant.nextAttemptAt !== undefined) return grant.nextAttemptAt;
  const { notBefore = 0 } = grant;
  const at = Math.max(record.nextAttemptAt ?? 0, notBefore > now ? notBefore : 0);
  return at === 0 ? undefined : at;
}

/** Whether something is to be asked at some time for what does not work yet. */
export function isScheduled(record: SubscriptionRecord): boolean {
  const isGrantScheduled = (grant: GrantRecord): boolean =>
    (grant.nextAttemptAt !== undefined && !isOver(grant) && !isLive(grant)) || hasDenialCheck(grant);
  return record.nextAttemptAt !== undefined || record.grants.some(isGrantScheduled);
}

/** Whether it waits after a failure, rather than for what has begun. */
export function isWaitingToRetry({ nextAttemptAt, renewalDue, unanswered }: GrantRecord): boolean {
  return nextAttemptAt !== undefined && renewalDue !== true && unanswered !== true;
}

/** Whether its hub will be asked what it means by an unasked denial. */
export function hasDenialCheck(grant: GrantRecord): boolean {
  if (isOver(grant) || grant.superseded === true) return false;
  return grant.freshCallbackAt !== undefined || (hasUnsolicitedDenial(grant) && grant.nextAttemptAt !== undefined);
}

/** Whether its hub is being asked for a later grant that is to take its place, or will be. */
export function isBeingReplaced({ grants }: SubscriptionRecord, grant: GrantRecord): boolean {
  const later = grants.slice(grants.findIndex(({ id }) => id === grant.id) + 1);
  return later.some(
    (other) =>
      other.replaces !== undefined &&
      other.advertisedHub === grant.advertisedHub &&
      other.topic === grant.topic &&
      !isOver(other) &&
      !hasUnsolicitedDenial(other) &&
      (other.pending !== undefined || (other.nextAttemptAt !== undefined && !isBetweenAttempts(other))),
  );
}

/** Whether a hub did not grant what it was asked for, or is not asked yet. Meanwhile the grant to be replaced is renewed. */
function isBetweenAttempts({ state, provisional, deferredUntil: heldUntil }: GrantRecord): boolean {
  return state === 'failed' || state === 'expired' || provisional === true || heldUntil !== undefined;
}

/** Whether a hub may deliver under this grant at this moment, as far as we know. */
export function isLive(grant: GrantRecord): boolean {
  return grant.state === 'active' || grant.state === 'unsubscribing';
}

/** Whether the grant is over: its callback answers content with 410. */
export function isOver(grant: GrantRecord): boolean {
  return grant.state === 'unsubscribed';
}

/** Whether no hub was ever told of the grant's callback: nothing is to be expected there yet. */
export function isNeverRequested(grant: GrantRecord): boolean {
  return grant.state === 'requested' && grant.verifiedAt === undefined;
}

/** Whether the lease given by a verification during the open request has ended: the hub has to verify again. */
export function hasPendingLeaseExpired({ pending, verifiedAt = 0 }: GrantRecord, now: number): boolean {
  const { leaseSeconds = Infinity } = pending ?? {};
  return verifiedAt + leaseSeconds * 1000 <= now;
}
