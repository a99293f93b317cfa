import { extendedLease, type Lease, onUnsolicitedVerification } from './unsolicited-verification.js';
import {
  andThen,
  endedGrant,
  unsubscribingGrant,
  withFailure,
  SAFETY_DELAY_MS,
  unchanged,
  withGrant,
} from '../changes.js';
import { withoutDenial } from './on-hub-delivered.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { inFlightGuard } from '../rules/in-flight-guard.js';
import { grantedLease, renewalTime } from '../rules/lease.js';
import { isCurrent, isUnreliable } from '../rules/current-grants.js';
import type { GrantRecord, PendingRequest, SubscriptionRecord } from '../../record/record.js';
import { coolingDownGrant, withoutRefusals } from '../rules/refusal-cooldown.js';
import { withPendingSecretForLease, withVerifiedSecret } from '../rules/secrets.js';
import {
  stopReasonOnceVerified,
  hasPendingSubscribe,
  hasUnsolicitedDenial,
  isLive,
  isVerificationExpected,
  isOver,
  isWorking,
} from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;
type ConfirmContext = Pick<TransitionContext, 'callbackOf' | 'rules'>;

/** Grants that are over are kept for their answer, 410: so many of one subscription, the latest. */
const MAX_TOMBSTONES = 16;

/** For how long a hub's error after a verification is remembered, in milliseconds (PROTOCOL N3). */
const HUB_ERROR_MEMORY_MS = 3_600_000;

/**
 * Whether a verification by the hub of this grant may be confirmed: a subscription that is still wanted, also late
 * (PROTOCOL V4), or an unsubscription that was asked for (V3).
 */
export function canConfirm(
  record: SubscriptionRecord,
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  context: ConfirmContext,
): boolean {
  if (mode === 'unsubscribe') return grant.state === 'unsubscribing' || grant.state === 'unsubscribed';
  if (record.desired !== 'subscribed' || stopReasonOnceVerified(record) !== undefined) return false;
  if (grant.state === 'active' || hasPendingSubscribe(grant)) return true;
  const wasRequested = grant.state === 'verifying' || grant.state === 'failed' || grant.state === 'expired';
  return (
    wasRequested && !record.grants.some((other) => other.id !== grant.id && isPreferred(record, other, grant, context))
  );
}

/** Whether another grant works in the place of one whose hub comes late. */
function isPreferred(
  record: SubscriptionRecord,
  other: GrantRecord,
  grant: GrantRecord,
  context: ConfirmContext,
): boolean {
  if (!isLive(other) || other.superseded === true || hasUnsolicitedDenial(other) || grant.replaces === other.id)
    return false;
  if (context.rules.hubs === 'all' && other.advertisedHub !== grant.advertisedHub) return false;
  return isCurrent(record, other, context) ? !isUnreliable(record, other) : !isCurrent(record, grant, context);
}

/** The hub verified, and the answer is the challenge. */
export function onVerified(
  record: SubscriptionRecord,
  event: EventOf<'verified'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !canConfirm(record, grant, event.mode, context)) return unchanged(record);
  // Quirk(thylacine, Flask-WebSub): send `hub.lease_seconds` also when they verify an unsubscription. We ignore it.
  if (event.mode === 'unsubscribe') return endUnsubscribedGrant(record, grant, context.now);
  return isVerificationExpected(grant, context.now)
    ? applyVerification(record, grant, event, context)
    : onUnsolicitedVerification(record, grant, event, context);
}

/**
 * The hub verified a request of ours. Where that is still open the grant works at once, and how the request ends decides
 * the rest: the verification may be forged (PROTOCOL V9).
 */
