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
import { andThen, withFailedAttempt, withFailure, withoutEffects, withGrant } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { isCurrent, isSatisfied } from '../rules/current-grants.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { deadlineOf } from '../rules/request-deadline.js';
import { nextRefusalCount, cooldownOf } from '../rules/refusal-cooldown.js';
import { predecessorOf, withoutSuccessor, withRenewalsReleased } from '../rules/successor.js';
import { withPendingSecret } from '../rules/secrets.js';
import { completeByStatus, endByRefusal } from './completed-by-status.js';
import { grantOf, hasPendingLeaseExpired, isEnabled, isLive, isOver, isWorking } from '../state.js';

/**
 * Stores the request as pending before the request is sent. If the request is no longer wanted, the record stays
 * unchanged and nothing may be sent. During a cooldown the request is rescheduled and not sent.
 */
export function onRequested(
  record: SubscriptionRecord,
  input: InputOf<'requested'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === input.grantId);
  if (grant === undefined || !canSend(record, grant, input)) return withoutEffects(record);
  const { now } = context;
  const until = Math.max(cooldownOf(record, grant, context).until, grant.notBefore ?? 0);
  const { send = 1 } = input;
  if (input.mode === 'subscribe' && until > now && send === 1) {
    // The hub refused another callback meanwhile, or an earlier request failed while this one was queued.
    const waiting = { isRenewalStarted: undefined, nextAttemptAt: until, guardedUntil: undefined };
    return withoutEffects(withGrant(record, grant.id, (one) => ({ ...one, ...waiting })));
  }
  const pending: GrantRecord = {
    ...grant,
    state: grant.state === 'requested' || grant.state === 'failed' ? 'verifying' : grant.state,
    ...(input.mode === 'subscribe' ? { requestedAt: now, notBefore: undefined } : {}),
    // A repeated request has the same parameters, so later changes are still outstanding.
    ...(input.mode === 'subscribe' && send === 1 ? { freshSecret: undefined, isOutdated: undefined } : {}),
    nextAttemptAt: undefined,
    isRenewalStarted: undefined,
    deferredUntil: undefined,
    secrets: input.secret === undefined ? grant.secrets : withPendingSecret(grant.secrets, input.secret, now),
    currentRequest: undefined,
    pending: {
      id: input.requestId,
      mode: input.mode,
      member: context.member,
      ...(send > 1 ? { sends: send } : {}),
      deadline: deadlineOf(grant, context),
      accepted: false,
    },
  };
  return {
    record: withGrant(record, grant.id, () => pending),
    effects: [{ type: 'hook', name: 'requested', grantId: grant.id }],
  };
}

/** Whether the request may be sent: it is the current one, or the open one is repeated in another form. */
function canSend(
  record: SubscriptionRecord,
  grant: GrantRecord,
  { mode, requestId, send = 1 }: InputOf<'requested'>,
): boolean {
  const { pending, currentRequest } = grant;
  const isOpen = pending !== undefined && pending.mode === mode;
  const isNext =
    send === 1
      ? currentRequest === requestId && !isOpen
      : isOpen && pending.id === requestId && (pending.sends ?? 1) === send - 1;
  if (!isNext) return false;
  const isUnsubscribing = grant.state === 'unsubscribing';
  if (mode === 'unsubscribe') return isUnsubscribing;
  return isEnabled(record) && !isUnsubscribing && !isOver(grant) && grant.superseded !== true;
}

/** The hub accepted the request. The verification came already, or follows. */
export function onAccepted(
  record: SubscriptionRecord,
  input: InputOf<'accepted'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, hub, moved, verifyForm } = input;
  const { pending } = grantOf(record, grantId) ?? {};
  if (pending?.id !== requestId || pending.accepted) return withoutEffects(record);
  const next = withGrant(record, grantId, (grant) => {
    const known = { ...grant, hub, hasHubAccepted: true, verifyForm: verifyForm ?? grant.verifyForm };
    // A denied request keeps its deadline: the request fails then and is retried.
    const deadline = pending.denied === true ? pending.deadline : deadlineOf(grant, context);
    const verified = hasPendingLeaseExpired(grant, context.now) ? undefined : pending.verified;
    return { ...known, pending: { ...pending, accepted: true, deadline, verified } };
  });
  const withHook: Transition = { record: next, effects: moved ? [{ type: 'hook', name: 'hub-moved', grantId }] : [] };
  const grant = grantOf(next, grantId);
  const isVerified = grant?.pending?.verified === true && grant.pending.denied !== true;
  if (grant === undefined || !isVerified) {
    return andThen(withHook, (updated) => completeByStatus(updated, input, context));
  }
  // The request was verified while in flight, so nothing else is expected.
  const isAnswered = grant.isConfirmationUnsent !== true;
  const done = { ...grant, nextAttemptAt: isAnswered ? undefined : grant.nextAttemptAt };
  return andThen(withHook, (updated) => completeRequest(updated, done, context));
}

