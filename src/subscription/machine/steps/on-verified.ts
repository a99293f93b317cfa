import { extended, type Lease, verifiedUnasked } from './unsolicited-verification.js';
import { andThen, ended, leaving, noted, SAFETY_MS, unchanged, withGrant } from '../changes.js';
import { undenied } from './on-hub-delivered.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { guardedUntil } from '../rules/in-flight-guard.js';
import { grantedLease, renewalTime } from '../rules/lease.js';
import { isPresent, isTired } from '../rules/current-grants.js';
import type { GrantRecord, PendingRequest, SubscriptionRecord } from '../../record/record.js';
import { resting, withoutRefusals } from '../rules/refusal-cooldown.js';
import { withLeasedSecret, withVerifiedSecret } from '../rules/secrets.js';
import { holdOnceVerified, isAsked, isDeniedUnasked, isHeld, isOpen, isOver, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;
type Here = Pick<TransitionContext, 'callbackOf' | 'rules'>;

/** Grants that are over are kept for their answer, 410: so many of one subscription, the latest. */
const MOST_TOMBSTONES = 16;

/** For how long a hub's error after a verification is remembered, in milliseconds (PROTOCOL N3). */
const HUB_ERROR_MEMORY_MS = 3_600_000;

/**
 * Whether a verification by the hub of this grant may be confirmed: a subscription that is still wanted, also late
 * (PROTOCOL V4), or an unsubscription that was asked for (V3).
 */
export function mayConfirm(
  record: SubscriptionRecord,
  grant: GrantRecord,
  mode: 'subscribe' | 'unsubscribe',
  here: Here,
): boolean {
  if (mode === 'unsubscribe') return grant.state === 'unsubscribing' || grant.state === 'unsubscribed';
  if (record.desired !== 'subscribed' || holdOnceVerified(record) !== undefined) return false;
  if (grant.state === 'active' || isAsked(grant)) return true;
  const wasAsked = grant.state === 'verifying' || grant.state === 'failed' || grant.state === 'expired';
  return wasAsked && !record.grants.some((other) => other.id !== grant.id && isBetter(record, other, grant, here));
}

/** Whether another grant works in the place of one whose hub comes late. */
function isBetter(record: SubscriptionRecord, other: GrantRecord, grant: GrantRecord, here: Here): boolean {
  if (!isHeld(other) || other.superseded === true || isDeniedUnasked(other) || grant.replaces === other.id)
    return false;
  if (here.rules.hubs === 'all' && other.advertisedHub !== grant.advertisedHub) return false;
  return isPresent(record, other, here) ? !isTired(record, other) : !isPresent(record, grant, here);
}

/** The hub verified, and the answer is the challenge. */
export function verified(record: SubscriptionRecord, event: Of<'verified'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayConfirm(record, grant, event.mode, context)) return unchanged(record);
  // Quirk(thylacine, Flask-WebSub): send `hub.lease_seconds` also when they verify an unsubscription. We ignore it.
  if (event.mode === 'unsubscribe') return left(record, grant, context.now);
  return isOpen(grant, context.now)
    ? granted(record, grant, event, context)
    : verifiedUnasked(record, grant, event, context);
}

/**
 * The hub verified a request of ours. Where that is still open the grant works at once, and how the request ends decides
 * the rest: the verification may be forged (PROTOCOL V9).
 */
