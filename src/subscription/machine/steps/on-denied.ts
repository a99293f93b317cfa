import { failOver } from './on-discovered.js';
import { withAttemptCounted, withFailure, withoutEffects, withGrant } from '../record-changes.js';
import { refusalWaitMs } from '../../retry-policy.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import { reusableGrantAt, hasFixedCallback } from '../rules/reusable-grant.js';
import { isCurrent, isSatisfied } from '../rules/current-grants.js';
import { postponeRenewal, predecessorOf, withoutSuccessor } from '../rules/successor.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { nextRefusalCount, cooldownOf } from '../rules/refusal-cooldown.js';
import {
  hasPendingSubscribe,
  isEnabled,
  hasUnsolicitedDenial,
  isVerificationExpected,
  isOver,
  isWaitingToRetry,
  isWorking,
} from '../state.js';

/** Milliseconds after a denial in which another denial of the same grant changes nothing. */
const SAME_DENIAL_MS = 60_000;

/** With a single callback, unsolicited denials lead to at most one request per this many milliseconds. */
const DENIAL_CHECK_INTERVAL_MS = 3_600_000;

/** Milliseconds until a grant without a lease ends after an unsolicited denial. */
const DENIED_LEASE_MS = 86_400_000;

/** Whether a denial changes the grant: the first one for an open request, or the first one in a minute. */
export function isNewDenial(grant: GrantRecord, now: number): boolean {
  if (isOver(grant)) return false;
  if (hasPendingSubscribe(grant) && grant.pending?.denied !== true && grant.pending?.verified !== true) return true;
  const { deniedAt = -Infinity } = grant;
  return now < deniedAt || now - deniedAt >= SAME_DENIAL_MS;
}

/**
 * The hub, or anyone who knows the callback, sent a denial (PROTOCOL N1). A pending request stays open until its
 * deadline. An unsolicited denial is checked at the hub first.
 */
export function onDenied(record: SubscriptionRecord, input: InputOf<'denied'>, context: TransitionContext): Transition {
  const { now } = context;
  const { grantId, failure } = input;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isNewDenial(grant, now)) return withoutEffects(record);
  // The hub is being unsubscribed, so its denial does not affect the subscription. The denial only decides how the
  // hub's answer to the unsubscribe request is read.
  if (grant.superseded === true || grant.state === 'unsubscribing') {
    return withoutEffects(withGrant(record, grantId, () => ({ ...grant, deniedAt: now })));
  }
  const withHook: Transition = {
    record: withFailure(record, failure),
    effects: [{ type: 'hook', name: 'denied', grantId, failure }],
  };
  const next = isVerificationExpected(grant, now) ? onRequestDenied : onUnsolicitedDenial;
  const updated = next(withHook.record, grant, context);
  return { record: updated.record, effects: [...withHook.effects, ...updated.effects] };
}

/**
 * The hub denied an open request. A working grant continues. Without a working grant, the next advertised hub is
 * requested.
 *
 * Quirk(websubhub.com): denies when its verification met a 502. We keep the working grant. The request stays open until
 * its deadline (PROTOCOL N1).
 */
function onRequestDenied(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, random } = context;
  const { pending } = grant;
  const retryAt = now + refusalWaitMs(nextRefusalCount(record, grant, context), random);
  if (pending === undefined) return onLateDenial(record, grant, retryAt, context);
  const requestAt = Math.max(pending.deadline, retryAt);
  const waiting = withGrant(record, grant.id, () => ({
    ...grant,
    deniedAt: now,
    notBefore: requestAt,
    lateUntil: undefined,
    pending: { ...pending, denied: true },
  }));
  const predecessor = predecessorOf(waiting, grant);
  const updated = predecessor === undefined ? waiting : postponeRenewal(waiting, predecessor, requestAt);
  return shouldStayWithHub(updated, context)
    ? withoutEffects(updated)
    : failOver(updated, grant.advertisedHub, context);
}

/** Whether failover is not needed. */
function shouldStayWithHub(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, each has its own schedule.
  const isFailoverOff = context.rules.hubs === 'all' || !isEnabled(record);
  return isFailoverOff || record.grants.some(isWorking) || isSatisfied(record, context);
}

