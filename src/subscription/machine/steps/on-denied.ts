import { failOver } from './on-discovered.js';
import { withAttemptCounted, withFailure, unchanged, withGrant } from '../changes.js';
import { refusalWaitMs } from '../../retry-policy.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
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

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Within so many milliseconds of a denial, another one for the same grant changes nothing. */
const SAME_DENIAL_MS = 60_000;

/** With a single callback, unasked denials lead to at most one request per this many milliseconds. */
const DENIAL_CHECK_INTERVAL_MS = 3_600_000;

/** How long content is accepted after an unasked denial where the grant has no lease, in milliseconds. */
const WITHOUT_LEASE_MS = 86_400_000;

/** Whether a denial of a grant says anything that was not said in the last minute. */
export function isNewDenial(grant: GrantRecord, now: number): boolean {
  if (isOver(grant)) return false;
  if (hasPendingSubscribe(grant) && grant.pending?.denied !== true && grant.pending?.verified !== true) return true;
  const { deniedAt = -Infinity } = grant;
  return now < deniedAt || now - deniedAt >= SAME_DENIAL_MS;
}

/**
 * The hub denied, or somebody who knows the callback says so (PROTOCOL N1). A request that is open fails at its deadline
 * unless it is verified until then. A denial that answers no request of ours is checked first.
 */
export function onDenied(record: SubscriptionRecord, event: EventOf<'denied'>, context: TransitionContext): Transition {
  const { now } = context;
  const { grantId, failure } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isNewDenial(grant, now)) return unchanged(record);
  // A hub that is left says nothing of what is wanted; that it denied matters for how it answers.
  if (grant.superseded === true || grant.state === 'unsubscribing') {
    return unchanged(withGrant(record, grantId, () => ({ ...grant, deniedAt: now })));
  }
  const withHook: Transition = {
    record: withFailure(record, failure),
    effects: [{ type: 'hook', name: 'denied', grantId, failure }],
  };
  const next = isVerificationExpected(grant, now) ? onRequestDenied : onUnsolicitedDenial;
  const reached = next(withHook.record, grant, context);
  return { record: reached.record, effects: [...withHook.effects, ...reached.effects] };
}

/**
 * A request of ours is open. What works goes on; where nothing does, the next advertised hub is asked.
 *
 * Quirk(websubhub.com): denies when its verification met a 502. We keep the grant that works, and the request open until its
 * deadline (PROTOCOL N1).
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
  const reached = predecessor === undefined ? waiting : postponeRenewal(waiting, predecessor, requestAt);
  return shouldStayWithHub(reached, context) ? unchanged(reached) : failOver(reached, grant.advertisedHub, context);
}

/** Whether no other hub is to be asked instead. */
function shouldStayWithHub(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, each has a schedule of its own.
  const isNoneInstead = context.rules.hubs === 'all' || !isEnabled(record);
  return isNoneInstead || record.grants.some(isWorking) || isSatisfied(record, context);
}

/** The attempt has failed already: this was the hub's late answer to it. */
function onLateDenial(
  record: SubscriptionRecord,
  grant: GrantRecord,
  retryAt: number,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const { requestedAt: askedAt = 0, deniedAt = -Infinity } = grant;
  // It has said so of this request before.
  if (deniedAt >= askedAt) return unchanged(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  const refused = {
    ...grant,
    deniedAt: now,
    isDenied: true,
    refusals: nextRefusalCount(record, grant, context),
    unanswered: undefined,
    notBefore: Math.max(grant.notBefore ?? 0, retryAt),
  };
  const reached = withGrant(record, grant.id, () => refused);
  const predecessor = predecessorOf(reached, refused);
  if (predecessor !== undefined) return unchanged(withoutSuccessor(reached, refused, predecessor, retryAt, context));
  if (shouldStop(reached, context)) return unchanged(stopAsDenied(reached));
  if (isWorking(refused) || rules.hubs === 'all') {
    const { nextAttemptAt = 0 } = refused;
    return unchanged(scheduleRequest(reached, refused, Math.max(nextAttemptAt, retryAt)));
  }
  const until = Math.max(refused.notBefore, refused.nextAttemptAt ?? 0);
  const waiting = withGrant(reached, grant.id, (one) => ({ ...one, notBefore: until, nextAttemptAt: undefined }));
  if (!isEnabled(waiting) || isSatisfied(waiting, context)) return unchanged(waiting);
  return failOver(waiting, grant.advertisedHub, context);
}

/** The deadline of a request that was denied has come, and no verification. */
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
    unanswered: undefined,
    isDenied: true,
    refusals,
    state: state === 'verifying' || state === 'requested' ? 'failed' : state,
  };
  const reached = withGrant(record, grant.id, () => failed);
  const predecessor = predecessorOf(reached, failed);
  if (predecessor !== undefined) return unchanged(withoutSuccessor(reached, failed, predecessor, retryAt, context));
  if (shouldStop(reached, context)) {
    return unchanged(stopAsDenied(withAttemptCounted(reached, { ...rules, maxAttempts: Infinity })));
  }
  // Quirk(Ballerina, WSO2): deny every renewal with "already registered". We keep the grant, count no failed attempt and ask no
  // other hub (PROTOCOL N1).
  if (isWorking(failed)) return unchanged(scheduleRequest(reached, failed, retryAt));
  const counted = withAttemptCounted(reached, rules, grant.id);
  if (!isEnabled(counted) || !isCurrent(counted, failed, context)) return unchanged(counted);
  if (rules.hubs === 'all') return unchanged(scheduleRequest(counted, failed, retryAt));
  const kept = withGrant(counted, grant.id, (one) => ({ ...one, notBefore: retryAt }));
  if (isSatisfied(kept, context)) return unchanged(kept);
  return failOver(kept, grant.advertisedHub, context);
}

