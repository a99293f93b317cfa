import { askForMissing, heldAsDenied } from './asking.js';
import { andThen, ended, leaving, noted, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { grantedLease, renewalTime } from './lease.js';
import { hubsWanted, isBarred, isPresent, isTired } from './presence.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { beforeLapse, withVerifiedSecret } from './secrets.js';
import { isAsked, isHeld, isOver, isScheduled, isWorking } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;
type Here = Pick<TransitionContext, 'callbackOf' | 'rules'>;

/** Grants that are over are kept for their answer, 410: so many of one subscription, the latest. */
const MOST_TOMBSTONES = 16;

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
  if (record.desired !== 'subscribed' || (record.hold !== undefined && record.hold !== 'gave-up')) return false;
  if (grant.state === 'active' || isAsked(grant)) return true;
  const wasAsked = grant.state === 'verifying' || grant.state === 'failed' || grant.state === 'expired';
  return wasAsked && !record.grants.some((other) => other.id !== grant.id && isBetter(record, other, grant, here));
}

/** Whether another grant works in the place of one whose hub comes late. */
function isBetter(record: SubscriptionRecord, other: GrantRecord, grant: GrantRecord, here: Here): boolean {
  if (!isHeld(other) || other.superseded === true) return false;
  if (here.rules.hubs === 'all' && other.advertisedHub !== grant.advertisedHub) return false;
  return isPresent(record, other, here) ? !isTired(record, other) : !isPresent(record, grant, here);
}

/** The hub verified, and the answer is the challenge. */
export function verified(record: SubscriptionRecord, event: Of<'verified'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayConfirm(record, grant, event.mode, context)) return unchanged(record);
  return event.mode === 'subscribe' ? granted(record, grant, event, context) : left(record, grant, context.now);
}

function granted(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: Of<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const lease = grantedLease(event.leaseSeconds, rules);
  const planned = renewalTime(now, lease.seconds, rules.verifyTimeoutSeconds, random);
  const asked = isAnswer(record, grant, now);
  const active: GrantRecord = {
    ...grant,
    state: 'active',
    leaseSeconds: lease.seconds,
    verifiedAt: now,
    expiresAt: now + lease.seconds * 1000,
    // A renewal that is planned is not put off by a verification nobody asked for: it may be forged.
    renewsAt: asked ? planned : Math.min(grant.renewsAt ?? planned, planned, beforeLapse(grant.secrets, now)),
    nextAttemptAt: asked ? undefined : grant.nextAttemptAt,
    renewalDue: asked ? undefined : grant.renewalDue,
    notBefore: undefined,
    lateUntil: undefined,
    // What nobody asked for does not tell whether the hub took the pending secret: a renewal may have been refused, or be
    // verified late. Both stay accepted, and the next try tells, before they are not any more.
    secrets: asked ? withVerifiedSecret(grant.secrets, now) : grant.secrets,
    pending: undefined,
    attempts: asked ? 0 : grant.attempts,
    endedAt: undefined,
  };
  const hook: Effect = { type: 'hook', name: grant.state === 'active' ? 'renewed' : 'verified', grantId: grant.id };
  const effects: readonly Effect[] =
    lease.warning === undefined ? [hook] : [hook, { type: 'warn', message: lease.warning, grantId: grant.id }];
  const reached = withGrant(record, grant.id, () => active);
  // What is not what would be asked for today says nothing of what is.
  if (grant.superseded === true || !isPresent(reached, active, context)) return { record: reached, effects };
  const settled: SubscriptionRecord = {
    ...reached,
    hold: undefined,
    attempts: asked ? 0 : reached.attempts,
    // With several hubs, each has a schedule of its own.
    nextAttemptAt: rules.hubs === 'all' ? reached.nextAttemptAt : undefined,
    lastError: undefined,
    passedOver: [],
    // It denied another callback before, and what it says last counts.
    deniedBy: reached.deniedBy.filter((hub) => hub !== grant.advertisedHub),
  };
  return andThen({ record: settled, effects }, (next) => leaveOthers(next, active, context));
}

/** Whether a verification is the answer to a request, be it a late one, rather than one that nobody asked for. */
function isAnswer(record: SubscriptionRecord, { state, pending, lateUntil = 0 }: GrantRecord, now: number): boolean {
  return state !== 'active' || pending?.mode === 'subscribe' || lateUntil > now || record.hold === 'gave-up';
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
    if (rules.hubs === 'all' && !isReplaced(record, grant, active, context)) return [grant];
    if (!isWorking(grant) && grant.state !== 'unsubscribing') {
      return grant.verifiedAt === undefined ? [] : [ended(grant, 'unsubscribed', now)];
    }
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

/** A verification came that could not be confirmed: should no other come, that is why. */
export function verificationWrong(record: SubscriptionRecord, event: Of<'verification-wrong'>): Transition {
  const { grantId, problem } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant?.pending === undefined || grant.pending.wrong !== undefined) return unchanged(record);
  const pending = { ...grant.pending, wrong: problem };
  return unchanged(withGrant(record, grantId, () => ({ ...grant, pending })));
}

function left(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return unchanged(record);
  return {
    record: withGrant(record, grant.id, () => ended(grant, 'unsubscribed', now)),
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
  if (grant === undefined || grant.state === 'unsubscribed' || !mayConfirm(record, grant, mode, context))
    return unchanged(record);
  const isKept = mode === 'unsubscribe';
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

/** The hub denied: this grant is over, at any time. Another advertised hub is asked where there is one. */
export function denied(record: SubscriptionRecord, event: Of<'denied'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || grant.state === 'denied') return unchanged(record);
  const over = withGrant(noted(record, event.failure), grant.id, () => ended(grant, 'denied', context.now));
  const hook: Effect = { type: 'hook', name: 'denied', grantId: grant.id, failure: event.failure };
  // A hub that was left says nothing of what is wanted there now.
  if (grant.superseded === true) return { record: over, effects: [hook] };
  // Nor does one say that of a topic which it was not asked for yet.
  const isOfToday = record.topic === undefined || grant.topic === record.topic;
  const deniedBy = isOfToday ? [...new Set([...record.deniedBy, grant.advertisedHub])] : record.deniedBy;
  const barred = withoutBarred({ ...over, deniedBy });
  return andThen({ record: barred, effects: [hook] }, (reached) => {
    if (reached.desired === 'unsubscribed') return unchanged(reached);
    const isByAll = reached.hubs.length > 0 && hubsWanted(reached).length === 0;
    if (isByAll && !reached.grants.some(isAsked)) return heldAsDenied(reached);
    // Another hub that waits for its turn is not to be asked before it.
    return context.rules.hubs === 'failover' && isScheduled(reached)
      ? unchanged(reached)
      : askForMissing(reached, context);
  });
}

/** What is scheduled at a hub that has denied is not to be asked for: others may be in its place. */
function withoutBarred(record: SubscriptionRecord): SubscriptionRecord {
  const withdrawn = (grant: GrantRecord): GrantRecord =>
    isOver(grant) || grant.state === 'unsubscribing' || !isBarred(record, grant)
      ? grant
      : { ...grant, nextAttemptAt: undefined, renewalDue: undefined };
  return { ...record, grants: record.grants.map(withdrawn) };
}
