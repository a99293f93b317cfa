import { completeRequest } from './on-verified.js';
import { requestFromNextHub, remainingHubs, isOtherHubSooner, failOver } from './on-discovered.js';
import {
  FAILOVER_AFTER,
  HUB_UNREACHABLE,
  MAX_RETRY_AFTER_MS,
  refusalWaitMs,
  RETRY_AFTER_SPREAD_MS,
  retryWaitMs,
  UNSUBSCRIBE_REFUSED,
} from '../../retry-policy.js';
import { andThen, withFailedAttempt, withFailure, unchanged, withGrant } from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { isCurrent, isSatisfied } from '../rules/current-grants.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { deadlineOf } from '../rules/request-deadline.js';
import { nextRefusalCount, cooldownOf } from '../rules/refusal-cooldown.js';
import { predecessorOf, withoutSuccessor, withoutWaitingRenewals } from '../rules/successor.js';
import { withPendingSecret } from '../rules/secrets.js';
import { completeByStatus, endByRefusal } from './completed-by-status.js';
import { hasPendingLeaseExpired, isEnabled, isLive, isOver, isWorking } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** The request is stored as pending before it leaves. Nothing changes, and nothing is to leave, where it is unwanted by now. */
export function onRequested(
  record: SubscriptionRecord,
  event: EventOf<'requested'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !canSend(record, grant, event)) return unchanged(record);
  const { now } = context;
  const until = Math.max(cooldownOf(record, grant, context).until, grant.notBefore ?? 0);
  if (event.mode === 'subscribe' && until > now && event.insteadOf === undefined) {
    // Its hub refused another callback meanwhile, or this request waited in a queue while one before it failed.
    const waiting = { renewalDue: undefined, nextAttemptAt: until, guardedUntil: undefined };
    return unchanged(withGrant(record, grant.id, (one) => ({ ...one, ...waiting })));
  }
  const pending: GrantRecord = {
    ...grant,
    state: grant.state === 'requested' || grant.state === 'failed' ? 'verifying' : grant.state,
    ...(event.mode === 'subscribe' ? { requestedAt: now, notBefore: undefined } : {}),
    // Another form of an open request asks for the same as that.
    ...(event.mode === 'subscribe' && event.insteadOf === undefined
      ? { freshSecret: undefined, isOutdated: undefined }
      : {}),
    nextAttemptAt: undefined,
    renewalDue: undefined,
    deferredUntil: undefined,
    secrets: event.secret === undefined ? grant.secrets : withPendingSecret(grant.secrets, event.secret, now),
    pending: { id: event.requestId, mode: event.mode, deadline: deadlineOf(grant, context), accepted: false },
  };
  return {
    record: withGrant(record, grant.id, () => pending),
    effects: [{ type: 'hook', name: 'requested', grantId: grant.id }],
  };
}

function canSend(record: SubscriptionRecord, grant: GrantRecord, { mode, insteadOf }: EventOf<'requested'>): boolean {
  // One that had to wait for its turn may be overtaken by another one, which will do.
  const isOpen = grant.pending !== undefined && grant.pending.mode === mode;
  if (insteadOf === undefined ? isOpen : grant.pending?.id !== insteadOf) return false;
  const isUnsubscribing = grant.state === 'unsubscribing';
  if (mode === 'unsubscribe') return isUnsubscribing;
  // Neither scheduled nor open: it was withdrawn, and another hub may be asked by now.
  const isWithdrawn = grant.nextAttemptAt === undefined && grant.pending === undefined;
  return isEnabled(record) && !isUnsubscribing && !isOver(grant) && grant.superseded !== true && !isWithdrawn;
}

