import { requestFreshGrant, canRequestFreshGrant } from './fresh-grant.js';
import { andThen, startDiscovery, endedGrant, startRenewal, startRequest, unchanged, withGrant } from '../changes.js';
import { withClockSetBackCorrected } from '../rules/clock-set-back.js';
import { failDeniedRequest } from './on-denied.js';
import type { Effect, Transition, TransitionContext } from '../events.js';
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

/** When something is next to be done about a subscription, in epoch milliseconds; undefined where nothing is. */
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
  // A grant with an unasked denial is not renewed: its hub is asked under a fresh callback, also if signed content has refuted
  // the denial since.
  const isFreshCallbackPlanned = grant.freshCallbackAt !== undefined || isBeingReplaced(record, grant);
  if (hasUnsolicitedDenial(grant) || isFreshCallbackPlanned) return grant.nextAttemptAt;
  if (grant.nextAttemptAt !== undefined) return grant.nextAttemptAt;
  if (grant.state !== 'active' || grant.renewsAt === undefined) return undefined;
  return Math.max(grant.renewsAt, grant.notBefore ?? 0);
}

/**
 * When a hub may next be asked for what is wanted, or come back to what it was asked; undefined where neither is to be
 * expected.
 *
 * @returns epoch milliseconds; 0 where a verification is waited for
 */
export function nextHubContactAt(record: SubscriptionRecord): number | undefined {
  if (!isEnabled(record)) return undefined;
  const times = record.grants.flatMap((grant) => {
    if (isOver(grant) || grant.superseded === true || grant.state === 'unsubscribing') return [];
    const { pending, notBefore, freshCallbackAt: askAfreshAt } = grant;
    const next = pending === undefined ? nextRequestAt(record, grant) : pending.denied === true ? notBefore : 0;
    return [next, askAfreshAt].filter((at) => at !== undefined);
  });
  if (record.nextAttemptAt !== undefined) times.push(record.nextAttemptAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Does what has come due: gives up waiting for a verification, ends leases, renews, asks again. */
export function onDue(before: SubscriptionRecord, context: TransitionContext): Transition {
  const record = withClockSetBackCorrected(before, context);
  let current = unchanged(record);
  for (const { id } of record.grants) {
    for (const step of [verificationMissing, leaseEnded, freshCallbackDue, requestDue]) {
      current = andThen(current, (reached) => {
        const grant = reached.grants.find((each) => each.id === id);
        return (grant && step(reached, grant, context)) ?? unchanged(reached);
      });
    }
  }
  return andThen(current, (reached) => {
    const isDue = reached.nextAttemptAt !== undefined && reached.nextAttemptAt <= context.now;
    return isDue && isEnabled(reached) ? startDiscovery(reached, context) : unchanged(reached);
  });
}

function verificationMissing(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { pending } = grant;
  if (pending === undefined || pending.deadline > context.now) return undefined;
  // Quirk(Switchboard): answers 200 with an error text to a request it refuses. Only the missing verification tells us.
  // Quirk(thylacine): never denies, and says nothing about a topic it dropped. We count the missing verification as a failure.
  const isExpected = pending.mode === 'subscribe' && pending.accepted;
  const lateUntil = isExpected
    ? pending.deadline + lateVerificationMs(context.rules.verifyTimeoutSeconds, leaseForRetries(grant, context.rules))
    : undefined;
  const waiting = { ...grant, lateUntil };
  const reached = withGrant(record, grant.id, () => waiting);
  if (pending.denied === true) return failDeniedRequest(reached, waiting, context);
  return failRequest(reached, grant.id, { failure: missingFailure(grant, pending, context.now) }, context);
}

function missingFailure(
  { hub, topic }: GrantRecord,
  { mode, accepted, verified, problem: wrong }: PendingRequest,
  at: number,
): FailureRecord {
  const isSubscribing = mode === 'subscribe';
  const request = `${accepted ? 'accepted' : 'was sent'} the ${isSubscribing ? 'subscription' : 'unsubscription'} to ${topic}`;
  const code = isSubscribing ? 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION' : 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION';
  if (verified === true) {
    const message = `Hub ${hub} was sent the subscription to ${topic} and verified it, but did not answer the request.`;
    return { cause: 'unreachable', code, message, at };
  }
  if (wrong !== undefined) {
    const message = `Hub ${hub} ${request} but what it came back with could not be confirmed: ${wrong}.`;
    return { cause: 'verification-wrong', code, message, at };
  }
  const message =
    `Hub ${hub} ${request} but did not verify it in time. ` +
    'Check that the hub can reach the callback (publicUrl, proxy, firewall), and that your application listened by then ' +
    '(with manual: deferRequests).';
  return { cause: 'verification-missing', code, message, at };
}

function leaseEnded(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now } = context;
  if (!isLive(grant) || grant.expiresAt === undefined || grant.expiresAt > now) return undefined;
  if (grant.pending?.denied === true) {
    // It fails with the lease, and its hub is asked again at once (PROTOCOL N1).
    return andThen(failDeniedRequest(record, grant, context), (failed) => {
      const remaining = failed.grants.find(({ id }) => id === grant.id);
      return (remaining && leaseEnded(failed, remaining, context)) ?? unchanged(failed);
    });
  }
  if (record.desired === 'unsubscribed' || grant.superseded === true) {
    const over = withGrant(record, grant.id, () => endedGrant(grant, now));
    return { record: over, effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }] };
  }
  const hook: Effect = { type: 'hook', name: 'expired', grantId: grant.id };
  // The hub sent nothing after the denial, so the denial was true: the grant has ended (PROTOCOL N1).
  const isEnded = hasUnsolicitedDenial(grant) && !hasPendingSubscribe(grant) && !hasFixedCallback(grant, context);
  const planned = plannedAttemptAt(record, grant, now);
  const isWaiting = grant.provisional === true && planned !== undefined;
  const over = (): GrantRecord =>
    isEnded ? endedGrant(grant, now) : isWaiting ? waitingGrant(grant, planned) : expiredGrant(grant);
  const freed = isWaiting ? record : withoutCooldown(withoutSuccessorWaits(record, grant), grant);
  const next = isEnded && isWaiting ? { nextAttemptAt: freed.nextAttemptAt ?? grant.freshCallbackAt ?? planned } : {};
  const expired = { ...withGrant(freed, grant.id, over), ...next };
  return andThen({ record: expired, effects: [hook] }, (reached) =>
    isEnabled(reached) && !isWaiting && !isSatisfied(reached, context)
      ? startDiscovery(reached, context)
      : unchanged(reached),
  );
}

