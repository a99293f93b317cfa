import { andThen, discover, ended, renew, request, unchanged, withGrant } from './changes.js';
import { byThisClock } from './clock-jump.js';
import type { Effect, Transition, TransitionContext } from './events.js';
import { lateVerificationMs } from './lease.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isBarred, isServed } from './presence.js';
import { requestFailed } from './requesting.js';
import { isAsking, isHeld, isOver, isWorking } from './state.js';

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
  return times;
}

function nextRequestAt(record: SubscriptionRecord, grant: GrantRecord): number | undefined {
  if (grant.state === 'unsubscribing') return grant.nextAttemptAt;
  if (!isAsking(record) || isOver(grant) || grant.superseded === true || isBarred(record, grant)) return undefined;
  return grant.nextAttemptAt ?? (grant.state === 'active' ? grant.renewsAt : undefined);
}

/** Does what has come due: gives up waiting for a verification, ends leases, renews, asks again. */
export function due(given: SubscriptionRecord, context: TransitionContext): Transition {
  const record = byThisClock(given, context);
  let current = unchanged(record);
  for (const { id } of record.grants) {
    for (const step of [verificationMissing, leaseEnded, requestDue]) {
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
  const isSubscribing = pending.mode === 'subscribe';
  const asked = `${pending.accepted ? 'accepted' : 'was sent'} the ${isSubscribing ? 'subscription' : 'unsubscription'} to ${grant.topic}`;
  const failure = {
    cause: pending.wrong === undefined ? 'verification-missing' : 'verification-wrong',
    code: isSubscribing ? 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION' : 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
    message:
      pending.wrong === undefined
        ? `Hub ${grant.hub} ${asked} but did not verify it in time. Check that the hub can reach the callback: publicUrl, proxy, firewall.`
        : `Hub ${grant.hub} ${asked} but what it came back with could not be confirmed: ${pending.wrong}.`,
    at: context.now,
  } as const;
  const isExpected = isSubscribing && pending.accepted;
  const lateUntil = isExpected
    ? context.now + lateVerificationMs(context.rules.verifyTimeoutSeconds, grant.leaseSeconds)
    : undefined;
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, lateUntil }));
  return requestFailed(waiting, grant.id, { failure }, context);
}

function leaseEnded(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition | undefined {
  const { now } = context;
  if (!isHeld(grant) || grant.expiresAt === undefined || grant.expiresAt > now) return undefined;
  if (record.desired === 'unsubscribed' || grant.superseded === true) {
    const over = withGrant(record, grant.id, () => ended(grant, 'unsubscribed', now));
    return { record: over, effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }] };
  }
  const pending = grant.pending?.mode === 'subscribe' ? grant.pending : undefined;
  const hook: Effect = { type: 'hook', name: 'expired', grantId: grant.id };
  const expired = withGrant(record, grant.id, () => ({
    ...grant,
    state: 'expired',
    pending,
    nextAttemptAt: undefined,
    renewalDue: undefined,
  }));
  return andThen({ record: expired, effects: [hook] }, (reached) =>
    isAsking(reached) && !isServed(reached, context) ? discover(reached, context) : unchanged(reached),
  );
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
  return request(record, grant.id, grant.state === 'unsubscribing' ? 'unsubscribe' : 'subscribe', now);
}
