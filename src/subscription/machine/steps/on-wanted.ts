import { isOverdue, spreadOverdueRenewals, withMaxRenewal, withOwedRenewal } from '../rules/overdue-renewals.js';
import { refusalWaitMs } from '../../retry-policy.js';
import { endsWithCallbackToken } from '../../registry/callback-key.js';
import {
  andThen,
  startDiscovery,
  endedGrant,
  isDiscovery,
  unsubscribingGrant,
  startRenewal,
  SAFETY_DELAY_MS,
  withoutEffects,
} from '../record-changes.js';
import { denialCheckFields } from './on-denied.js';
import { onDue } from './on-due.js';
import { onRequestLost } from './on-request-lost.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { inFlightGuard } from '../rules/in-flight-guard.js';
import { isCurrent, isSatisfied, isLiveOrRequested } from '../rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { withoutCooldown } from '../rules/refusal-cooldown.js';
import { isEnabled, hasUnsolicitedDenial, isLive, isOver, isScheduled, isWorking } from '../state.js';

/** Starts all outstanding work of a wanted subscription, unless it is stopped, in progress or scheduled. */
export function onWanted(before: SubscriptionRecord, context: TransitionContext): Transition {
  const record = enableStoppedByVersion1(before, context);
  if (!isEnabled(record)) return restartLostRequests(record, context);
  return andThen(withCurrentCallbacks(record, context), (current) => {
    const known = withOwedRenewal(withMaxRenewal(current, context), context);
    const isLate = known.grants.some((grant) => isOverdue(known, grant, context));
    const done = startOutstanding(isLate ? spreadOverdueRenewals(known, context) : known, context);
    return andThen(done, (updated) => restartInterrupted(updated, context));
  });
}

/** Enables subscriptions that version 1 stopped as denied. They wait as after a new denial (PROTOCOL N2). */
function enableStoppedByVersion1(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  if (record.stoppedByVersion1 !== true || record.stoppedBecause !== 'denied') return record;
  const at = context.now + refusalWaitMs(1, context.random);
  const grants = record.grants.map((grant) => {
    if (hasUnsolicitedDenial(grant)) return { ...grant, ...denialCheckFields(record, grant, context) };
    return grant.deniedAt === undefined ? grant : { ...grant, notBefore: at };
  });
  const hasDenialChecks = grants.some(hasUnsolicitedDenial);
  const nextAttemptAt = hasDenialChecks ? undefined : at;
  return { ...record, grants, stoppedBecause: undefined, stoppedByVersion1: undefined, attempts: 1, nextAttemptAt };
}

/**
 * Requests hubs again if their callback is no longer ours, for example after a new public URL. A live grant continues
 * until another grant has replaced it (PROTOCOL L6). A grant that is not live, or has a fixed callback, is rewritten
 * instead: with a fixed callback, two grants cannot exist side by side.
 */
function withCurrentCallbacks(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { callbackOf, hasOneCallback = false } = context;
  const foreign = record.grants.filter((grant) => {
    const isEnding = isOver(grant) || grant.superseded === true;
    return !isEnding && grant.callback !== callbackOf(grant.path);
  });
  if (foreign.length === 0) return withoutEffects(record);
  const isKept = (grant: GrantRecord): boolean => isLive(grant) && !hasOneCallback && endsWithCallbackToken(grant.path);
  const rewritten = (grant: GrantRecord): GrantRecord => ({
    ...grant,
    callback: callbackOf(grant.path),
    state: grant.verifiedAt === undefined ? 'requested' : 'expired',
    replaces: undefined,
    pending: undefined,
    isRenewalStarted: undefined,
    nextAttemptAt: undefined,
    // The hub's answers for another callback do not count for this one.
    attempts: 0,
    refusals: undefined,
    notBefore: undefined,
    deniedAt: undefined,
    deniedUnsolicited: undefined,
    denialAnswered: undefined,
    freshCallbackAt: undefined,
  });
  const change = (grant: GrantRecord): GrantRecord => {
    if (!foreign.includes(grant)) return grant;
    if (!isKept(grant)) return rewritten(grant);
    return grant.state === 'unsubscribing' ? { ...grant, superseded: true } : grant;
  };
  const effects = foreign.map((grant): Effect => ({
    type: 'log',
    event: 'subscription.callback-changed',
    grantId: grant.id,
    isOldAccepted: isKept(grant),
  }));
  return andThen({ record: { ...record, grants: record.grants.map(change) }, effects }, (next) =>
    isSatisfied(next, context) ? withoutEffects(next) : startDiscovery(next, context),
  );
}

/**
 * Restarts work that was in progress when the process ended. A request, or the answer to a verification, may not have
 * been sent. The discovery of a renewal is lost as well.
 */
