import type { SubscriptionRules, Transition, TransitionContext } from './events.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { isAsking } from './state.js';

/** If what a transition asked for is lost in a crash, it is asked for again after this long, in milliseconds. */
export const SAFETY_MS = 60_000;

/** The record as it was, with nothing to do. */
export function unchanged(record: SubscriptionRecord): Transition {
  return { record, effects: [] };
}

/** What a further step makes of the record, and the effects of both. */
export function andThen({ record, effects }: Transition, step: (record: SubscriptionRecord) => Transition): Transition {
  const next = step(record);
  return { record: next.record, effects: [...effects, ...next.effects] };
}

/** The record with one grant changed. */
export function withGrant(
  record: SubscriptionRecord,
  grantId: string,
  change: (grant: GrantRecord) => GrantRecord,
): SubscriptionRecord {
  return { ...record, grants: record.grants.map((grant) => (grant.id === grantId ? change(grant) : grant)) };
}

/** The grant as it is kept when it is over. */
export function ended(grant: GrantRecord, state: 'denied' | 'unsubscribed', now: number): GrantRecord {
  return { ...grant, state, pending: undefined, attempts: 0, nextAttemptAt: undefined, endedAt: now };
}

/** Begin with discovery, once the callback is free: a hub that is to deliver elsewhere would be heard for this one. */
export function discover(record: SubscriptionRecord, { now, callbackHeldUntil }: TransitionContext): Transition {
  if (callbackHeldUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackHeldUntil });
  return { record: { ...record, nextAttemptAt: now + SAFETY_MS }, effects: [{ type: 'discover' }] };
}

/** Send a request for one grant. */
export function request(
  record: SubscriptionRecord,
  grantId: string,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): Transition {
  return {
    record: withGrant(record, grantId, (grant) => ({ ...grant, nextAttemptAt: now + SAFETY_MS })),
    effects: [{ type: 'request', grantId, mode }],
  };
}

/** The record after one more failed attempt at what is wanted; held where that was the last one allowed. */
export function counted(
  record: SubscriptionRecord,
  failure: FailureRecord,
  { maxAttempts }: SubscriptionRules,
): SubscriptionRecord {
  const attempts = record.attempts + 1;
  const gaveUp = isAsking(record) && attempts >= maxAttempts;
  return { ...record, attempts, lastError: failure, hold: gaveUp ? 'gave-up' : record.hold };
}