/** The record with no wait left of grants that were to take the place of one that has run out: its hub is asked at once. */
function withoutSuccessorWaits(record: SubscriptionRecord, { id }: GrantRecord): SubscriptionRecord {
  const isIdle = (grant: GrantRecord): boolean =>
    grant.replaces === id && grant.pending === undefined && !isLive(grant) && !isOver(grant);
  if (!record.grants.some(isIdle)) return record;
  const free = { nextAttemptAt: undefined, notBefore: undefined, deferredUntil: undefined };
  return { ...record, grants: record.grants.map((grant) => (isIdle(grant) ? { ...grant, ...free } : grant)) };
}

/** The hub of a grant that ran out is asked at once, whatever it said before (PROTOCOL N2). */
function expiredGrant(grant: GrantRecord): GrantRecord {
  const isRefused = grant.deniedAt !== undefined || (grant.refusals ?? 0) > 0;
  return {
    ...grant,
    notBefore: isRefused ? undefined : grant.notBefore,
    state: 'expired',
    provisional: undefined,
    unanswered: undefined,
    deniedUnsolicited: undefined,
    denialAnswered: undefined,
    freshCallbackAt: undefined,
    // A verification that came while the request was open has lapsed with its lease: another one is waited for.
    pending: grant.pending?.mode === 'subscribe' ? { ...grant.pending, verified: undefined } : undefined,
    nextAttemptAt: undefined,
    renewalDue: undefined,
  };
}

/** The hub of a grant whose lease was nobody's to give is asked when that was planned (PROTOCOL V9). */
function waitingGrant(grant: GrantRecord, nextAttemptAt: number): GrantRecord {
  const { notBefore, renewalDue } = grant;
  return { ...expiredGrant(grant), nextAttemptAt, notBefore, renewalDue };
}

/** Asks the hub under another callback, once, whatever came meanwhile. */
function freshCallbackDue(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now, rules } = context;
  const { freshCallbackAt: askAfreshAt, leaseSeconds } = grant;
  if (askAfreshAt === undefined || askAfreshAt > now || !isEnabled(record)) return undefined;
  const cleared = withGrant(record, grant.id, (one) => ({ ...one, freshCallbackAt: undefined }));
  // Its own renewal begins only if the other callback is not verified in time.
  const timeoutMs = verifyTimeoutMs(rules.verifyTimeoutSeconds, leaseSeconds);
  const isRenewed = isWorking(grant) && grant.pending === undefined;
  const reached = isRenewed
    ? postponeRenewal(cleared, { ...grant, freshCallbackAt: undefined }, now + timeoutMs)
    : cleared;
  if (canRequestFreshGrant(reached, grant, context))
    return requestFreshGrant(reached, grant.advertisedHub, context, grant);
  return isSatisfied(reached, context) ? unchanged(reached) : startDiscovery(reached, context);
}

function requestDue(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now } = context;
  if (grant.pending !== undefined) return undefined;
  const at = nextRequestAt(record, grant);
  if (at === undefined || at > now) return undefined;
  if (isWorking(grant) && grant.renewalDue !== true) return startRenewal(record, grant.id, context);
  const checked = hasUnsolicitedDenial(grant)
    ? withGrant(record, grant.id, (one) => ({ ...one, denialCheckedAt: now }))
    : record;
  return startRequest(checked, grant.id, grant.state === 'unsubscribing' ? 'unsubscribe' : 'subscribe', now);
}