function restartInterrupted(record: SubscriptionRecord, context: TransitionContext): Transition {
  let current = restartLostRequests(record, context);
  for (const { id, pending, isConfirmationUnsent, isRenewalStarted } of record.grants.filter(isWorking)) {
    if ((isConfirmationUnsent ?? isRenewalStarted) !== true || pending !== undefined) continue;
    current = andThen(current, (updated) => startRenewal(updated, id, context));
  }
  return current;
}

function restartLostRequests(record: SubscriptionRecord, context: TransitionContext): Transition {
  let current = withoutEffects(record);
  for (const { id: grantId, pending } of record.grants) {
    if (pending === undefined || !context.isMemberGone(pending.member)) continue;
    current = andThen(current, (updated) => onRequestLost(updated, { grantId, requestId: pending.id }, context));
  }
  return current;
}

/** Does all due work. Then starts needed work that is neither in progress nor scheduled. */
export function startOutstanding(record: SubscriptionRecord, context: TransitionContext): Transition {
  const isUnsubscribing = record.grants.some(
    ({ state, superseded }) => state === 'unsubscribing' && superseded !== true,
  );
  if (isUnsubscribing) return undoUnsubscribe(record, context);
  const done = onDue(record, context);
  if (!isEnabled(done.record) || isEverythingStarted(done, context) || isSatisfied(done.record, context)) return done;
  // Without a failure, the scheduled time only guards work that was lost with the previous process. With several hubs,
  // one hub's wait says nothing about the other hubs.
  const isScheduledNow =
    context.rules.hubs === 'all' ? done.record.nextAttemptAt !== undefined : isScheduled(done.record);
  if (done.record.attempts > 0 && isScheduledNow) return done;
  return andThen(done, (updated) => startDiscovery(updated, context));
}

/** Whether the due work has requested everything that is needed. */
function isEverythingStarted({ record, effects }: Transition, context: TransitionContext): boolean {
  if (effects.some(isDiscovery)) return true;
  const requested = effects.flatMap((effect) =>
    effect.type === 'request' && effect.mode === 'subscribe' ? effect.grantId : [],
  );
  if (context.rules.hubs === 'failover') return requested.length > 0;
  const isHandled = (grant: GrantRecord): boolean =>
    requested.includes(grant.id) || isLiveOrRequested(grant, context.now);
  const current = record.grants.filter((grant) => isCurrent(record, grant, context) && isHandled(grant));
  return requested.length > 0 && record.hubs.every((hub) => current.some((grant) => grant.advertisedHub === hub));
}

/** Undoes an unfinished unsubscribe by subscribing again under the same callback. */
function undoUnsubscribe(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state !== 'unsubscribing' || grant.superseded === true) return grant;
    const isLeased = grant.expiresAt !== undefined && grant.expiresAt > now;
    const back = { ...grant, pending: undefined, attempts: 0, notBefore: undefined };
    if (!isLeased) return { ...back, state: 'expired', nextAttemptAt: undefined };
    effects.push({ type: 'request', grantId: grant.id, mode: 'subscribe' });
    return { ...back, state: 'active', ...inFlightGuard(now + SAFETY_DELAY_MS) };
  });
  const unsubscribing = record.grants.filter(({ state }) => state === 'unsubscribing');
  const cleared = unsubscribing.reduce(withoutCooldown, { ...record, grants });
  return andThen({ record: cleared, effects }, (updated) =>
    isSatisfied(updated, context) ? withoutEffects(updated) : startDiscovery(updated, context),
  );
}

/** Unsubscribes active grants at their hub. Grants that are not live end at once, except at a shutdown. */
export function onUnwanted(
  record: SubscriptionRecord,
  { why }: InputOf<'unwanted'>,
  { now }: TransitionContext,
): Transition {
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state === 'active') {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return unsubscribingGrant(grant, now, false);
    }
    // Retries a failed unsubscribe now: after a shutdown, no process may be left to retry.
    if (why === 'shutdown' && grant.state === 'unsubscribing' && grant.pending === undefined && !grant.superseded) {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return unsubscribingGrant(grant, now, false);
    }
    return why === 'shutdown' || isLive(grant) || isOver(grant) ? grant : endedGrant(grant, now);
  });
  if (why === 'shutdown') return { record: { ...record, grants }, effects };
  const next: SubscriptionRecord = {
    ...record,
    grants,
    desired: 'unsubscribed',
    stoppedBecause: why,
    attempts: 0,
    attemptsKept: undefined,
    nextAttemptAt: undefined,
  };
  if (record.desired === 'subscribed' && !grants.some(isLive)) {
    const last = grants.findLast((grant, index) => grant !== record.grants[index]);
    effects.push({ type: 'hook', name: 'unsubscribed', ...(last === undefined ? {} : { grantId: last.id }) });
  }
  return { record: next, effects };
}