/** The hub took the request; its verification may have come before, or is yet to come. */
export function onAccepted(
  record: SubscriptionRecord,
  event: EventOf<'accepted'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, hub, moved, verifyForm } = event;
  if (!record.grants.some(({ id }) => id === grantId)) return unchanged(record);
  const next = withGrant(record, grantId, (grant) => {
    const known = { ...grant, hub, hubSettled: true, verifyForm: verifyForm ?? grant.verifyForm };
    if (grant.pending?.id !== requestId) return known;
    // A request that was denied fails when it was to, and is asked again after that.
    const deadline = grant.pending.denied === true ? grant.pending.deadline : deadlineOf(grant, context);
    const verified = hasPendingLeaseExpired(grant, context.now) ? undefined : grant.pending.verified;
    return { ...known, pending: { ...grant.pending, accepted: true, deadline, verified } };
  });
  const withHook: Transition = { record: next, effects: moved ? [{ type: 'hook', name: 'hub-moved', grantId }] : [] };
  const grant = next.grants.find(({ id }) => id === grantId);
  const isVerified = grant?.pending?.verified === true && grant.pending.denied !== true;
  if (grant?.pending?.id !== requestId || !isVerified) {
    return andThen(withHook, (reached) => completeByStatus(reached, event, context));
  }
  // It was verified while the request was open: nothing else is to come.
  const isAnswered = grant.unanswered !== true;
  const done = { ...grant, nextAttemptAt: isAnswered ? undefined : grant.nextAttemptAt };
  return andThen(withHook, (reached) => completeRequest(reached, done, context));
}

/** How a request came to nothing. */
export interface FailedRequest {
  readonly failure: FailureRecord;
  /** The hub said no for good, rather than not now. */
  readonly refused?: boolean;
  readonly retryAfterSeconds?: number | undefined;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
}

/** An answer counts for the request it belongs to; one that was verified or given up meanwhile is settled already. */
export function onRefusedOrUnreachable(
  record: SubscriptionRecord,
  event: EventOf<'refused'> | EventOf<'unreachable'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, failure, retryAfterSeconds, status } = event;
  const isOpen = record.grants.some((grant) => grant.id === grantId && grant.pending?.id === requestId);
  if (!isOpen) return unchanged(record);
  const refused = event.type === 'refused';
  return (
    endByRefusal(record, event, context) ??
    failRequest(record, grantId, { failure, retryAfterSeconds, refused, status }, context)
  );
}

/**
 * A request came to nothing. A grant that works goes on working and is renewed later; otherwise the same hub is asked
 * again, or another advertised one.
 */
export function failRequest(
  record: SubscriptionRecord,
  grantId: string,
  { failure, refused = false, retryAfterSeconds = 0, status }: FailedRequest,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined) return unchanged(record);
  const { now, random } = context;
  const isDenied = grant.pending?.denied === true;
  const isUnsubscribing = grant.state === 'unsubscribing';
  // `notBefore` was set while the request was open. It holds if another callback was refused, but not if this request was
  // denied: a hub that cannot be reached did not deny.
  const remainingMs = isDenied || isUnsubscribing ? 0 : Math.max(0, (grant.notBefore ?? 0) - now);
  const retryAfterMs = Math.max(remainingMs, Math.min(retryAfterSeconds * 1000, MAX_RETRY_AFTER_MS));
  const refusals = refused && !isUnsubscribing ? nextRefusalCount(record, grant, context) : grant.refusals;
  const cooldownMs = refused && !isUnsubscribing ? refusalWaitMs(refusals ?? 1, random) : 0;
  const waitMs = Math.max(retryAfterMs, cooldownMs);
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
    notBefore: isUnsubscribing ? grant.notBefore : waitMs > 0 ? now + waitMs : undefined,
    state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
  };
  const next = withoutWaitingRenewals(
    withGrant(record, grantId, () => failed),
    failed,
    context,
  );
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const withHook = (reached: SubscriptionRecord): Transition => ({ record: reached, effects: [hook] });
  const isSpread = status === 429 && retryAfterMs > 0 && !isUnsubscribing;
  const spreadMs = isSpread ? Math.floor(random * RETRY_AFTER_SPREAD_MS) : 0;
  const attempt = { failure, refused, retryAfterMs: retryAfterMs + spreadMs };
  if (isUnsubscribing) return withHook(retryUnsubscribe(next, failed, attempt, context));
  if (!isLive(grant) && !isCurrent(record, grant, context) && isSatisfied(next, context))
    return withHook(withFailure(next, failure));
  const predecessor = predecessorOf(next, failed);
  if (predecessor !== undefined)
    return withHook(retrySuccessor(withFailure(next, failure), failed, predecessor, attempt, context));
  const reached = withFailedAttempt(next, failure, context.rules, grantId);
  return isEnabled(reached)
    ? andThen(withHook(reached), (at) => retryOrFailOver(at, failed, attempt, context))
    : withHook(reached);
}

