import { settled } from './on-verified.js';
import { askNext, hubsLeft, isOtherSooner, toNextHub } from './on-discovered.js';
import {
  FAILOVER_AFTER,
  HUB_UNREACHABLE,
  LONGEST_RETRY_AFTER_MS,
  refusalWaitMs,
  RETRY_AFTER_SPREAD_MS,
  retryWaitMs,
  UNSUBSCRIBE_REFUSED,
} from '../../retry-policy.js';
import { andThen, counted, noted, unchanged, withGrant } from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { isPresent, isServed } from '../rules/current-grants.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { deadlineOf } from '../rules/request-deadline.js';
import { oneMore, restOf } from '../rules/refusal-cooldown.js';
import { predecessorOf, withoutSuccessor, withoutWaiting } from '../rules/successor.js';
import { withPendingSecret } from '../rules/secrets.js';
import { doneByAnswer, endedByRefusal } from './completed-by-status.js';
import { hasLapsed, isAsking, isHeld, isOver, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** The request is stored as pending before it leaves. Nothing changes, and nothing is to leave, where it is unwanted by now. */
export function requested(record: SubscriptionRecord, event: Of<'requested'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayLeave(record, grant, event)) return unchanged(record);
  const { now } = context;
  const until = Math.max(restOf(record, grant, context).until, grant.notBefore ?? 0);
  if (event.mode === 'subscribe' && until > now && event.insteadOf === undefined) {
    // Its hub refused another callback meanwhile, or this request waited in a queue while one before it failed.
    const waiting = { renewalDue: undefined, nextAttemptAt: until, guardedUntil: undefined };
    return unchanged(withGrant(record, grant.id, (one) => ({ ...one, ...waiting })));
  }
  const asked: GrantRecord = {
    ...grant,
    state: grant.state === 'requested' || grant.state === 'failed' ? 'verifying' : grant.state,
    ...(event.mode === 'subscribe' ? { askedAt: now, notBefore: undefined } : {}),
    // Another form of an open request asks for the same as that.
    ...(event.mode === 'subscribe' && event.insteadOf === undefined
      ? { freshSecret: undefined, isOutdated: undefined }
      : {}),
    nextAttemptAt: undefined,
    renewalDue: undefined,
    heldUntil: undefined,
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
  // Neither scheduled nor open: it was withdrawn, and another hub may be asked by now.
  const isWithdrawn = grant.nextAttemptAt === undefined && grant.pending === undefined;
  return isAsking(record) && !isLeaving && !isOver(grant) && grant.superseded !== true && !isWithdrawn;
}

/** The hub took the request; its verification may have come before, or is yet to come. */
export function accepted(record: SubscriptionRecord, event: Of<'accepted'>, context: TransitionContext): Transition {
  const { grantId, requestId, hub, moved, verifyForm } = event;
  if (!record.grants.some(({ id }) => id === grantId)) return unchanged(record);
  const next = withGrant(record, grantId, (grant) => {
    const known = { ...grant, hub, hubSettled: true, verifyForm: verifyForm ?? grant.verifyForm };
    if (grant.pending?.id !== requestId) return known;
    // A request that was denied fails when it was to, and is asked again after that.
    const deadline = grant.pending.denied === true ? grant.pending.deadline : deadlineOf(grant, context);
    const verified = hasLapsed(grant, context.now) ? undefined : grant.pending.verified;
    return { ...known, pending: { ...grant.pending, accepted: true, deadline, verified } };
  });
  const told: Transition = { record: next, effects: moved ? [{ type: 'hook', name: 'hub-moved', grantId }] : [] };
  const grant = next.grants.find(({ id }) => id === grantId);
  const isVerified = grant?.pending?.verified === true && grant.pending.denied !== true;
  if (grant?.pending?.id !== requestId || !isVerified) {
    return andThen(told, (reached) => doneByAnswer(reached, event, context));
  }
  // It was verified while the request was open: nothing else is to come.
  const isAnswered = grant.unanswered !== true;
  const done = { ...grant, nextAttemptAt: isAnswered ? undefined : grant.nextAttemptAt };
  return andThen(told, (reached) => settled(reached, done, context));
}

/** How a request came to nothing. */
export interface RequestFailure {
  readonly failure: FailureRecord;
  /** The hub said no for good, rather than not now. */
  readonly refused?: boolean;
  readonly retryAfterSeconds?: number | undefined;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
}

/** An answer counts for the request it belongs to; one that was verified or given up meanwhile is settled already. */
export function answeredBadly(
  record: SubscriptionRecord,
  event: Of<'refused'> | Of<'unreachable'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, failure, retryAfterSeconds, status } = event;
  const isOpen = record.grants.some((grant) => grant.id === grantId && grant.pending?.id === requestId);
  if (!isOpen) return unchanged(record);
  const refused = event.type === 'refused';
  return (
    endedByRefusal(record, event, context) ??
    requestFailed(record, grantId, { failure, retryAfterSeconds, refused, status }, context)
  );
}