function granted(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: Of<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const leaseSeconds = grantedLease(event.leaseSeconds, rules.leaseSeconds, rules);
  const { pending } = grant;
  const isRequestOpen = pending !== undefined && !pending.accepted;
  const isGoingOn = isRequestOpen && grant.state === 'active';
  const given = leaseFrom(now, leaseSeconds, context);
  const lease = isGoingOn ? extended(grant, leaseSeconds, context) : { ...given, provisional: isRequestOpen };
  const { renewsAt } = given;
  const active: GrantRecord = {
    ...undenied(grant, now),
    ...lease,
    state: 'active',
    verifiedAt: now,
    // If the process ends before the answer has left, the hub does not know, and has to be asked again.
    unanswered: true,
    ...guardedUntil(now + SAFETY_MS),
    renewalDue: undefined,
    notBefore: undefined,
    lateUntil: undefined,
    secrets: isRequestOpen ? withLeasedSecret(grant.secrets, lease.expiresAt ?? now) : grant.secrets,
    pending: isRequestOpen ? { ...pending, verified: true, leaseSeconds, renewsAt, denied: undefined } : undefined,
    endedAt: undefined,
  };
  const reached = withGrant(record, grant.id, () => active);
  const effects: readonly Effect[] = [
    { type: 'hook', name: isWorking(grant) ? 'renewed' : 'verified', grantId: grant.id },
  ];
  if (isRequestOpen) return { record: { ...reached, hold: holdOnceVerified(record) }, effects };
  return andThen({ record: reached, effects }, (next) => settled(next, active, context));
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
export function settled(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
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
  if (grant.superseded === true || !isPresent(reached, active, context)) return unchanged(reached);
  const next: SubscriptionRecord = {
    ...reached,
    hold: holdOnceVerified(reached),
    attempts: active.attempts,
    attemptsKept: active.attempts === 0 ? undefined : active.attempts,
    // With several hubs, each has a schedule of its own.
    nextAttemptAt: rules.hubs === 'all' ? reached.nextAttemptAt : undefined,
    lastError: holdOnceVerified(reached) === undefined ? undefined : reached.lastError,
    passedOver: [],
  };
  return leaveOthers(next, active, context);
}

/**
 * One grant is enough, at each hub with `hubs: 'all'`: those that work are left by asking their hub, those that never
 * worked are forgotten, and those that did are kept as tombstones.
 */
function leaveOthers(record: SubscriptionRecord, active: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const effects: Effect[] = [];
  const leave = (grant: GrantRecord): readonly GrantRecord[] => {
    if (grant.id === active.id || isOver(grant) || grant.superseded === true) return [grant];
    // Its hub is asked to deliver there instead: that goes on.
    if (grant.replaces === active.id && (grant.pending ?? grant.nextAttemptAt) !== undefined) return [grant];
    if (rules.hubs === 'all' && !isReplaced(record, grant, active, context)) return [grant];
    if (grant.state !== 'active' && grant.state !== 'unsubscribing') {
      // With a single callback for all grants, the active grant has it now.
      const rest = grant.path === active.path ? undefined : resting(grant);
      const kept = grant.verifiedAt === undefined ? rest : ended(grant, now);
      return kept === undefined ? [] : [kept];
    }
    // Its unsubscription is under way already: it is only marked as replaced.
    if (grant.state === 'unsubscribing') return [{ ...grant, superseded: true }];
    effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
    return [leaving(grant, now, true)];
  };
  const grants = record.grants.flatMap(leave);
  const forgotten = new Set(grants.filter(isOver).slice(0, -MOST_TOMBSTONES));
  return { record: { ...record, grants: grants.filter((grant) => !forgotten.has(grant)) }, effects };
}

/** Whether a grant at one of several hubs has had its day: the same hub has granted another, or it is no longer advertised. */
function isReplaced(record: SubscriptionRecord, grant: GrantRecord, active: GrantRecord, here: Here): boolean {
  if (grant.advertisedHub === active.advertisedHub) return true;
  return !isPresent(record, grant, here) && !record.hubs.includes(grant.advertisedHub);
}

/** The hub knows what it was answered: the next thing is the renewal as it was planned. */
export function answered(record: SubscriptionRecord, { grantId }: Of<'answered'>): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.unanswered !== true) return unchanged(record);
  const isWaiting = isWorking(grant) && grant.pending === undefined && grant.renewalDue !== true;
  const nextAttemptAt = isWaiting ? undefined : grant.nextAttemptAt;
  return unchanged(withGrant(record, grantId, () => ({ ...grant, unanswered: undefined, nextAttemptAt })));
}

/** Whether the open request of a grant is not known to have met a problem of the same weight. */
export function isNewProblem({ pending }: GrantRecord, { isNotice = false }: { readonly isNotice?: boolean }): boolean {
  if (pending === undefined) return false;
  return pending.wrong === undefined || (!isNotice && pending.cameBack !== true);
}

/** A verification came that could not be confirmed: should no other come, that is why. */
export function verificationWrong(record: SubscriptionRecord, event: Of<'verification-wrong'>): Transition {
  const { grantId, problem, isNotice = false } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.pending === undefined || !isNewProblem(grant, event)) return unchanged(record);
  const pending = { ...grant.pending, wrong: problem, cameBack: isNotice ? grant.pending.cameBack : true };
  return unchanged(withGrant(record, grantId, () => ({ ...grant, pending })));
}

function left(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return unchanged(record);
  return {
    record: withGrant(record, grant.id, () => ended(grant, now)),
    effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }],
  };
}

/**
 * The service's handler refused. A subscription is not asked for any more, and a grant that works goes on until its lease
 * ends; where it was about to end, it stays.
 */
export function handlerRefused(
  record: SubscriptionRecord,
  event: Of<'handler-refused'>,
  context: TransitionContext,
): Transition {
  const { failure, grantId, mode } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  // While the handler thought about it, something else may have been decided.
  if (grant === undefined || isOver(grant) || !mayConfirm(record, grant, mode, context)) return unchanged(record);
  const isKept = mode === 'unsubscribe';
  // Nobody asked for it: anybody may have sent it (PROTOCOL V9).
  if (!isKept && !isOpen(grant, context.now)) return unchanged(record);
  const stopped = withGrant(record, grantId, () => ({
    ...grant,
    pending: undefined,
    nextAttemptAt: undefined,
    renewalDue: undefined,
    state: isKept ? 'active' : grant.state === 'verifying' ? 'failed' : grant.state,
  }));
  const effects: readonly Effect[] = [{ type: 'hook', name: 'failed', grantId, failure }];
  // What another grant has replaced goes on until its lease ends, and nothing else changes.
  if (isKept && grant.superseded === true) return { record: noted(stopped, failure), effects };
  const hold = isKept ? (record.desired === 'subscribed' ? record.hold : undefined) : 'handler-refused';
  return { record: { ...noted(stopped, failure), desired: 'subscribed', hold, nextAttemptAt: undefined }, effects };
}
