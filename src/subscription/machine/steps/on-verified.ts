import { extendedLease, type Lease, onUnsolicitedVerification } from './unsolicited-verification.js';
import {
  andThen,
  endedGrant,
  unsubscribingGrant,
  SAFETY_DELAY_MS,
  withoutEffects,
  withGrant,
} from '../record-changes.js';
import { withoutDenial } from './on-hub-delivered.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { inFlightGuard } from '../rules/in-flight-guard.js';
import { grantedLease, renewalTime } from '../rules/lease.js';
import { isCurrent, isUnreliable } from '../rules/current-grants.js';
import type { GrantRecord, PendingRequest, SubscriptionRecord } from '../../record/record.js';
import { coolingDownGrant, withoutRefusals } from '../rules/refusal-cooldown.js';
import { withPendingSecretForLease, withVerifiedSecret } from '../rules/secrets.js';
import {
  stopReasonOnceVerified,
  hasPendingSubscribe,
  expectedRequest,
  hasUnsolicitedDenial,
  isLive,
  isVerificationExpected,
  isOver,
  isWorking,
} from '../state.js';

type ConfirmContext = Pick<TransitionContext, 'callbackOf' | 'rules'>;

/** Maximum ended grants of a subscription; the latest ones stay. Their callbacks answer content with 410. */
const MAX_TOMBSTONES = 16;

/** Milliseconds a hub's error after a verification is remembered (PROTOCOL N3). */
const HUB_ERROR_MEMORY_MS = 3_600_000;

/**
 * Whether a verification from the hub of this grant may be confirmed. A subscribe must still be wanted, and may be late
 * (PROTOCOL V4). An unsubscribe must have been requested (V3).
 */
export function canConfirm(
  record: SubscriptionRecord,
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  context: ConfirmContext,
): boolean {
  if (mode === 'unsubscribe') return grant.state === 'unsubscribed' || wasUnsubscribeSent(grant);
  if (record.desired !== 'subscribed' || stopReasonOnceVerified(record) !== undefined) return false;
  if (grant.state === 'active' || hasPendingSubscribe(grant)) return true;
  const wasRequested = grant.state === 'verifying' || grant.state === 'failed' || grant.state === 'expired';
  return (
    wasRequested && !record.grants.some((other) => other.id !== grant.id && isPreferred(record, other, grant, context))
  );
}

/** Whether the hub was asked to unsubscribe: an unsubscribe that still waits for its turn was not sent. */
function wasUnsubscribeSent({ state, pending, lateRequest }: GrantRecord): boolean {
  return state === 'unsubscribing' && (pending?.mode === 'unsubscribe' || lateRequest !== undefined);
}

/** Whether the grant `other` serves the subscription, so that a late verification of `grant` is refused. */
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

/** The hub verified. If the verification may be confirmed, the answer is the challenge. */
export function onVerified(
  record: SubscriptionRecord,
  input: InputOf<'verified'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === input.grantId);
  if (grant === undefined || !canConfirm(record, grant, input.mode, context)) return withoutEffects(record);
  if (isSettled(grant, input, context.now)) return withoutEffects(record);
  // Quirk(thylacine, Flask-WebSub): send `hub.lease_seconds` also when they verify an unsubscribe. We ignore it.
  if (input.mode === 'unsubscribe') return endUnsubscribedGrant(record, grant, context.now);
  // The hub verified, then somebody denied. Another verification decides again.
  const { pending } = grant;
  const isDeniedSince = pending?.verified === true && pending.denied === true;
  const requestId = input.requestId ?? (isDeniedSince ? pending.id : undefined);
  return requestId === undefined
    ? onUnsolicitedVerification(record, grant, input, context)
    : applyVerification(record, grant, { ...input, requestId }, context);
}

/**
 * Whether the request that a verification answers is settled: verified, refused by the handler, or replaced by another
 * request. Two handler calls for one verification may overlap, so the result of one may come too late.
 */
