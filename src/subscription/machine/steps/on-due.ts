import { requestFreshGrant, canRequestFreshGrant } from './fresh-grant.js';
import {
  andThen,
  startDiscovery,
  endedGrant,
  startRenewal,
  startRequest,
  withoutEffects,
  withGrant,
} from '../record-changes.js';
import { withClockSetBackCorrected } from '../rules/clock-set-back.js';
import { failDeniedRequest } from './on-denied.js';
import type { Effect, Transition, TransitionContext } from '../transition-types.js';
import { lateVerificationMs, verifyTimeoutMs } from '../rules/lease.js';
import { hasFixedCallback } from '../rules/reusable-grant.js';
import type { FailureRecord, GrantRecord, PendingRequest, SubscriptionRecord } from '../../record/record.js';
import { isSatisfied } from '../rules/current-grants.js';
import { withoutCooldown } from '../rules/refusal-cooldown.js';
import { postponeRenewal } from '../rules/successor.js';
import { leaseForRetries } from '../rules/request-deadline.js';
import { failRequest } from './on-request-result.js';
import {
  hasPendingSubscribe,
  isEnabled,
  isBeingReplaced,
  hasUnsolicitedDenial,
  isLive,
  isOver,
  isWorking,
  plannedAttemptAt,
} from '../state.js';

