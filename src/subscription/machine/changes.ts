import type { Effect, SubscriptionRules, Transition, TransitionContext } from './events.js';
import { inFlightGuard } from './rules/in-flight-guard.js';
import { verifyTimeoutMs } from './rules/lease.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../record/record.js';
import { withDenialCounted } from './rules/refusal-cooldown.js';
import { isEnabled } from './state.js';

/** If what a transition asked for is lost in a crash, it is asked for again after this long, in milliseconds. */
export const SAFETY_DELAY_MS = 60_000;

/** The record as it was, with nothing to do. */
export function unchanged(record: SubscriptionRecord): Transition {
  return { record, effects: [] };
}

/** What a further step makes of the record, and the effects of both; one discovery is enough. */
export function andThen({ record, effects }: Transition, step: (record: SubscriptionRecord) => Transition): Transition {
  const next = step(record);
  const hasDiscovery = effects.some(isDiscovery);
  return {
    record: next.record,
    effects: [...effects, ...(hasDiscovery ? next.effects.filter((effect) => !isDiscovery(effect)) : next.effects)],
  };
}

/** Whether an effect is the beginning of a discovery. */
export function isDiscovery({ type }: Effect): boolean {
  return type === 'discover';
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
export function endedGrant(grant: GrantRecord, now: number): GrantRecord {
  return {
    ...withDenialCounted(grant),
    state: 'unsubscribed',
    pending: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
    renewalDue: undefined,
    unanswered: undefined,
    freshCallbackAt: undefined,
    endedAt: now,
  };
}

/** A grant whose hub is to be asked to stop. */
export function unsubscribingGrant(grant: GrantRecord, now: number, isSuperseded: boolean): GrantRecord {
  return {
    ...withDenialCounted(grant),
    state: 'unsubscribing',
    pending: undefined,
    attempts: 0,
    renewalDue: undefined,
    freshCallbackAt: undefined,
    deniedUnsolicited: undefined,
    ...inFlightGuard(now + SAFETY_DELAY_MS),
    superseded: isSuperseded || grant.superseded,
  };
}

/** Begin with discovery, once the callback is free: a hub that is to deliver elsewhere would be heard for this one. */
export function startDiscovery(
  record: SubscriptionRecord,
  { now, callbackReservedUntil }: TransitionContext,
): Transition {
  if (callbackReservedUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackReservedUntil });
  return { record: { ...record, ...inFlightGuard(now + SAFETY_DELAY_MS) }, effects: [{ type: 'discover' }] };
}

/**
 * Renew a grant that works: where it is renewed is for discovery to say (PROTOCOL D10). It has as long for that as a hub has
 * for verifying; then the grant is renewed where it is.
 */
export function startRenewal(
  record: SubscriptionRecord,
  grantId: string,
  { now, rules }: TransitionContext,
): Transition {
  const renewing = (grant: GrantRecord): GrantRecord => {
    const timeoutMs = Math.min(SAFETY_DELAY_MS, verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
    return { ...grant, renewalDue: true, ...inFlightGuard(now + timeoutMs) };
  };
  // Whether the topic can be read by now is looked at again.
  const { topicSource: _over, ...known } = record;
  return {
    record: withGrant(record.topicSource === undefined ? record : known, grantId, renewing),
    effects: [{ type: 'discover' }],
  };
}

/** Send a request for one grant. */
export function startRequest(
  record: SubscriptionRecord,
  grantId: string,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): Transition {
  return {
    record: withGrant(record, grantId, (grant) => ({
      ...grant,
      renewalDue: undefined,
      ...inFlightGuard(now + SAFETY_DELAY_MS),
    })),
    effects: [{ type: 'request', grantId, mode }],
  };
}

/** The record with a failure noted, that does not count as an attempt at what is wanted. */
export function withFailure(record: SubscriptionRecord, failure: FailureRecord): SubscriptionRecord {
  const { cause, at, message } = failure;
  const count = (record.failures?.[cause]?.count ?? 0) + 1;
  return { ...record, lastError: failure, failures: { ...record.failures, [cause]: { count, lastAt: at, message } } };
}

/**
 * The record after one more failed attempt at what is wanted, at a grant where one was asked for; held where that was the
 * last one allowed and no other grant is active.
 */
export function withFailedAttempt(
  record: SubscriptionRecord,
  failure: FailureRecord,
  rules: SubscriptionRules,
  grantId?: string,
): SubscriptionRecord {
  return withAttemptCounted(withFailure(record, failure), rules, grantId);
}

/** As `counted`, where the failure was noted before. */
export function withAttemptCounted(
  record: SubscriptionRecord,
  { maxAttempts }: SubscriptionRules,
  grantId?: string,
): SubscriptionRecord {
  const attempts = record.attempts + 1;
  // A grant with an unasked denial still counts as active: anyone may have sent that.
  const isOtherActive = record.grants.some(
    ({ id, state, superseded }) => id !== grantId && state === 'active' && superseded !== true,
  );
  const gaveUp = isEnabled(record) && attempts - (record.attemptsKept ?? 0) >= maxAttempts && !isOtherActive;
  return { ...record, attempts, stoppedBecause: gaveUp ? 'gave-up' : record.stoppedBecause };
}