export function isSettled(
  grant: GrantRecord,
  { mode, requestId }: Pick<InputOf<'verified'>, 'mode' | 'requestId'>,
  now: number,
): boolean {
  if (requestId === undefined || expectedRequest(grant, mode, now) === requestId) return false;
  // An earlier request missed its deadline, and the hub is requested again meanwhile.
  return mode === 'unsubscribe' || grant.lateRequest !== requestId || !isVerificationExpected(grant, now);
}

/**
 * The hub verified an open request. If the request is still in flight, the verification may be forged. The grant then
 * works at once, and the result of the request decides the rest (PROTOCOL V9).
 */
function applyVerification(
  record: SubscriptionRecord,
  grant: GrantRecord,
  input: InputOf<'verified'> & { readonly requestId: string },
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const leaseSeconds = grantedLease(input.leaseSeconds, rules.leaseSeconds, rules);
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
    // If the process ends before the answer is sent, the hub has no confirmation and must be requested again.
    isConfirmationUnsent: true,
    verifiedRequest: input.requestId,
    ...inFlightGuard(now + SAFETY_DELAY_MS),
    isRenewalStarted: undefined,
    notBefore: undefined,
    lateUntil: undefined,
    lateRequest: undefined,
    secrets: isRequestInFlight ? withPendingSecretForLease(grant.secrets, lease.expiresAt ?? now) : grant.secrets,
    pending: isRequestInFlight ? { ...pending, verified: true, leaseSeconds, renewsAt, denied: undefined } : undefined,
    endedAt: undefined,
  };
  const updated = withGrant(record, grant.id, () => active);
  const effects: readonly Effect[] = [
    { type: 'hook', name: isWorking(grant) ? 'renewed' : 'verified', grantId: grant.id },
  ];
  if (isRequestInFlight) return { record: { ...updated, stoppedBecause: stopReasonOnceVerified(record) }, effects };
  return andThen({ record: updated, effects }, (next) => completeRequest(next, active, context));
}

/** A granted lease that starts at `at`, the time of the verification. */
function leaseFrom(at: number, leaseSeconds: number, { random, rules }: TransitionContext): Lease {
  return { leaseSeconds, expiresAt: at + leaseSeconds * 1000, renewsAt: renewalTime(at, leaseSeconds, rules, random) };
}

/** The lease of a request verified in flight. The renewal time stays the one that snapshots showed. */
function verifiedLease(at: number, { leaseSeconds = 0, renewsAt }: PendingRequest, context: TransitionContext): Lease {
  const lease = leaseFrom(at, leaseSeconds, context);
  return renewsAt === undefined ? lease : { ...lease, renewsAt };
}

/** The hub accepted and verified the request. No request is open any more. Other grants are replaced. */
export function completeRequest(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const { pending, verifiedAt = now } = grant;
  // Quirk(Ballerina): verifies and then reports `hub-error`, again and again. We keep counting the hub's failed
  // attempts (PROTOCOL N3).
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
    wasLastRequestDenied: undefined,
    attempts: isHubFailing ? grant.attempts : 0,
    // A new secret or other parameters were set while the request was open.
    renewsAt: (grant.freshSecret ?? grant.isOutdated) === true ? now : known.renewsAt,
    secrets: withVerifiedSecret(grant.secrets, now),
  };
  const updated = withoutRefusals(
    withGrant(record, grant.id, () => active),
    active,
    context,
  );
  // A grant that is not current says nothing about the current grants.
  if (grant.superseded === true || !isCurrent(updated, active, context)) return withoutEffects(updated);
  const next: SubscriptionRecord = {
    ...updated,
    stoppedBecause: stopReasonOnceVerified(updated),
    attempts: active.attempts,
    attemptsKept: active.attempts === 0 ? undefined : active.attempts,
    // With several hubs, each has its own schedule.
    nextAttemptAt: rules.hubs === 'all' ? updated.nextAttemptAt : undefined,
    lastError: stopReasonOnceVerified(updated) === undefined ? undefined : updated.lastError,
    passedOver: [],
  };
  return replaceOtherGrants(next, active, context);
}

