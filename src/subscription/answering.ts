import { askNext, isDeniedByAll } from './asking.js';
import { andThen, ended, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { grantedLease, renewalTime } from './lease.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { withVerifiedSecret } from './secrets.js';
import { isCovered, isHeld, isScheduled } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/**
 * Whether a verification by the hub of this grant may be confirmed: a subscription that is still wanted, also late
 * (PROTOCOL V4), or an unsubscription that was asked for (V3).
 */
export function mayConfirm(record: SubscriptionRecord, grant: GrantRecord, mode: 'subscribe' | 'unsubscribe'): boolean {
  if (mode === 'unsubscribe') return grant.state === 'unsubscribing' || grant.state === 'unsubscribed';
  if (record.desired !== 'subscribed' || (record.hold !== undefined && record.hold !== 'gave-up')) return false;
  if (grant.state === 'active') return true;
  const asked =
    grant.state === 'verifying' ||
    grant.state === 'failed' ||
    grant.state === 'expired' ||
    grant.pending?.mode === 'subscribe';
  return asked && !record.grants.some((other) => other.id !== grant.id && isHeld(other));
}

/** The hub verified, and the answer is the challenge. */
export function verified(record: SubscriptionRecord, event: Of<'verified'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || !mayConfirm(record, grant, event.mode)) return unchanged(record);
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
    notBefore: undefined,
    // What nobody asked for does not tell whether the hub took the pending secret: a renewal may have been refused, or be
    // verified late. Both stay accepted, and the next try, within a day, tells.
    secrets: asked ? withVerifiedSecret(grant.secrets, now) : grant.secrets,
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
  return grant.verifiedAt === undefined ? [] : [ended(grant, 'unsubscribed', now)];
}

function left(record: SubscriptionRecord, grant: GrantRecord, now: number): Transition {
  if (grant.state === 'unsubscribed') return unchanged(record);
  return {
    record: withGrant(record, grant.id, () => ended(grant, 'unsubscribed', now)),
    effects: [{ type: 'hook', name: 'unsubscribed', grantId: grant.id }],
  };
}

/**
 * The service's handler refused. A subscription is not asked for any more, and a grant that works goes on until its lease
 * ends; where it was about to end, it stays.
 */
export function handlerRefused(record: SubscriptionRecord, event: Of<'handler-refused'>): Transition {
  const { failure, grantId, mode } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  // While the handler thought about it, something else may have been decided.
  if (grant === undefined || grant.state === 'unsubscribed' || !mayConfirm(record, grant, mode))
    return unchanged(record);
  const isKept = mode === 'unsubscribe';
  const stopped = withGrant(record, grantId, () => ({
    ...grant,
    pending: undefined,
    nextAttemptAt: undefined,
    state: isKept ? 'active' : grant.state === 'verifying' ? 'failed' : grant.state,
  }));
  const hold = isKept ? (record.desired === 'subscribed' ? record.hold : undefined) : 'handler-refused';
  return {
    record: { ...stopped, desired: 'subscribed', hold, lastError: failure, nextAttemptAt: undefined },
    effects: [{ type: 'hook', name: 'failed', grantId, failure }],
  };
}

/** The hub denied: this grant is over, at any time. Another advertised hub is asked where there is one. */
export function denied(record: SubscriptionRecord, event: Of<'denied'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  if (grant === undefined || grant.state === 'denied') return unchanged(record);
  const over: SubscriptionRecord = {
    ...withGrant(record, grant.id, () => ended(grant, 'denied', context.now)),
    deniedBy: [...new Set([...record.deniedBy, grant.advertisedHub])],
    lastError: event.failure,
  };
  const hook: Effect = { type: 'hook', name: 'denied', grantId: grant.id, failure: event.failure };
  return andThen({ record: over, effects: [hook] }, (reached) => {
    if (reached.desired === 'unsubscribed' || isCovered(reached)) return unchanged(reached);
    if (isDeniedByAll(reached)) return unchanged({ ...reached, hold: 'denied', nextAttemptAt: undefined });
    // Another hub that waits for its turn is not to be asked before it.
    return reached.hold !== undefined || isScheduled(reached) ? unchanged(reached) : askNext(reached, context);
  });
}