/** How a request failed. */
export interface FailedRequest {
  readonly failure: FailureRecord;
  /** Whether the hub refused with a status that is final for the request. @default false */
  readonly isRefused?: boolean;
  readonly retryAfterSeconds?: number | undefined;
  /** The HTTP status, if the hub answered. */
  readonly status?: number | undefined;
}

/** The hub refused the request or could not be reached. Ignores the result of a request that is no longer open. */
export function onRefusedOrUnreachable(
  record: SubscriptionRecord,
  input: InputOf<'refused'> | InputOf<'unreachable'>,
  context: TransitionContext,
): Transition {
  const { grantId, requestId, failure, retryAfterSeconds, status } = input;
  const isOpen = record.grants.some((grant) => grant.id === grantId && grant.pending?.id === requestId);
  if (!isOpen) return withoutEffects(record);
  const isRefused = input.type === 'refused';
  return (
    endByRefusal(record, input, context) ??
    failRequest(record, grantId, { failure, retryAfterSeconds, isRefused, status }, context)
  );
}

/**
 * A request failed. A working grant continues and is renewed later. Otherwise the same hub is retried, or another
 * advertised hub is requested.
 */
export function failRequest(
  record: SubscriptionRecord,
  grantId: string,
  { failure, isRefused = false, retryAfterSeconds = 0, status }: FailedRequest,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined) return withoutEffects(record);
  const { now, random } = context;
  const isDenied = grant.pending?.denied === true;
  const isUnsubscribing = grant.state === 'unsubscribing';
  // A wait set meanwhile by another callback's refusal still applies. A wait set by this request's denial does not: an
  // unreachable hub denied nothing.
  const remainingMs = isDenied || isUnsubscribing ? 0 : Math.max(0, (grant.notBefore ?? 0) - now);
  const retryAfterMs = Math.max(remainingMs, Math.min(retryAfterSeconds * 1000, MAX_RETRY_AFTER_MS));
  const refusals = isRefused && !isUnsubscribing ? nextRefusalCount(record, grant, context) : grant.refusals;
  const cooldownMs = isRefused && !isUnsubscribing ? refusalWaitMs(refusals ?? 1, random) : 0;
  const waitMs = Math.max(retryAfterMs, cooldownMs);
  const failed: GrantRecord = {
    ...grant,
    attempts: grant.attempts + 1,
    refusals,
    // A hub that refuses the request, or cannot be reached, did not deny. Someone else sent the denial.
    deniedAt: isDenied || isRefused ? undefined : grant.deniedAt,
    pending: undefined,
    // The hub may still confirm that the subscription has ended.
    lateRequest: isUnsubscribing ? grant.pending?.id : grant.lateRequest,
    wasLastRequestDenied: undefined,
    // The hub is requested again, whether or not the hub got the answer to its verification.
    isConfirmationUnsent: undefined,
    ...NOTHING_PLANNED,
    // Kept even if no attempt follows: a verification must not bring the next request forward.
    notBefore: isUnsubscribing ? grant.notBefore : waitMs > 0 ? now + waitMs : undefined,
    state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
  };
  const next = withRenewalsReleased(
    withGrant(record, grantId, () => failed),
    failed,
    context,
  );
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const withHook = (changed: SubscriptionRecord): Transition => ({ record: changed, effects: [hook] });
  const isSpread = status === 429 && retryAfterMs > 0 && !isUnsubscribing;
  const spreadMs = isSpread ? Math.floor(random * RETRY_AFTER_SPREAD_MS) : 0;
  const attempt = { failure, isRefused, retryAfterMs: retryAfterMs + spreadMs };
  if (isUnsubscribing) return withHook(retryUnsubscribe(next, failed, attempt, context));
  if (!isLive(grant) && !isCurrent(record, grant, context) && isSatisfied(next, context))
    return withHook(withFailure(next, failure));
  const predecessor = predecessorOf(next, failed);
  if (predecessor !== undefined)
    return withHook(retrySuccessor(withFailure(next, failure), failed, predecessor, attempt, context));
  const updated = withFailedAttempt(next, failure, context.rules, grantId);
  return isEnabled(updated)
    ? andThen(withHook(updated), (counted) => retryOrFailOver(counted, failed, attempt, context))
    : withHook(updated);
}