function applyVerification(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: EventOf<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const leaseSeconds = grantedLease(event.leaseSeconds, rules.leaseSeconds, rules);
  const { pending } = grant;
  const isRequestInFlight = pending !== undefined && !pending.accepted;
  const isRenewalInFlight = isRequestInFlight && grant.state === 'active';
  const newLease = leaseFrom(now, leaseSeconds, context);
  const lease = isRenewalInFlight
    ? extendedLease(grant, leaseSeconds, context)
    : { ...newLease, provisional: isRequestInFlight };
  const { renewsAt } = newLease;
  const active: GrantRecord = {
    ...withoutDenial(grant, now),
    ...lease,
    state: 'active',
    verifiedAt: now,
    // If the process ends before the answer has left, the hub does not know, and has to be asked again.
    unanswered: true,
    ...inFlightGuard(now + SAFETY_DELAY_MS),
    renewalDue: undefined,
    notBefore: undefined,
    lateUntil: undefined,
    secrets: isRequestInFlight ? withPendingSecretForLease(grant.secrets, lease.expiresAt ?? now) : grant.secrets,
    pending: isRequestInFlight ? { ...pending, verified: true, leaseSeconds, renewsAt, denied: undefined } : undefined,
    endedAt: undefined,
  };
  const reached = withGrant(record, grant.id, () => active);
  const effects: readonly Effect[] = [
    { type: 'hook', name: isWorking(grant) ? 'renewed' : 'verified', grantId: grant.id },
  ];
  if (isRequestInFlight) return { record: { ...reached, stoppedBecause: stopReasonOnceVerified(record) }, effects };
  return andThen({ record: reached, effects }, (next) => completeRequest(next, active, context));
}

/** A lease that a hub grants, from when it verified. */
function leaseFrom(at: number, leaseSeconds: number, { random, rules }: TransitionContext): Lease {
  return { leaseSeconds, expiresAt: at + leaseSeconds * 1000, renewsAt: renewalTime(at, leaseSeconds, rules, random) };
}

/** The lease of a request that was verified while it was open: its renewal stays as announced then. */
function verifiedLease(at: number, { leaseSeconds = 0, renewsAt }: PendingRequest, context: TransitionContext): Lease {
  const lease = leaseFrom(at, leaseSeconds, context);
  return renewsAt === undefined ? lease : { ...lease, renewsAt };
}

/** The hub took the request and verified it: nothing is open any more, and one grant is enough. */
export function completeRequest(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const { pending, verifiedAt = now } = grant;
  // Quirk(Ballerina): verifies, then reports `hub-error`, time and again. We keep counting its failed attempts (PROTOCOL N3).
  const sinceError = now - (grant.hubErrorAt ?? -Infinity);
  const isHubFailing = sinceError >= 0 && sinceError < HUB_ERROR_MEMORY_MS;
  const known: GrantRecord =
    pending?.leaseSeconds === undefined ? grant : { ...grant, ...verifiedLease(verifiedAt, pending, context) };
  const active: GrantRecord = {
    ...known,
    grantedAt: verifiedAt,
    provisional: undefined,
    pending: undefined,
    refusals: undefined,
    isDenied: undefined,
    attempts: isHubFailing ? grant.attempts : 0,
    // Another secret, or other terms, were wanted while the request was open.
    renewsAt: (grant.freshSecret ?? grant.isOutdated) === true ? now : known.renewsAt,
    secrets: withVerifiedSecret(grant.secrets, now),
  };
  const reached = withoutRefusals(
    withGrant(record, grant.id, () => active),
    active,
  );
  // What is not what would be asked for today says nothing of what is.
  if (grant.superseded === true || !isCurrent(reached, active, context)) return unchanged(reached);
  const next: SubscriptionRecord = {
    ...reached,
    stoppedBecause: stopReasonOnceVerified(reached),
    attempts: active.attempts,
    attemptsKept: active.attempts === 0 ? undefined : active.attempts,
    // With several hubs, each has a schedule of its own.
    nextAttemptAt: rules.hubs === 'all' ? reached.nextAttemptAt : undefined,
    lastError: stopReasonOnceVerified(reached) === undefined ? undefined : reached.lastError,
    passedOver: [],
  };
  return replaceOtherGrants(next, active, context);
}

/**
 * One grant is enough, at each hub with `hubs: 'all'`: those that work are left by asking their hub, those that never
 * worked are forgotten, and those that did are kept as tombstones.
 */