interface FailedAttempt {
  readonly failure: FailureRecord;
  readonly refused: boolean;
  readonly retryAfterMs: number;
}

/** How often a hub would not let go says nothing of how often it was asked for what is wanted. */
function retryUnsubscribe(
  record: SubscriptionRecord,
  { id, superseded, attempts }: GrantRecord,
  { failure, refused, retryAfterMs }: FailedAttempt,
  { now, random }: TransitionContext,
): SubscriptionRecord {
  // What is left behind hurts nobody, and its hub may be gone for good.
  const policy = refused || superseded === true ? UNSUBSCRIBE_REFUSED : HUB_UNREACHABLE;
  const nextAttemptAt = now + Math.max(retryWaitMs(attempts, random, policy), retryAfterMs);
  const scheduled = withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt }));
  return superseded === true ? scheduled : withFailure(scheduled, failure);
}

/** Only the move to another callback has failed: the working grant goes on, and no other hub is asked. */
function retrySuccessor(
  record: SubscriptionRecord,
  failed: GrantRecord,
  predecessor: GrantRecord,
  { refused, retryAfterMs }: FailedAttempt,
  context: TransitionContext,
): SubscriptionRecord {
  const { now, random } = context;
  const { id, attempts, refusals = 1 } = failed;
  const backoff = refused ? refusalWaitMs(refusals, random) : retryWaitMs(attempts, random, HUB_UNREACHABLE);
  const retryAt = now + Math.max(backoff, retryAfterMs);
  if (refused) return withoutSuccessor(record, failed, predecessor, retryAt, context);
  return withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt: retryAt }));
}

/** The same hub is asked again later, or the next advertised one now, by the service's rule. */
function retryOrFailOver(
  record: SubscriptionRecord,
  grant: GrantRecord,
  { refused, retryAfterMs }: FailedAttempt,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const isAll = rules.hubs === 'all';
  const backoff = refused
    ? refusalWaitMs(grant.refusals ?? 1, random)
    : retryWaitMs(isAll ? grant.attempts : record.attempts, random, HUB_UNREACHABLE);
  const nextAttemptAt = now + Math.max(backoff, retryAfterMs);
  // A hub that wants to be left alone is not waited for where another one may be asked before.
  const isLeftAlone = retryAfterMs > 0 && isOtherHubSooner(record, grant.advertisedHub, nextAttemptAt, context);
  const shouldFailOver = refused || isLeftAlone || grant.attempts >= FAILOVER_AFTER;
  const scheduled = withGrant(record, grant.id, (one) => ({ ...one, nextAttemptAt }));
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, notBefore: nextAttemptAt }));
  // It denied before its request failed, and another one is being asked since.
  if (!isAll && !isLive(grant) && isSatisfied(record, context)) return unchanged(waiting);
  if (isAll || !shouldFailOver) return unchanged(scheduled);
  return isLive(grant)
    ? requestFromOtherHub(scheduled, grant, context)
    : failOver(waiting, grant.advertisedHub, context);
}

/** A hub does not renew what works: another one is asked meanwhile, under a callback of its own. */
function requestFromOtherHub(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { advertisedHub } = grant;
  const isOtherRequested = record.grants.some((one) => one.id !== grant.id && (isWorking(one) || isWaiting(one)));
  if (context.hasOneCallback === true || isOtherRequested || record.nextAttemptAt !== undefined)
    return unchanged(record);
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, advertisedHub])] };
  return remainingHubs(passed).length === 0
    ? unchanged({ ...record, passedOver: [] })
    : requestFromNextHub(passed, context);
}

function isWaiting(grant: GrantRecord): boolean {
  return !isLive(grant) && !isOver(grant) && (grant.pending !== undefined || grant.nextAttemptAt !== undefined);
}
