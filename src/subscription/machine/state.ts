import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import type { SubscriptionState } from '../record/snapshot.js';

/** Derives the state of a subscription from the user's wish, the stop reason and the grants. */
export function stateOf(record: SubscriptionRecord): SubscriptionState {
  const isWanted = record.desired === 'subscribed';
  // Superseded grants do not count while the subscription is wanted. Afterwards they count, because they still have to
  // end.
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

/** The state of a grant. `denied` if the grant does not work and the hub's last answer was a denial. */
export function grantStateOf(grant: GrantRecord): SubscriptionState {
  const { state, deniedAt } = grant;
  if (isOver(grant)) return hasUnsolicitedDenial(grant) ? 'denied' : state;
  if (deniedAt === undefined || state === 'unsubscribing') return state;
  return state !== 'active' || hasUnsolicitedDenial(grant) ? 'denied' : state;
}

/** The grant with that id; undefined if there is none any longer. */
export function grantOf({ grants }: SubscriptionRecord, grantId: string): GrantRecord | undefined {
  return grants.find(({ id }) => id === grantId);
}

/** The grant requested last. If no grant works, the answer of this grant's hub decides the state. */
function lastRequested(grants: readonly GrantRecord[]): GrantRecord | undefined {
  return grants
    .filter((grant) => !isOver(grant) || hasUnsolicitedDenial(grant))
    .reduce<GrantRecord | undefined>(
      (last, grant) => (last === undefined || (grant.requestedAt ?? 0) >= (last.requestedAt ?? 0) ? grant : last),
      undefined,
    );
}

/** The stop reason after a verification. Even a late verification ends `gave-up` and `denied`. */
export function stopReasonOnceVerified({ stoppedBecause }: SubscriptionRecord): SubscriptionRecord['stoppedBecause'] {
  return stoppedBecause === 'gave-up' || stoppedBecause === 'denied' ? undefined : stoppedBecause;
}

/** Whether subscribe requests may be sent for the subscription. */
export function isEnabled(record: SubscriptionRecord): boolean {
  return record.desired === 'subscribed' && record.stoppedBecause === undefined;
}

/** Whether a subscribe request is pending at the hub. */
export function hasPendingSubscribe(grant: GrantRecord): boolean {
  return grant.pending?.mode === 'subscribe' && !isOver(grant);
}

/**
 * Whether a subscribe request is open (PROTOCOL V9): neither verified nor refused. An accepted request stays open until
 * ten verify timeouts after its deadline.
 */
export function isVerificationExpected(grant: GrantRecord, now: number): boolean {
  return hasPendingSubscribe(grant) || (grant.lateUntil !== undefined && grant.lateUntil > now && !isOver(grant));
}

/**
 * The id of the request that a verification answers: the open one, or the one that missed its deadline. Undefined if
 * none is open, or if the hub has verified it already.
 */
export function expectedRequest(
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): string | undefined {
  const { pending, lateRequest, state } = grant;
  if (pending !== undefined) return pending.mode === mode && pending.verified !== true ? pending.id : undefined;
  if (mode === 'unsubscribe') return state === 'unsubscribing' ? lateRequest : undefined;
  return isVerificationExpected(grant, now) ? lateRequest : undefined;
}

/** Whether an unsolicited denial stands against the grant: the denial came while no request was open. */
export function hasUnsolicitedDenial({ deniedUnsolicited }: GrantRecord): boolean {
  return deniedUnsolicited === true;
}

/** Whether a hub delivers under the grant and should continue. */
export function isWorking(grant: GrantRecord): boolean {
  return grant.state === 'active' && grant.superseded !== true && !hasUnsolicitedDenial(grant);
}

/**
 * When to request a grant's hub again if nobody verifies meanwhile (epoch milliseconds). Undefined if nothing is
 * planned.
 */
export function plannedAttemptAt(record: SubscriptionRecord, grant: GrantRecord, now: number): number | undefined {
  if (grant.nextAttemptAt !== undefined) return grant.nextAttemptAt;
  const { notBefore = 0 } = grant;
  const at = Math.max(record.nextAttemptAt ?? 0, notBefore > now ? notBefore : 0);
  return at === 0 ? undefined : at;
}

/** Whether a request is scheduled to make the subscription or a grant work. */
export function isScheduled(record: SubscriptionRecord): boolean {
  const isGrantScheduled = (grant: GrantRecord): boolean =>
    (grant.nextAttemptAt !== undefined && !isOver(grant) && !isLive(grant)) || hasDenialCheck(grant);
  return record.nextAttemptAt !== undefined || record.grants.some(isGrantScheduled);
}

/** Whether the grant waits after a failure, rather than for work in flight. */
export function isWaitingToRetry({ nextAttemptAt, isRenewalStarted, isConfirmationUnsent }: GrantRecord): boolean {
  return nextAttemptAt !== undefined && isRenewalStarted !== true && isConfirmationUnsent !== true;
}

/** Whether a request is planned to check an unsolicited denial, or to move to a fresh callback. */
export function hasDenialCheck(grant: GrantRecord): boolean {
  if (isOver(grant) || grant.superseded === true) return false;
  return grant.freshCallbackAt !== undefined || (hasUnsolicitedDenial(grant) && grant.nextAttemptAt !== undefined);
}

/** Whether a later grant is requested, or will be, to replace this grant at the same hub. */
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

/**
 * Whether the hub has not granted the successor's request, or has not received the request. Meanwhile the predecessor
 * is renewed.
 */
function isBetweenAttempts({ state, provisional, deferredUntil }: GrantRecord): boolean {
  return state === 'failed' || state === 'expired' || provisional === true || deferredUntil !== undefined;
}

/** Whether a hub may deliver under the grant now, as far as we know. */
export function isLive(grant: GrantRecord): boolean {
  return grant.state === 'active' || grant.state === 'unsubscribing';
}

/** Whether the grant is over. Its callback then answers content with 410. */
export function isOver(grant: GrantRecord): boolean {
  return grant.state === 'unsubscribed';
}

/** Whether no hub knows the callback of the grant yet. Nothing is expected at this callback. */
export function isNeverRequested(grant: GrantRecord): boolean {
  return grant.state === 'requested' && grant.verifiedAt === undefined;
}

/** Whether the lease from a verification during the open request has ended. The hub then has to verify again. */
export function hasPendingLeaseExpired({ pending, verifiedAt = 0 }: GrantRecord, now: number): boolean {
  const { leaseSeconds = Infinity } = pending ?? {};
  return verifiedAt + leaseSeconds * 1000 <= now;
}
