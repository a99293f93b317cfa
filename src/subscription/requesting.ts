import { askForMissing, askNext, hubsLeft, hubsToAsk } from './asking.js';
import { backoffMs, FAILOVER_AFTER, FAILOVERS_AT_ONCE, FAILURE_BACKOFF, REFUSAL_BACKOFF } from './backoff.js';
import { andThen, counted, noted, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { verifyTimeoutMs } from './lease.js';
import { isBarred, isPresent, isServed } from './presence.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { withPendingSecret } from './secrets.js';
import { isAsking, isHeld, isOver, isWorking } from './state.js';

const LONGEST_RETRY_AFTER_MS = 86_400_000;

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** The request is stored as pending before it leaves. Nothing changes, and nothing is to leave, where it is unwanted by now. */
export function requested(record: SubscriptionRecord, event: Of<'requested'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayLeave(record, grant, event)) return unchanged(record);
  const { now } = context;
  const asked: GrantRecord = {
    ...grant,
    state: grant.state === 'requested' || grant.state === 'failed' ? 'verifying' : grant.state,
    nextAttemptAt: undefined,
    renewalDue: undefined,
    notBefore: undefined,
    secrets: event.secret === undefined ? grant.secrets : withPendingSecret(grant.secrets, event.secret, now),
    pending: { id: event.requestId, mode: event.mode, deadline: deadlineOf(grant, context), accepted: false },
  };
  return {
    record: withGrant(record, grant.id, () => asked),
    effects: [{ type: 'hook', name: 'requested', grantId: grant.id }],
  };
}

function mayLeave(record: SubscriptionRecord, grant: GrantRecord, { mode, insteadOf }: Of<'requested'>): boolean {
  // One that had to wait for its turn may be overtaken by another one, which will do.
  const isOpen = grant.pending !== undefined && grant.pending.mode === mode;
  if (insteadOf === undefined ? isOpen : grant.pending?.id !== insteadOf) return false;
  const isLeaving = grant.state === 'unsubscribing';
  if (mode === 'unsubscribe') return isLeaving;
  if (isBarred(record, grant)) return false;
  // Neither scheduled nor open: it was withdrawn, and another hub may be asked by now.
  const isWithdrawn = grant.nextAttemptAt === undefined && grant.pending === undefined;
  return isAsking(record) && !isLeaving && !isOver(grant) && grant.superseded !== true && !isWithdrawn;
}

function deadlineOf(grant: GrantRecord, { rules, now }: TransitionContext): number {
  return now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds ?? rules.leaseSeconds);
}

/** The hub took the request; its verification may have come before, or is yet to come. */
export function accepted(record: SubscriptionRecord, event: Of<'accepted'>, context: TransitionContext): Transition {
  const { grantId, requestId, hub, moved } = event;
  if (!record.grants.some(({ id }) => id === grantId)) return unchanged(record);
  const next = withGrant(record, grantId, (grant) => {
    const settled = { ...grant, hub, hubSettled: true };
    if (grant.pending?.id !== requestId) return settled;
    return { ...settled, pending: { ...grant.pending, accepted: true, deadline: deadlineOf(grant, context) } };
  });
  return { record: next, effects: moved ? [{ type: 'hook', name: 'hub-moved', grantId }] : [] };
}

/** How a request came to nothing. */
export interface RequestFailure {
  readonly failure: FailureRecord;
  /** The hub said no for good, rather than not now. */
  readonly refused?: boolean;
  readonly retryAfterSeconds?: number | undefined;
}

/** An answer counts for the request it belongs to; one that was verified or given up meanwhile is settled already. */
export function answeredBadly(
  record: SubscriptionRecord,
  event: Of<'refused'> | Of<'unreachable'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, failure, retryAfterSeconds } = event;
  const isOpen = record.grants.some((grant) => grant.id === grantId && grant.pending?.id === requestId);
  if (!isOpen) return unchanged(record);
  return requestFailed(record, grantId, { failure, retryAfterSeconds, refused: event.type === 'refused' }, context);
}

/**
 * A request came to nothing. A grant that works goes on working and is renewed later; otherwise the same hub is asked
 * again, or another advertised one.
 */
