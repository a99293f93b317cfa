import { askNext, hubsLeft } from './asking.js';
import { backoffMs, FAILOVER_AFTER, FAILOVERS_AT_ONCE, FAILURE_BACKOFF, REFUSAL_BACKOFF } from './backoff.js';
import { andThen, counted, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { verifyTimeoutMs } from './lease.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { withPendingSecret } from './secrets.js';
import { isAsking, isHeld, isOver } from './state.js';

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
  if (insteadOf !== undefined && grant.pending?.id !== insteadOf) return false;
  const isLeaving = grant.state === 'unsubscribing';
  if (mode === 'unsubscribe') return isLeaving;
  // Neither scheduled nor open: it was withdrawn, and another hub may be asked by now.
  const isWithdrawn = grant.nextAttemptAt === undefined && grant.pending === undefined;
  return isAsking(record) && !isLeaving && !isOver(grant) && !isWithdrawn;
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
  const { now, random, rules } = context;
  const leaving = grant.state === 'unsubscribing';
  const retryAfterMs = Math.min(retryAfterSeconds * 1000, LONGEST_RETRY_AFTER_MS);
  const attempts = grant.attempts + 1;
  const changed = withGrant(record, grantId, () => ({
    ...grant,
    attempts,
    pending: undefined,
    nextAttemptAt: undefined,
    notBefore: retryAfterMs > 0 ? now + retryAfterMs : undefined,
    state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
  }));
  // How often a hub would not let go says nothing of how often it was asked for what is wanted.
  const failed = leaving ? { ...changed, lastError: failure } : counted(changed, failure, rules);
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  if (!leaving && !isAsking(failed)) return { record: failed, effects: [hook] };

  const failures = leaving ? attempts : failed.attempts;
  const backoff = backoffMs(failures, random, refused ? REFUSAL_BACKOFF : FAILURE_BACKOFF);
  const nextAttemptAt = now + Math.max(backoff, retryAfterMs);
  if (isHeld(grant) || (!refused && attempts < FAILOVER_AFTER)) {
    return { record: withGrant(failed, grantId, (one) => ({ ...one, nextAttemptAt })), effects: [hook] };
  }
  const passed = { ...failed, passedOver: [...failed.passedOver, grant.advertisedHub] };
  if (hubsLeft(passed).length === 0) {
    return { record: { ...passed, passedOver: [], nextAttemptAt }, effects: [hook] };
  }
  const grants = passed.grants.filter((one) => one.id === grantId || !isSpent(one, passed));
  const further = passed.passedOver.length - FAILOVERS_AT_ONCE;
  if (further > 0) {
    // A long list of hubs that refuse is not gone through in one go: the publisher may have written anything into it.
    const pause = now + backoffMs(further, random, FAILURE_BACKOFF);
    return { record: { ...passed, grants, nextAttemptAt: pause }, effects: [hook] };
  }
  return andThen({ record: { ...passed, grants }, effects: [hook] }, (next) => askNext(next, context));
}

/** A hub that refused has nothing to come back to. One that did not answer may verify late (PROTOCOL V4). */
function isSpent(grant: GrantRecord, { passedOver }: SubscriptionRecord): boolean {
  const { state, verifiedAt, pending, notBefore, attempts, advertisedHub } = grant;
  const isRefused = state === 'failed' && attempts < FAILOVER_AFTER && passedOver.includes(advertisedHub);
  return isRefused && verifiedAt === undefined && pending === undefined && notBefore === undefined;
}