/** The denial is the hub's late answer to an attempt that has already failed. */
function onLateDenial(
  record: SubscriptionRecord,
  grant: GrantRecord,
  retryAt: number,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const { requestedAt = 0, deniedAt = -Infinity } = grant;
  // The hub has already denied this request.
  if (deniedAt >= requestedAt) return withoutEffects(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  const refused = {
    ...grant,
    deniedAt: now,
    wasLastRequestDenied: true,
    refusals: nextRefusalCount(record, grant, context),
    isConfirmationUnsent: undefined,
    notBefore: Math.max(grant.notBefore ?? 0, retryAt),
  };
  const updated = withGrant(record, grant.id, () => refused);
  const predecessor = predecessorOf(updated, refused);
  if (predecessor !== undefined)
    return withoutEffects(withoutSuccessor(updated, refused, predecessor, retryAt, context));
  if (shouldStop(updated, context)) return withoutEffects(stopAsDenied(updated));
  if (isWorking(refused) || rules.hubs === 'all') {
    const { nextAttemptAt = 0 } = refused;
    return withoutEffects(scheduleRequest(updated, refused, Math.max(nextAttemptAt, retryAt)));
  }
  const until = Math.max(refused.notBefore, refused.nextAttemptAt ?? 0);
  const waiting = withGrant(updated, grant.id, (one) => ({ ...one, notBefore: until, nextAttemptAt: undefined }));
  if (!isEnabled(waiting) || isSatisfied(waiting, context)) return withoutEffects(waiting);
  return failOver(waiting, grant.advertisedHub, context);
}

/** The deadline of a denied request has passed without a verification. */
export function failDeniedRequest(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const { state } = grant;
  const refusals = nextRefusalCount(record, grant, context);
  const retryAt = Math.max(now, grant.notBefore ?? now + refusalWaitMs(refusals, random));
  const failed: GrantRecord = {
    ...grant,
    pending: undefined,
    isConfirmationUnsent: undefined,
    wasLastRequestDenied: true,
    refusals,
    state: state === 'verifying' || state === 'requested' ? 'failed' : state,
  };
  const updated = withGrant(record, grant.id, () => failed);
  const predecessor = predecessorOf(updated, failed);
  if (predecessor !== undefined)
    return withoutEffects(withoutSuccessor(updated, failed, predecessor, retryAt, context));
  if (shouldStop(updated, context)) {
    return withoutEffects(stopAsDenied(withAttemptCounted(updated, { ...rules, maxAttempts: Infinity })));
  }
  // Quirk(Ballerina, WSO2): deny every renewal with "already registered". We keep the grant, count no failed attempt
  // and try no other hub (PROTOCOL N1).
  if (isWorking(failed)) return withoutEffects(scheduleRequest(updated, failed, retryAt));
  const counted = withAttemptCounted(updated, rules, grant.id);
  if (!isEnabled(counted) || !isCurrent(counted, failed, context)) return withoutEffects(counted);
  if (rules.hubs === 'all') return withoutEffects(scheduleRequest(counted, failed, retryAt));
  const kept = withGrant(counted, grant.id, (one) => ({ ...one, notBefore: retryAt }));
  if (isSatisfied(kept, context)) return withoutEffects(kept);
  return failOver(kept, grant.advertisedHub, context);
}

function scheduleRequest(record: SubscriptionRecord, { id }: GrantRecord, nextAttemptAt: number): SubscriptionRecord {
  // A renewal that waits for discovery is postponed, too.
  return withGrant(record, id, (grant) => ({
    ...grant,
    nextAttemptAt,
    notBefore: nextAttemptAt,
    isRenewalStarted: undefined,
  }));
}

/** `afterDenial: 'stop'`: whether every advertised hub has denied, and the subscription is not stopped yet. */
function shouldStop(record: SubscriptionRecord, context: TransitionContext): boolean {
  if (context.rules.afterDenial !== 'stop' || !isEnabled(record)) return false;
  const hasDenied = (hub: string): boolean => {
    const { wasLastRequestDenied = false, pending } = reusableGrantAt(record, hub, context) ?? {};
    return wasLastRequestDenied && pending === undefined;
  };
  return record.hubs.length > 0 && record.hubs.every(hasDenied);
}

/** `afterDenial: 'stop'`: nothing is requested before `retry(id)`. A working grant continues until its lease ends. */
function stopAsDenied(record: SubscriptionRecord): SubscriptionRecord {
  const grants = record.grants.map((grant) =>
    grant.state === 'unsubscribing' ? grant : { ...grant, nextAttemptAt: undefined, freshCallbackAt: undefined },
  );
  return { ...record, grants, stoppedBecause: 'denied', nextAttemptAt: undefined };
}

/**
 * No request is open, so anyone who knows the callback may have sent the denial. Content is still accepted. The hub is
 * requested under another callback, which only the hub will know. With a fixed callback, the renewal itself is the
 * check.
 */
function onUnsolicitedDenial(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, random } = context;
  if (grant.state !== 'active') {
    return withoutEffects(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  }
  const canCheckDenial = isEnabled(record) && isCurrent(record, grant, context);
  const check = canCheckDenial ? denialCheckFields(record, grant, context) : undefined;
  const updated = withGrant(record, grant.id, () => ({
    ...grant,
    deniedAt: now,
    deniedUnsolicited: true,
    denialAnswered: undefined,
    // Without another callback, the renewal itself checks the denial.
    isRenewalStarted: hasFixedCallback(grant, context) ? grant.isRenewalStarted : undefined,
    // The hub keeps its wait if the denial is undone later.
    notBefore: isWaitingToRetry(grant) ? grant.nextAttemptAt : grant.notBefore,
    nextAttemptAt: undefined,
    expiresAt: grant.expiresAt ?? now + DENIED_LEASE_MS,
    ...check,
  }));
  const retryAt = now + refusalWaitMs(1, random);
  const predecessor = record.grants.find(({ id }) => id === grant.replaces);
  if (predecessor !== undefined && isWorking(predecessor)) {
    // The predecessor's renewal waited for this grant, and may be overdue. The renewal is postponed once.
    const isPlanned = predecessor.nextAttemptAt !== undefined;
    return withoutEffects(isPlanned ? updated : postponeRenewal(updated, predecessor, retryAt));
  }
  return isEnabled(updated) && !canCheckDenial && !isSatisfied(updated, context)
    ? withoutEffects({
        ...updated,
        nextAttemptAt: updated.nextAttemptAt ?? Math.max(retryAt, backoffUntil(record, grant)),
      })
    : withoutEffects(updated);
}

/** The fields that plan a denial check. Undefined if the hub granted or is requested under another callback. */
export function denialCheckFields(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Partial<GrantRecord> | undefined {
  const { now, random } = context;
  // A denial must not lead to an earlier request at a hub that fails or refuses.
  const waitsUntil = Math.max(backoffUntil(record, grant), cooldownOf(record, grant, context).until);
  const at = Math.max(now + refusalWaitMs(1, random), waitsUntil);
  if (hasFixedCallback(grant, context)) {
    const checkAt = Math.max(at, (grant.denialCheckedAt ?? -Infinity) + DENIAL_CHECK_INTERVAL_MS);
    // A request that was planned earlier is not postponed.
    return { nextAttemptAt: Math.min(checkAt, grant.nextAttemptAt ?? grant.renewsAt ?? Infinity) };
  }
  return hasOtherCallback(record, grant, context) ? undefined : { freshCallbackAt: grant.freshCallbackAt ?? at };
}

/** The latest planned retry after failures among the grants at this hub (epoch milliseconds); 0 if there is none. */
function backoffUntil({ grants }: SubscriptionRecord, { advertisedHub }: GrantRecord): number {
  const failing = grants.filter((grant) => {
    const isHere = grant.advertisedHub === advertisedHub;
    const isWanted = !isOver(grant) && grant.superseded !== true && grant.state !== 'unsubscribing';
    return isHere && isWanted && grant.attempts + (grant.refusals ?? 0) > 0;
  });
  return Math.max(0, ...failing.flatMap(({ nextAttemptAt = 0, notBefore = 0 }) => [nextAttemptAt, notBefore]));
}

/** Whether the hub has granted another callback, or is requested under another one. */
function hasOtherCallback(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): boolean {
  const { id, advertisedHub } = grant;
  return record.grants.some((other) => {
    if (other.id === id || other.advertisedHub !== advertisedHub || isOver(other)) return false;
    if (hasUnsolicitedDenial(other) || !isCurrent(record, other, context)) return false;
    const isGranted = other.state === 'active' && other.provisional !== true;
    return isGranted || (other.pending ?? other.nextAttemptAt) !== undefined;
  });
}