interface FailedAttempt {
  readonly failure: FailureRecord;
  readonly isRefused: boolean;
  readonly retryAfterMs: number;
}

/** Failed unsubscribe requests do not count as failed attempts to subscribe. */
function retryUnsubscribe(
  record: SubscriptionRecord,
  { id, superseded, attempts }: GrantRecord,
  { failure, isRefused, retryAfterMs }: FailedAttempt,
  { now, random }: TransitionContext,
): SubscriptionRecord {
  // A superseded grant does no harm, and its hub may be gone for good.
  const policy = isRefused || superseded === true ? UNSUBSCRIBE_REFUSED : HUB_UNREACHABLE;
  const nextAttemptAt = now + Math.max(retryWaitMs(attempts, random, policy), retryAfterMs);
  const scheduled = withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt }));
  return superseded === true ? scheduled : withFailure(scheduled, failure);
}

/** Only the move to another callback failed. The working grant continues, and no other hub is tried. */
function retrySuccessor(
  record: SubscriptionRecord,
  failed: GrantRecord,
  predecessor: GrantRecord,
  { isRefused, retryAfterMs }: FailedAttempt,
  context: TransitionContext,
): SubscriptionRecord {
  const { now, random } = context;
  const { id, attempts, refusals = 1 } = failed;
  const backoff = isRefused ? refusalWaitMs(refusals, random) : retryWaitMs(attempts, random, HUB_UNREACHABLE);
  const retryAt = now + Math.max(backoff, retryAfterMs);
  if (isRefused) return withoutSuccessor(record, failed, predecessor, retryAt, context);
  return withGrant(record, id, (grant) => ({ ...grant, nextAttemptAt: retryAt }));
}

/** Retries the same hub later, or requests the next advertised one now, by the `hubs` option. */
function retryOrFailOver(
  record: SubscriptionRecord,
  grant: GrantRecord,
  { isRefused, retryAfterMs }: FailedAttempt,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const isAll = rules.hubs === 'all';
  const backoff = isRefused
    ? refusalWaitMs(grant.refusals ?? 1, random)
    : retryWaitMs(isAll ? grant.attempts : record.attempts, random, HUB_UNREACHABLE);
  const nextAttemptAt = now + Math.max(backoff, retryAfterMs);
  // Fails over if another hub may be requested before this `Retry-After` ends.
  const hasSoonerHub = retryAfterMs > 0 && isOtherHubSooner(record, grant.advertisedHub, nextAttemptAt, context);
  const shouldFailOver = isRefused || hasSoonerHub || grant.attempts >= FAILOVER_AFTER;
  const scheduled = withGrant(record, grant.id, (one) => ({ ...one, nextAttemptAt }));
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, notBefore: nextAttemptAt }));
  // The hub denied before its request failed, and another hub has been requested since.
  if (!isAll && !isLive(grant) && isSatisfied(record, context)) return withoutEffects(waiting);
  if (isAll || !shouldFailOver) return withoutEffects(scheduled);
  return isLive(grant)
    ? requestFromOtherHub(scheduled, grant, context)
    : failOver(waiting, grant.advertisedHub, context);
}

/** A hub does not renew a working grant. Another hub is requested meanwhile, under another callback. */
function requestFromOtherHub(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { advertisedHub } = grant;
  const isOtherRequested = record.grants.some((one) => one.id !== grant.id && (isWorking(one) || isWaiting(one)));
  if (context.hasOneCallback === true || isOtherRequested || record.nextAttemptAt !== undefined)
    return withoutEffects(record);
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, advertisedHub])] };
  return remainingHubs(passed).length === 0
    ? withoutEffects({ ...record, passedOver: [] })
    : requestFromNextHub(passed, context);
}

function isWaiting(grant: GrantRecord): boolean {
  return !isLive(grant) && !isOver(grant) && (grant.pending !== undefined || grant.nextAttemptAt !== undefined);
}
