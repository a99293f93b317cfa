import { askAfresh, mayAskAfresh } from './fresh-grant.js';
import { andThen, discover, ended, renew, request, unchanged, withGrant } from '../changes.js';
import { byThisClock } from '../rules/clock-set-back.js';
import { deniedAttemptFailed } from './on-denied.js';
import type { Effect, Transition, TransitionContext } from '../events.js';
import { lateVerificationMs, verifyTimeoutMs } from '../rules/lease.js';
import { keepsItsCallback } from '../rules/reusable-grant.js';
import type { FailureRecord, GrantRecord, PendingRequest, SubscriptionRecord } from '../../record/record.js';
import { isServed } from '../rules/current-grants.js';
import { withoutRest } from '../rules/refusal-cooldown.js';
import { notBefore } from '../rules/successor.js';
import { leaseToFitInto } from '../rules/request-deadline.js';
import { requestFailed } from './on-request-result.js';
import {
  isAsked,
  isAsking,
  isBeingReplaced,
  isDeniedUnasked,
  isHeld,
  isOver,
  isWorking,
  plannedAttempt,
} from '../state.js';

/** When something is next to be done about a subscription, in epoch milliseconds; undefined where nothing is. */
export function dueAt(record: SubscriptionRecord): number | undefined {
  const times = record.grants.flatMap((grant) => grantTimes(record, grant));
  if (isAsking(record) && record.nextAttemptAt !== undefined) times.push(record.nextAttemptAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

function grantTimes(record: SubscriptionRecord, grant: GrantRecord): number[] {
  const times: number[] = [];
  if (isHeld(grant) && grant.expiresAt !== undefined) times.push(grant.expiresAt);
  const next = grant.pending?.deadline ?? nextRequestAt(record, grant);
  if (next !== undefined) times.push(next);
  if (isAsking(record) && grant.askAfreshAt !== undefined) times.push(grant.askAfreshAt);
  return times;
}

function nextRequestAt(record: SubscriptionRecord, grant: GrantRecord): number | undefined {
  if (grant.state === 'unsubscribing') return grant.nextAttemptAt;
  if (!isAsking(record) || isOver(grant) || grant.superseded === true) return undefined;
  // A grant with an unasked denial is not renewed: its hub is asked under a fresh callback, also if signed content has refuted
  // the denial since.
  const isQuestioned = grant.askAfreshAt !== undefined || isBeingReplaced(record, grant);
  if (isDeniedUnasked(grant) || isQuestioned) return grant.nextAttemptAt;
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
export function nextAskAt(record: SubscriptionRecord): number | undefined {
  if (!isAsking(record)) return undefined;
  const times = record.grants.flatMap((grant) => {
    if (isOver(grant) || grant.superseded === true || grant.state === 'unsubscribing') return [];
    const { pending, notBefore, askAfreshAt } = grant;
    const next = pending === undefined ? nextRequestAt(record, grant) : pending.denied === true ? notBefore : 0;
    return [next, askAfreshAt].filter((at) => at !== undefined);
  });
  if (record.nextAttemptAt !== undefined) times.push(record.nextAttemptAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Does what has come due: gives up waiting for a verification, ends leases, renews, asks again. */
export function due(given: SubscriptionRecord, context: TransitionContext): Transition {
  const record = byThisClock(given, context);
  let current = unchanged(record);
  for (const { id } of record.grants) {
    for (const step of [verificationMissing, leaseEnded, questionDue, requestDue]) {
      current = andThen(current, (reached) => {
        const grant = reached.grants.find((each) => each.id === id);
        return (grant && step(reached, grant, context)) ?? unchanged(reached);
      });
    }
  }
  return andThen(current, (reached) => {
    const isDue = reached.nextAttemptAt !== undefined && reached.nextAttemptAt <= context.now;
    return isDue && isAsking(reached) ? discover(reached, context) : unchanged(reached);
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
    ? pending.deadline + lateVerificationMs(context.rules.verifyTimeoutSeconds, leaseToFitInto(grant, context.rules))
    : undefined;
  const waiting = { ...grant, lateUntil };
  const reached = withGrant(record, grant.id, () => waiting);
  if (pending.denied === true) return deniedAttemptFailed(reached, waiting, context);
  return requestFailed(reached, grant.id, { failure: missingFailure(grant, pending, context.now) }, context);
}

function missingFailure(
  { hub, topic }: GrantRecord,
  { mode, accepted, verified, wrong }: PendingRequest,
  at: number,
): FailureRecord {
  const isSubscribing = mode === 'subscribe';
  const asked = `${accepted ? 'accepted' : 'was sent'} the ${isSubscribing ? 'subscription' : 'unsubscription'} to ${topic}`;
  const code = isSubscribing ? 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION' : 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION';
  if (verified === true) {
    const message = `Hub ${hub} was sent the subscription to ${topic} and verified it, but did not answer the request.`;
    return { cause: 'unreachable', code, message, at };
  }
  if (wrong !== undefined) {
    const message = `Hub ${hub} ${asked} but what it came back with could not be confirmed: ${wrong}.`;
    return { cause: 'verification-wrong', code, message, at };
  }
  const message =
    `Hub ${hub} ${asked} but did not verify it in time. ` +
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
  if (!isHeld(grant) || grant.expiresAt === undefined || grant.expiresAt > now) return undefined;
  if (grant.pending?.denied === true) {
    // It fails with the lease, and its hub is asked again at once (PROTOCOL N1).
    return andThen(deniedAttemptFailed(record, grant, context), (failed) => {
      const left = failed.grants.find(({ id }) => id === grant.id);
      return (left && leaseEnded(failed, left, context)) ?? unchanged(failed);
    });
  }
  if (record.desired === 'unsubscribed' || grant.superseded === true) {
    const over = withGrant(record, grant.id, () => ended(grant, now));
    return { record: over, effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }] };
  }
  const hook: Effect = { type: 'hook', name: 'expired', grantId: grant.id };
  // The hub sent nothing after the denial, so the denial was true: the grant has ended (PROTOCOL N1).
  const isEnded = isDeniedUnasked(grant) && !isAsked(grant) && !keepsItsCallback(grant, context);
  const planned = plannedAttempt(record, grant, now);
  const isWaiting = grant.provisional === true && planned !== undefined;
  const over = (): GrantRecord => (isEnded ? ended(grant, now) : isWaiting ? waiting(grant, planned) : lapsed(grant));
  const freed = isWaiting ? record : withoutRest(withoutWaits(record, grant), grant);
  const next = isEnded && isWaiting ? { nextAttemptAt: freed.nextAttemptAt ?? grant.askAfreshAt ?? planned } : {};
  const expired = { ...withGrant(freed, grant.id, over), ...next };
  return andThen({ record: expired, effects: [hook] }, (reached) =>
    isAsking(reached) && !isWaiting && !isServed(reached, context) ? discover(reached, context) : unchanged(reached),
  );
}

/** The record with no wait left of grants that were to take the place of one that has run out: its hub is asked at once. */
function withoutWaits(record: SubscriptionRecord, { id }: GrantRecord): SubscriptionRecord {
  const isIdle = (grant: GrantRecord): boolean =>
    grant.replaces === id && grant.pending === undefined && !isHeld(grant) && !isOver(grant);
  if (!record.grants.some(isIdle)) return record;
  const free = { nextAttemptAt: undefined, notBefore: undefined, heldUntil: undefined };
  return { ...record, grants: record.grants.map((grant) => (isIdle(grant) ? { ...grant, ...free } : grant)) };
}

/** The hub of a grant that ran out is asked at once, whatever it said before (PROTOCOL N2). */
function lapsed(grant: GrantRecord): GrantRecord {
  const isRefused = grant.deniedAt !== undefined || (grant.refusals ?? 0) > 0;
  return {
    ...grant,
    notBefore: isRefused ? undefined : grant.notBefore,
    state: 'expired',
    provisional: undefined,
    unanswered: undefined,
    deniedUnasked: undefined,
    denialAnswered: undefined,
    askAfreshAt: undefined,
    // A verification that came while the request was open has lapsed with its lease: another one is waited for.
    pending: grant.pending?.mode === 'subscribe' ? { ...grant.pending, verified: undefined } : undefined,
    nextAttemptAt: undefined,
    renewalDue: undefined,
  };
}

/** The hub of a grant whose lease was nobody's to give is asked when that was planned (PROTOCOL V9). */
function waiting(grant: GrantRecord, nextAttemptAt: number): GrantRecord {
  const { notBefore, renewalDue } = grant;
  return { ...lapsed(grant), nextAttemptAt, notBefore, renewalDue };
}

/** Asks the hub under another callback, once, whatever came meanwhile. */
function questionDue(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now, rules } = context;
  const { askAfreshAt, leaseSeconds } = grant;
  if (askAfreshAt === undefined || askAfreshAt > now || !isAsking(record)) return undefined;
  const asked = withGrant(record, grant.id, (one) => ({ ...one, askAfreshAt: undefined }));
  // Its own renewal begins only if the other callback is not verified in time.
  const patience = verifyTimeoutMs(rules.verifyTimeoutSeconds, leaseSeconds);
  const isRenewed = isWorking(grant) && grant.pending === undefined;
  const reached = isRenewed ? notBefore(asked, { ...grant, askAfreshAt: undefined }, now + patience) : asked;
  if (mayAskAfresh(reached, grant, context)) return askAfresh(reached, grant.advertisedHub, context, grant);
  return isServed(reached, context) ? unchanged(reached) : discover(reached, context);
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
  if (isWorking(grant) && grant.renewalDue !== true) return renew(record, grant.id, context);
  const questioned = isDeniedUnasked(grant)
    ? withGrant(record, grant.id, (one) => ({ ...one, questionedAt: now }))
    : record;
  return request(questioned, grant.id, grant.state === 'unsubscribing' ? 'unsubscribe' : 'subscribe', now);
}