/** When the subscription next needs work, in epoch milliseconds. Undefined if no work is planned. */
export function dueAt(record: SubscriptionRecord): number | undefined {
  const times = record.grants.flatMap((grant) => grantDueTimes(record, grant));
  if (isEnabled(record) && record.nextAttemptAt !== undefined) times.push(record.nextAttemptAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

function grantDueTimes(record: SubscriptionRecord, grant: GrantRecord): number[] {
  const times: number[] = [];
  if (isLive(grant) && grant.expiresAt !== undefined) times.push(grant.expiresAt);
  const next = grant.pending?.deadline ?? nextRequestAt(record, grant);
  if (next !== undefined) times.push(next);
  if (isEnabled(record) && grant.freshCallbackAt !== undefined) times.push(grant.freshCallbackAt);
  return times;
}

function nextRequestAt(record: SubscriptionRecord, grant: GrantRecord): number | undefined {
  if (grant.state === 'unsubscribing') return grant.nextAttemptAt;
  if (!isEnabled(record) || isOver(grant) || grant.superseded === true) return undefined;
  // A grant with an unsolicited denial is not renewed: its hub is requested under a fresh callback. The fresh callback
  // is requested even if signed content has refuted the denial since.
  const isFreshCallbackPlanned = grant.freshCallbackAt !== undefined || isBeingReplaced(record, grant);
  if (hasUnsolicitedDenial(grant) || isFreshCallbackPlanned) return grant.nextAttemptAt;
  if (grant.nextAttemptAt !== undefined) return grant.nextAttemptAt;
  if (grant.state !== 'active' || grant.renewsAt === undefined) return undefined;
  return Math.max(grant.renewsAt, grant.notBefore ?? 0);
}

/**
 * When a hub may next be requested, or may answer a request. Undefined if neither is expected.
 *
 * @returns epoch milliseconds; 0 if a verification is expected
 */
export function nextHubContactAt(record: SubscriptionRecord): number | undefined {
  if (!isEnabled(record)) return undefined;
  const times = record.grants.flatMap((grant) => {
    if (isOver(grant) || grant.superseded === true || grant.state === 'unsubscribing') return [];
    const { pending, notBefore, freshCallbackAt } = grant;
    const next = pending === undefined ? nextRequestAt(record, grant) : pending.denied === true ? notBefore : 0;
    return [next, freshCallbackAt].filter((at) => at !== undefined);
  });
  if (record.nextAttemptAt !== undefined) times.push(record.nextAttemptAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Does all due work: fails requests that were not verified, ends leases, renews and retries. */
export function onDue(before: SubscriptionRecord, context: TransitionContext): Transition {
  const record = withClockSetBackCorrected(before, context);
  let current = withoutEffects(record);
  for (const { id } of record.grants) {
    for (const step of [failUnverifiedRequest, endLease, startDueFreshCallback, startDueRequest]) {
      current = andThen(current, (updated) => {
        const grant = updated.grants.find((each) => each.id === id);
        return (grant && step(updated, grant, context)) ?? withoutEffects(updated);
      });
    }
  }
  return andThen(current, (updated) => {
    const isDue = updated.nextAttemptAt !== undefined && updated.nextAttemptAt <= context.now;
    return isDue && isEnabled(updated) ? startDiscovery(updated, context) : withoutEffects(updated);
  });
}

function failUnverifiedRequest(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { pending } = grant;
  if (pending === undefined || pending.deadline > context.now) return undefined;
  // Quirk(Switchboard): answers a refused request with 200 and an error text. Only the missing verification shows the
  // refusal.
  // Quirk(thylacine): never denies, and does not report a topic that it dropped. We count the missing verification as a
  // failure.
  const isExpected = pending.mode === 'subscribe' && pending.accepted;
  const lateUntil = isExpected
    ? pending.deadline + lateVerificationMs(context.rules.verifyTimeoutSeconds, leaseForRetries(grant, context.rules))
    : undefined;
  const waiting = { ...grant, lateUntil, lateRequest: lateUntil === undefined ? undefined : pending.id };
  const updated = withGrant(record, grant.id, () => waiting);
  if (pending.denied === true) return failDeniedRequest(updated, waiting, context);
  return failRequest(updated, grant.id, { failure: unverifiedFailure(grant, pending, context.now) }, context);
}

function unverifiedFailure(
  { hub, topic }: GrantRecord,
  { mode, accepted, verified, problem }: PendingRequest,
  at: number,
): FailureRecord {
  const isSubscribing = mode === 'subscribe';
  const action = isSubscribing ? 'subscribe to' : 'unsubscribe from';
  const request = `${accepted ? 'accepted' : 'was sent'} the request to ${action} ${topic}`;
  const code = isSubscribing ? 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION' : 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION';
  if (verified === true) {
    const message = `Hub ${hub} verified the subscription to ${topic} but did not answer the subscribe request.`;
    return { cause: 'unreachable', code, message, at };
  }
  if (problem !== undefined) {
    const message = `Hub ${hub} ${request} but its request to the callback was wrong: ${problem}.`;
    return { cause: 'verification-wrong', code, message, at };
  }
  const message =
    `Hub ${hub} ${request} but did not verify it in time. ` +
    'Check that the hub can reach the callback (publicUrl, proxy, firewall). ' +
    'With manual, check also that your server listens before the request is sent (deferRequests).';
  return { cause: 'verification-missing', code, message, at };
}

function endLease(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition | undefined {
  const { now } = context;
  if (!isLive(grant) || grant.expiresAt === undefined || grant.expiresAt > now) return undefined;
  if (grant.pending?.denied === true) {
    // The request fails when the lease ends, and the hub is requested again at once (PROTOCOL N1).
    return andThen(failDeniedRequest(record, grant, context), (failed) => {
      const remaining = failed.grants.find(({ id }) => id === grant.id);
      return (remaining && endLease(failed, remaining, context)) ?? withoutEffects(failed);
    });
  }
  if (record.desired === 'unsubscribed' || grant.superseded === true) {
    const over = withGrant(record, grant.id, () => endedGrant(grant, now));
    return { record: over, effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }] };
  }
  const hook: Effect = { type: 'hook', name: 'expired', grantId: grant.id };
  // Nothing refuted the denial before the lease ended, so the grant has ended (PROTOCOL N1).
  const isEnded = hasUnsolicitedDenial(grant) && !hasPendingSubscribe(grant) && !hasFixedCallback(grant, context);
  const planned = plannedAttemptAt(record, grant, now);
  const isWaiting = grant.provisional === true && planned !== undefined;
  const over = (): GrantRecord =>
    isEnded ? endedGrant(grant, now) : isWaiting ? waitingGrant(grant, planned) : expiredGrant(grant);
  const freed = isWaiting ? record : withoutCooldown(withoutSuccessorWaits(record, grant), grant);
  const next = isEnded && isWaiting ? { nextAttemptAt: freed.nextAttemptAt ?? grant.freshCallbackAt ?? planned } : {};
  const expired = { ...withGrant(freed, grant.id, over), ...next };
  return andThen({ record: expired, effects: [hook] }, (updated) =>
    isEnabled(updated) && !isWaiting && !isSatisfied(updated, context)
      ? startDiscovery(updated, context)
      : withoutEffects(updated),
  );
}

/** Ends the waits of an expired grant's successors: the hub is requested at once. */
function withoutSuccessorWaits(record: SubscriptionRecord, { id }: GrantRecord): SubscriptionRecord {
  const isIdle = (grant: GrantRecord): boolean =>
    grant.replaces === id && grant.pending === undefined && !isLive(grant) && !isOver(grant);
  if (!record.grants.some(isIdle)) return record;
  const free = { nextAttemptAt: undefined, notBefore: undefined, deferredUntil: undefined };
  return { ...record, grants: record.grants.map((grant) => (isIdle(grant) ? { ...grant, ...free } : grant)) };
}

/** An expired grant. Its hub is requested at once, even after denials and refusals (PROTOCOL N2). */
function expiredGrant(grant: GrantRecord): GrantRecord {
  const isRefused = grant.deniedAt !== undefined || (grant.refusals ?? 0) > 0;
  return {
    ...grant,
    notBefore: isRefused ? undefined : grant.notBefore,
    state: 'expired',
    provisional: undefined,
    isConfirmationUnsent: undefined,
    deniedUnsolicited: undefined,
    denialAnswered: undefined,
    freshCallbackAt: undefined,
    // A verification during the open request has lapsed with its lease, so another verification is expected.
    pending: grant.pending?.mode === 'subscribe' ? { ...grant.pending, verified: undefined } : undefined,
    nextAttemptAt: undefined,
    isRenewalStarted: undefined,
  };
}

/** The lease may be forged. The hub is requested at the planned time, not at the end of the lease (PROTOCOL V9). */
function waitingGrant(grant: GrantRecord, nextAttemptAt: number): GrantRecord {
  const { notBefore, isRenewalStarted } = grant;
  return { ...expiredGrant(grant), nextAttemptAt, notBefore, isRenewalStarted };
}

/** Requests the hub once under a new callback, even if the denial was refuted meanwhile. */
function startDueFreshCallback(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now, rules } = context;
  const { freshCallbackAt, leaseSeconds } = grant;
  if (freshCallbackAt === undefined || freshCallbackAt > now || !isEnabled(record)) return undefined;
  const cleared = withGrant(record, grant.id, (one) => ({ ...one, freshCallbackAt: undefined }));
  // The grant itself is renewed only if the hub does not verify the new callback in time.
  const timeoutMs = verifyTimeoutMs(rules.verifyTimeoutSeconds, leaseSeconds);
  const isRenewed = isWorking(grant) && grant.pending === undefined;
  const updated = isRenewed
    ? postponeRenewal(cleared, { ...grant, freshCallbackAt: undefined }, now + timeoutMs)
    : cleared;
  if (canRequestFreshGrant(updated, grant, context))
    return requestFreshGrant(updated, grant.advertisedHub, context, grant);
  return isSatisfied(updated, context) ? withoutEffects(updated) : startDiscovery(updated, context);
}

function startDueRequest(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now } = context;
  if (grant.pending !== undefined) return undefined;
  const at = nextRequestAt(record, grant);
  if (at === undefined || at > now) return undefined;
  const mode = grant.state === 'unsubscribing' ? 'unsubscribe' : 'subscribe';
  // The request may still wait for its turn, or was lost on its way. It keeps its id, so it is sent once.
  if (grant.currentRequest !== undefined && at === grant.guardedUntil) return startRequest(record, grant.id, mode, now);
  if (isWorking(grant) && grant.isRenewalStarted !== true) return startRenewal(record, grant.id, context);
  const checked = hasUnsolicitedDenial(grant)
    ? withGrant(record, grant.id, (one) => ({ ...one, denialCheckedAt: now }))
    : record;
  return startRequest(checked, grant.id, mode, now);
}