function replaceOtherGrants(record: SubscriptionRecord, active: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const effects: Effect[] = [];
  const leave = (grant: GrantRecord): readonly GrantRecord[] => {
    if (grant.id === active.id || isOver(grant) || grant.superseded === true) return [grant];
    // Its hub is asked to deliver there instead: that goes on.
    if (grant.replaces === active.id && (grant.pending ?? grant.nextAttemptAt) !== undefined) return [grant];
    if (rules.hubs === 'all' && !isReplaced(record, grant, active, context)) return [grant];
    if (grant.state !== 'active' && grant.state !== 'unsubscribing') {
      // With a single callback for all grants, the active grant has it now.
      const rest = grant.path === active.path ? undefined : coolingDownGrant(grant);
      const kept = grant.verifiedAt === undefined ? rest : endedGrant(grant, now);
      return kept === undefined ? [] : [kept];
    }
    // Its unsubscription is under way already: it is only marked as replaced.
    if (grant.state === 'unsubscribing') return [{ ...grant, superseded: true }];
    effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
    return [unsubscribingGrant(grant, now, true)];
  };
  const grants = record.grants.flatMap(leave);
  const forgotten = new Set(grants.filter(isOver).slice(0, -MAX_TOMBSTONES));
  return { record: { ...record, grants: grants.filter((grant) => !forgotten.has(grant)) }, effects };
}

/** Whether a grant at one of several hubs has had its day: the same hub has granted another, or it is no longer advertised. */
function isReplaced(
  record: SubscriptionRecord,
  grant: GrantRecord,
  active: GrantRecord,
  context: ConfirmContext,
): boolean {
  if (grant.advertisedHub === active.advertisedHub) return true;
  return !isCurrent(record, grant, context) && !record.hubs.includes(grant.advertisedHub);
}

/** The hub knows what it was answered: the next thing is the renewal as it was planned. */
export function onAnswered(record: SubscriptionRecord, { grantId }: EventOf<'answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.unanswered !== true) return unchanged(record);
  const isWaiting = isWorking(grant) && grant.pending === undefined && grant.renewalDue !== true;
  const nextAttemptAt = isWaiting ? undefined : grant.nextAttemptAt;
  return unchanged(withGrant(record, grantId, () => ({ ...grant, unanswered: undefined, nextAttemptAt })));
}

/** Whether the open request of a grant is not known to have met a problem of the same weight. */
export function isNewProblem({ pending }: GrantRecord, { isNotice = false }: { readonly isNotice?: boolean }): boolean {
  if (pending === undefined) return false;
  return pending.problem === undefined || (!isNotice && pending.cameBack !== true);
}

/** A verification came that could not be confirmed: should no other come, that is why. */
export function onVerificationWrong(record: SubscriptionRecord, event: EventOf<'verification-wrong'>): Transition {
  const { grantId, problem, isNotice = false } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.pending === undefined || !isNewProblem(grant, event)) return unchanged(record);
  const pending = { ...grant.pending, problem, cameBack: isNotice ? grant.pending.cameBack : true };
  return unchanged(withGrant(record, grantId, () => ({ ...grant, pending })));
}

function endUnsubscribedGrant(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return unchanged(record);
  return {
    record: withGrant(record, grant.id, () => endedGrant(grant, now)),
    effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }],
  };
}

/**
 * The service's handler refused. A subscription is not asked for any more, and a grant that works goes on until its lease
 * ends; where it was about to end, it stays.
 */
export function onHandlerRefused(
  record: SubscriptionRecord,
  event: EventOf<'handler-refused'>,
  context: TransitionContext,
): Transition {
  const { failure, grantId, mode } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  // While the handler thought about it, something else may have been decided.
  if (grant === undefined || isOver(grant) || !canConfirm(record, grant, mode, context)) return unchanged(record);
  const isKept = mode === 'unsubscribe';
  // Nobody asked for it: anybody may have sent it (PROTOCOL V9).
  if (!isKept && !isVerificationExpected(grant, context.now)) return unchanged(record);
  const stopped = withGrant(record, grantId, () => ({
    ...grant,
    pending: undefined,
    nextAttemptAt: undefined,
    renewalDue: undefined,
    state: isKept ? 'active' : grant.state === 'verifying' ? 'failed' : grant.state,
  }));
  const effects: readonly Effect[] = [{ type: 'hook', name: 'failed', grantId, failure }];
  // What another grant has replaced goes on until its lease ends, and nothing else changes.
  if (isKept && grant.superseded === true) return { record: withFailure(stopped, failure), effects };
  const stopReason = isKept ? (record.desired === 'subscribed' ? record.stoppedBecause : undefined) : 'handler-refused';
  return {
    record: {
      ...withFailure(stopped, failure),
      desired: 'subscribed',
      stoppedBecause: stopReason,
      nextAttemptAt: undefined,
    },
    effects,
  };
}