/**
 * Keeps one grant, or one at each hub with `hubs: 'all'`. Replaced grants that work are unsubscribed at their hub.
 * Other replaced grants stay as tombstones if they worked before. Those that never worked are removed, unless they
 * store refusals.
 */
function replaceOtherGrants(record: SubscriptionRecord, active: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const effects: Effect[] = [];
  const retire = (grant: GrantRecord): readonly GrantRecord[] => {
    if (grant.id === active.id || isOver(grant) || grant.superseded === true) return [grant];
    // This grant's request, to replace the active grant, is pending or scheduled. The request continues.
    if (grant.replaces === active.id && (grant.pending ?? grant.nextAttemptAt) !== undefined) return [grant];
    if (rules.hubs === 'all' && !isReplaced(record, grant, active, context)) return [grant];
    if (grant.state !== 'active' && grant.state !== 'unsubscribing') {
      // With a single callback for all grants, the callback belongs to the active grant now.
      const cooling = grant.path === active.path ? undefined : coolingDownGrant(grant);
      const kept = grant.verifiedAt === undefined ? cooling : endedGrant(grant, now);
      return kept === undefined ? [] : [kept];
    }
    // The unsubscribe is already in progress: the grant is only marked as replaced.
    if (grant.state === 'unsubscribing') return [{ ...grant, superseded: true }];
    effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
    return [unsubscribingGrant(grant, now, true)];
  };
  const grants = record.grants.flatMap(retire);
  const dropped = new Set(grants.filter(isOver).slice(0, -MAX_TOMBSTONES));
  return { record: { ...record, grants: grants.filter((grant) => !dropped.has(grant)) }, effects };
}

/**
 * Whether a grant at one of several hubs is replaced: its hub has granted another grant, or is no longer advertised.
 */
function isReplaced(
  record: SubscriptionRecord,
  grant: GrantRecord,
  active: GrantRecord,
  context: ConfirmContext,
): boolean {
  if (grant.advertisedHub === active.advertisedHub) return true;
  return !isCurrent(record, grant, context) && !record.hubs.includes(grant.advertisedHub);
}

/** The hub got the answer. The next step is the renewal as planned. */
export function onAnswered(record: SubscriptionRecord, { grantId, requestId }: InputOf<'answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.isConfirmationUnsent !== true || grant.verifiedRequest !== requestId) return withoutEffects(record);
  const isWaiting = isWorking(grant) && grant.pending === undefined && grant.isRenewalStarted !== true;
  const nextAttemptAt = isWaiting ? undefined : grant.nextAttemptAt;
  return withoutEffects(
    withGrant(record, grantId, () => ({
      ...grant,
      isConfirmationUnsent: undefined,
      verifiedRequest: undefined,
      nextAttemptAt,
    })),
  );
}

/** Whether to store a problem: the open request has no problem yet, or only one from a notice. */
export function isNewProblem({ pending }: GrantRecord, { isNotice = false }: { readonly isNotice?: boolean }): boolean {
  if (pending === undefined) return false;
  return pending.problem === undefined || (!isNotice && pending.hasUnconfirmedVerification !== true);
}

/** A verification could not be confirmed. If no other verification comes, the problem explains the failure. */
export function onVerificationWrong(record: SubscriptionRecord, input: InputOf<'verification-wrong'>): Transition {
  const { grantId, requestId, problem, isNotice = false } = input;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.pending?.id !== requestId || !isNewProblem(grant, input)) return withoutEffects(record);
  const pending = {
    ...grant.pending,
    problem,
    hasUnconfirmedVerification: isNotice ? grant.pending.hasUnconfirmedVerification : true,
  };
  return withoutEffects(withGrant(record, grantId, () => ({ ...grant, pending })));
}

function endUnsubscribedGrant(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return withoutEffects(record);
  return {
    record: withGrant(record, grant.id, () => endedGrant(grant, now)),
    effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }],
  };
}