function scheduleRequest(record: SubscriptionRecord, { id }: GrantRecord, nextAttemptAt: number): SubscriptionRecord {
  // A renewal that is being discovered for waits, too.
  return withGrant(record, id, (grant) => ({
    ...grant,
    nextAttemptAt,
    notBefore: nextAttemptAt,
    renewalDue: undefined,
  }));
}

/** `afterDenial: 'stop'`: whether every advertised hub has denied, and the subscription is not held for another reason. */
function shouldStop(record: SubscriptionRecord, context: TransitionContext): boolean {
  if (context.rules.afterDenial !== 'stop' || !isEnabled(record)) return false;
  const hasDenied = (hub: string): boolean => {
    const { isDenied = false, pending } = reusableGrantAt(record, hub, context) ?? {};
    return isDenied && pending === undefined;
  };
  return record.hubs.length > 0 && record.hubs.every(hasDenied);
}

/** `afterDenial: 'stop'`: nothing is asked before `retry(id)`. What works goes on until its lease ends. */
function stopAsDenied(record: SubscriptionRecord): SubscriptionRecord {
  const grants = record.grants.map((grant) =>
    grant.state === 'unsubscribing' ? grant : { ...grant, nextAttemptAt: undefined, freshCallbackAt: undefined },
  );
  return { ...record, grants, stoppedBecause: 'denied', nextAttemptAt: undefined };
}

/**
 * Nothing is open, so anyone who knows the callback may have sent it: content is still accepted, and the hub is asked
 * under another callback, which only it will know.
 */
export function onUnsolicitedDenial(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition {
  const { now, random } = context;
  if (grant.state !== 'active') {
    return unchanged(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  }
  const canCheckDenial = isEnabled(record) && isCurrent(record, grant, context);
  const check = canCheckDenial ? denialCheck(record, grant, context) : undefined;
  const reached = withGrant(record, grant.id, () => ({
    ...grant,
    deniedAt: now,
    deniedUnsolicited: true,
    denialAnswered: undefined,
    // Without another callback the renewal is the question.
    renewalDue: hasFixedCallback(grant, context) ? grant.renewalDue : undefined,
    // How long its hub is left alone is to be known should the denial be undone.
    notBefore: isWaitingToRetry(grant) ? grant.nextAttemptAt : grant.notBefore,
    nextAttemptAt: undefined,
    expiresAt: grant.expiresAt ?? now + WITHOUT_LEASE_MS,
    ...check,
  }));
  const retryAt = now + refusalWaitMs(1, random);
  const predecessor = record.grants.find(({ id }) => id === grant.replaces);
  if (predecessor !== undefined && isWorking(predecessor)) {
    // The predecessor's renewal waited for this grant, and may be overdue. It is put off once.
    const isPlanned = predecessor.nextAttemptAt !== undefined;
    return unchanged(isPlanned ? reached : postponeRenewal(reached, predecessor, retryAt));
  }
  return isEnabled(reached) && !canCheckDenial && !isSatisfied(reached, context)
    ? unchanged({ ...reached, nextAttemptAt: reached.nextAttemptAt ?? Math.max(retryAt, backoffUntil(record, grant)) })
    : unchanged(reached);
}

/** When and how its hub is asked what it means; undefined where that is under way. */
export function denialCheck(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Partial<GrantRecord> | undefined {
  const { now, random } = context;
  // A hub that fails or refuses is not asked sooner because somebody denied.
  const waitsUntil = Math.max(backoffUntil(record, grant), cooldownOf(record, grant, context).until);
  const at = Math.max(now + refusalWaitMs(1, random), waitsUntil);
  if (hasFixedCallback(grant, context)) {
    const checkAt = Math.max(at, (grant.denialCheckedAt ?? -Infinity) + DENIAL_CHECK_INTERVAL_MS);
    // A request that was planned earlier is not put off.
    return { nextAttemptAt: Math.min(checkAt, grant.nextAttemptAt ?? grant.renewsAt ?? Infinity) };
  }
  return hasOtherCallback(record, grant, context) ? undefined : { freshCallbackAt: grant.freshCallbackAt ?? at };
}

/** The latest time at which a grant at this hub was to be tried again after failures (epoch milliseconds); 0 if none was. */
function backoffUntil({ grants }: SubscriptionRecord, { advertisedHub }: GrantRecord): number {
  const failing = grants.filter((grant) => {
    const isHere = grant.advertisedHub === advertisedHub;
    const isWanted = !isOver(grant) && grant.superseded !== true && grant.state !== 'unsubscribing';
    return isHere && isWanted && grant.attempts + (grant.refusals ?? 0) > 0;
  });
  return Math.max(0, ...failing.flatMap(({ nextAttemptAt = 0, notBefore = 0 }) => [nextAttemptAt, notBefore]));
}

/** Whether its hub grants, or is being asked, under another callback already. */
function hasOtherCallback(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): boolean {
  const { id, advertisedHub } = grant;
  return record.grants.some((other) => {
    if (other.id === id || other.advertisedHub !== advertisedHub || isOver(other)) return false;
    if (hasUnsolicitedDenial(other) || !isCurrent(record, other, context)) return false;
    const isGranted = other.state === 'active' && other.provisional !== true;
    return isGranted || (other.pending ?? other.nextAttemptAt) !== undefined;
  });
}