export function requestFailed(
  record: SubscriptionRecord,
  grantId: string,
  { failure, refused = false, retryAfterSeconds = 0 }: RequestFailure,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined) return unchanged(record);
  const { now } = context;
  const retryAfterMs = Math.min(retryAfterSeconds * 1000, LONGEST_RETRY_AFTER_MS);
  const failed: GrantRecord = {
    ...grant,
    attempts: grant.attempts + 1,
    pending: undefined,
    nextAttemptAt: undefined,
    notBefore: retryAfterMs > 0 ? now + retryAfterMs : undefined,
    state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
  };
  const next = withGrant(record, grantId, () => failed);
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const told = (reached: SubscriptionRecord): Transition => ({ record: reached, effects: [hook] });
  const ask = { failure, refused, retryAfterMs };
  if (grant.state === 'unsubscribing') return told(stillLeaving(next, failed, ask, context));
  if (!isHeld(grant) && !isPresent(record, grant, context) && isServed(next, context))
    return told(noted(next, failure));
  const reached = counted(next, failure, context.rules, grantId);
  return isAsking(reached) ? andThen(told(reached), (at) => askAgain(at, failed, ask, context)) : told(reached);
}

interface Attempt {
  readonly failure: FailureRecord;
  readonly refused: boolean;
  readonly retryAfterMs: number;
}

/** How often a hub would not let go says nothing of how often it was asked for what is wanted. */
function stillLeaving(
  record: SubscriptionRecord,
  { id, superseded, attempts }: GrantRecord,
  { failure, refused, retryAfterMs }: Attempt,
  { now, random }: TransitionContext,
): SubscriptionRecord {
  // What is left behind hurts nobody, and its hub may be gone for good.
  const backoff = refused || superseded === true ? REFUSAL_BACKOFF : FAILURE_BACKOFF;
  const nextAttemptAt = now + Math.max(backoffMs(attempts, random, backoff), retryAfterMs);
  const scheduled = withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt }));
  return superseded === true ? scheduled : noted(scheduled, failure);
}

/** The same hub is asked again later, or the next advertised one now, by the service's rule. */
function askAgain(
  record: SubscriptionRecord,
  grant: GrantRecord,
  { refused, retryAfterMs }: Attempt,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  // It was asked before it denied another callback.
  if (isBarred(record, grant)) return askForMissing(record, context);
  const isAll = rules.hubs === 'all';
  const isWorn = refused || grant.attempts >= FAILOVER_AFTER;
  const backoff = backoffMs(
    isAll ? grant.attempts : record.attempts,
    random,
    refused ? REFUSAL_BACKOFF : FAILURE_BACKOFF,
  );
  const nextAttemptAt = now + Math.max(backoff, retryAfterMs);
  const again = withGrant(record, grant.id, (one) => ({ ...one, nextAttemptAt }));
  if (isAll || !isWorn) return unchanged(again);
  if (isHeld(grant)) return askBeside(again, grant, context);

  const passed = { ...record, passedOver: [...record.passedOver, grant.advertisedHub] };
  if (hubsToAsk(passed, context).length === 0) {
    // A discovery that something else needs is not to have it asked sooner.
    const waiting = withGrant(passed, grant.id, (one) => ({ ...one, notBefore: nextAttemptAt }));
    return unchanged({ ...waiting, passedOver: [], nextAttemptAt });
  }
  const grants = passed.grants.filter((one) => one.id === grant.id || !isSpent(one, passed));
  const further = passed.passedOver.length - FAILOVERS_AT_ONCE;
  if (further > 0) {
    // A long list of hubs that refuse is not gone through in one go: the publisher may have written anything into it.
    return unchanged({ ...passed, grants, nextAttemptAt: now + backoffMs(further, random, FAILURE_BACKOFF) });
  }
  return askNext({ ...passed, grants }, context);
}

/** A hub does not renew what works: another one is asked meanwhile, under a callback of its own. */
function askBeside(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { advertisedHub } = grant;
  const isOnItsWay = record.grants.some((one) => one.id !== grant.id && (isWorking(one) || isWaiting(one)));
  if (context.hasOneCallback === true || isOnItsWay || record.nextAttemptAt !== undefined) return unchanged(record);
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, advertisedHub])] };
  return hubsLeft(passed).length === 0 ? unchanged({ ...record, passedOver: [] }) : askNext(passed, context);
}

function isWaiting(grant: GrantRecord): boolean {
  return !isHeld(grant) && !isOver(grant) && (grant.pending !== undefined || grant.nextAttemptAt !== undefined);
}

/** A hub that refused has nothing to come back to. One that did not answer may verify late (PROTOCOL V4). */
function isSpent(grant: GrantRecord, { passedOver }: SubscriptionRecord): boolean {
  const { state, verifiedAt, pending, notBefore, attempts, advertisedHub } = grant;
  const isRefused = state === 'failed' && attempts < FAILOVER_AFTER && passedOver.includes(advertisedHub);
  return isRefused && verifiedAt === undefined && pending === undefined && notBefore === undefined;
}