/**
 * A request came to nothing. A grant that works goes on working and is renewed later; otherwise the same hub is asked
 * again, or another advertised one.
 */
export function requestFailed(
  record: SubscriptionRecord,
  grantId: string,
  { failure, refused = false, retryAfterSeconds = 0, status }: RequestFailure,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined) return unchanged(record);
  const { now, random } = context;
  const isDenied = grant.pending?.denied === true;
  const isLeaving = grant.state === 'unsubscribing';
  // `notBefore` was set while the request was open. It holds if another callback was refused, but not if this request was
  // denied: a hub that cannot be reached did not deny.
  const stillMs = isDenied || isLeaving ? 0 : Math.max(0, (grant.notBefore ?? 0) - now);
  const retryAfterMs = Math.max(stillMs, Math.min(retryAfterSeconds * 1000, LONGEST_RETRY_AFTER_MS));
  const refusals = refused && !isLeaving ? oneMore(record, grant, context) : grant.refusals;
  const restMs = refused && !isLeaving ? refusalWaitMs(refusals ?? 1, random) : 0;
  const waitMs = Math.max(retryAfterMs, restMs);
  const failed: GrantRecord = {
    ...grant,
    attempts: grant.attempts + 1,
    refusals,
    // A hub that cannot be reached did not deny: that was somebody else.
    deniedAt: isDenied || refused ? undefined : grant.deniedAt,
    pending: undefined,
    isDenied: undefined,
    // It is asked again, whether or not it was told that its verification was confirmed.
    unanswered: undefined,
    ...NOTHING_PLANNED,
    // Also kept if it is given up: should somebody verify it all the same, its hub is not asked sooner.
    notBefore: isLeaving ? grant.notBefore : waitMs > 0 ? now + waitMs : undefined,
    state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
  };
  const next = withoutWaiting(
    withGrant(record, grantId, () => failed),
    failed,
    context,
  );
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const told = (reached: SubscriptionRecord): Transition => ({ record: reached, effects: [hook] });
  const isSpread = status === 429 && retryAfterMs > 0 && !isLeaving;
  const spreadMs = isSpread ? Math.floor(random * RETRY_AFTER_SPREAD_MS) : 0;
  const ask = { failure, refused, retryAfterMs: retryAfterMs + spreadMs };
  if (isLeaving) return told(stillLeaving(next, failed, ask, context));
  if (!isHeld(grant) && !isPresent(record, grant, context) && isServed(next, context))
    return told(noted(next, failure));
  const predecessor = predecessorOf(next, failed);
  if (predecessor !== undefined) return told(stillWithout(noted(next, failure), failed, predecessor, ask, context));
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
  const policy = refused || superseded === true ? UNSUBSCRIBE_REFUSED : HUB_UNREACHABLE;
  const nextAttemptAt = now + Math.max(retryWaitMs(attempts, random, policy), retryAfterMs);
  const scheduled = withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt }));
  return superseded === true ? scheduled : noted(scheduled, failure);
}

/** Only the move to another callback has failed: the working grant goes on, and no other hub is asked. */
function stillWithout(
  record: SubscriptionRecord,
  failed: GrantRecord,
  predecessor: GrantRecord,
  { refused, retryAfterMs }: Attempt,
  context: TransitionContext,
): SubscriptionRecord {
  const { now, random } = context;
  const { id, attempts, refusals = 1 } = failed;
  const backoff = refused ? refusalWaitMs(refusals, random) : retryWaitMs(attempts, random, HUB_UNREACHABLE);
  const again = now + Math.max(backoff, retryAfterMs);
  if (refused) return withoutSuccessor(record, failed, predecessor, again, context);
  return withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt: again }));
}

/** The same hub is asked again later, or the next advertised one now, by the service's rule. */
function askAgain(
  record: SubscriptionRecord,
  grant: GrantRecord,
  { refused, retryAfterMs }: Attempt,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const isAll = rules.hubs === 'all';
  const backoff = refused
    ? refusalWaitMs(grant.refusals ?? 1, random)
    : retryWaitMs(isAll ? grant.attempts : record.attempts, random, HUB_UNREACHABLE);
  const nextAttemptAt = now + Math.max(backoff, retryAfterMs);
  // A hub that wants to be left alone is not waited for where another one may be asked before.
  const isLeftAlone = retryAfterMs > 0 && isOtherSooner(record, grant.advertisedHub, nextAttemptAt, context);
  const isWorn = refused || isLeftAlone || grant.attempts >= FAILOVER_AFTER;
  const again = withGrant(record, grant.id, (one) => ({ ...one, nextAttemptAt }));
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, notBefore: nextAttemptAt }));
  // It denied before its request failed, and another one is being asked since.
  if (!isAll && !isHeld(grant) && isServed(record, context)) return unchanged(waiting);
  if (isAll || !isWorn) return unchanged(again);
  return isHeld(grant) ? askBeside(again, grant, context) : toNextHub(waiting, grant.advertisedHub, context);
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
