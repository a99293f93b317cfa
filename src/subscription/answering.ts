import { askNext, isAsking, withGrant } from './asking.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { grantedLease, renewalTime } from './lease.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { withVerifiedSecret } from './secrets.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/**
 * Whether a verification by the hub of this grant may be confirmed: a subscription that is still wanted, also late
 * (PROTOCOL V4), or an unsubscription that was asked for (V3).
 */
export function mayConfirm(record: SubscriptionRecord, grant: GrantRecord, mode: 'subscribe' | 'unsubscribe'): boolean {
  if (mode === 'unsubscribe') return grant.state === 'unsubscribing' || grant.state === 'unsubscribed';
  if (record.desired !== 'subscribed' || (record.hold !== undefined && record.hold !== 'gave-up')) return false;
  if (grant.state === 'active') return true;
  const asked = grant.state === 'verifying' || grant.state === 'failed' || grant.state === 'expired' || grant.pending?.mode === 'subscribe';
  return asked && !record.grants.some((other) => other.id !== grant.id && other.state === 'active');
}

/** The hub verified, and the answer is the challenge. */
export function verified(record: SubscriptionRecord, event: Of<'verified'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayConfirm(record, grant, event.mode)) return { record, effects: [] };
  return event.mode === 'subscribe' ? granted(record, grant, event, context) : left(record, grant, context.now);
}

function granted(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: Of<'verified'>,
  { now, random, rules }: TransitionContext,
): Transition {
  const lease = grantedLease(event.leaseSeconds, rules);
  const planned = renewalTime(now, lease.seconds, rules.verifyTimeoutSeconds, random);
  const asked = grant.state !== 'active' || grant.pending?.mode === 'subscribe';
  const active: GrantRecord = {
    ...grant,
    state: 'active',
    leaseSeconds: lease.seconds,
    verifiedAt: now,
    expiresAt: now + lease.seconds * 1000,
    // A renewal that is planned is not put off by a verification nobody asked for: it may be forged.
    renewsAt: asked ? planned : Math.min(grant.renewsAt ?? planned, planned),
    nextAttemptAt: asked ? undefined : grant.nextAttemptAt,
    secrets: withVerifiedSecret(grant.secrets, now),
    pending: undefined,
    attempts: 0,
    endedAt: undefined,
  };
  const hook: Effect = { type: 'hook', name: grant.state === 'active' ? 'renewed' : 'verified', grantId: grant.id };
  return {
    record: {
      ...record,
      hold: undefined,
      attempts: 0,
      nextAttemptAt: undefined,
      lastError: undefined,
      passedOver: [],
      grants: record.grants.flatMap((other) => (other.id === grant.id ? [active] : superseded(other, now))),
    },
    effects: lease.warning === undefined ? [hook] : [hook, { type: 'warn', message: lease.warning, grantId: grant.id }],
  };
}

/** One grant is enough: those that never worked are forgotten, those that did are kept as tombstones. */
function superseded(grant: GrantRecord, now: number): readonly GrantRecord[] {
  if (grant.endedAt !== undefined) return [grant];
  if (grant.verifiedAt === undefined) return [];
  return [{ ...grant, state: 'unsubscribed', pending: undefined, nextAttemptAt: undefined, endedAt: now }];
}

function left(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return { record, effects: [] };
  const ended = withGrant(record, grant.id, () => ({
    ...grant,
    state: 'unsubscribed',
    pending: undefined,
    nextAttemptAt: undefined,
    attempts: 0,
    endedAt: now,
  }));
  return { record: { ...ended, attempts: 0 }, effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }] };
}

/** The service's handler refused: nothing more is asked for. A grant that works goes on until its lease ends. */
export function handlerRefused(record: SubscriptionRecord, event: Of<'handler-refused'>): Transition {
  const { failure, grantId } = event;
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const stopped = withGrant(record, grantId, (grant) => ({
    ...grant,
    pending: undefined,
    nextAttemptAt: undefined,
    state: event.mode === 'unsubscribe' ? 'active' : grant.state === 'verifying' ? 'failed' : grant.state,
  }));
  const hold = event.mode === 'unsubscribe' ? undefined : ('handler-refused' as const);
  return {
    record: { ...stopped, desired: 'subscribed', hold, lastError: failure, nextAttemptAt: undefined },
    effects: [hook],
  };
}

/** The hub denied: this grant is over, at any time. Another advertised hub is asked where there is one. */
export function denied(record: SubscriptionRecord, event: Of<'denied'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || grant.state === 'denied') return { record, effects: [] };
  const { now } = context;
  const over: SubscriptionRecord = {
    ...withGrant(record, grant.id, () => ({
      ...grant,
      state: 'denied',
      pending: undefined,
      nextAttemptAt: undefined,
      endedAt: now,
    })),
    deniedBy: [...new Set([...record.deniedBy, grant.advertisedHub])],
    lastError: event.failure,
  };
  const hook: Effect = { type: 'hook', name: 'denied', grantId: grant.id, failure: event.failure };
  if (!isAsking(over) || over.grants.some((other) => other.state === 'active')) return { record: over, effects: [hook] };
  const next = askNext(over, context);
  return { record: next.record, effects: [hook, ...next.effects] };
}
