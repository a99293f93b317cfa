import type { Effect, SubscriptionRules, Transition, TransitionContext } from './transition-types.js';
import { inFlightGuard } from './rules/in-flight-guard.js';
import { verifyTimeoutMs } from './rules/lease.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../record/record.js';
import { withDenialCounted } from './rules/refusal-cooldown.js';
import { isEnabled } from './state.js';

/** Milliseconds until work lost in a crash starts again. */
export const SAFETY_DELAY_MS = 60_000;

/** A transition to this record, without effects. */
export function withoutEffects(record: SubscriptionRecord): Transition {
  return { record, effects: [] };
}

/** Runs a further step and joins the effects of both steps. Drops a second discovery. */
export function andThen({ record, effects }: Transition, step: (record: SubscriptionRecord) => Transition): Transition {
  const next = step(record);
  const hasDiscovery = effects.some(isDiscovery);
  return {
    record: next.record,
    effects: [...effects, ...(hasDiscovery ? next.effects.filter((effect) => !isDiscovery(effect)) : next.effects)],
  };
}

/** Whether an effect starts a discovery. */
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

/** The ended grant, as stored. */
export function endedGrant(grant: GrantRecord, now: number): GrantRecord {
  return {
    ...withDenialCounted(grant),
    state: 'unsubscribed',
    pending: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
    isRenewalStarted: undefined,
    isConfirmationUnsent: undefined,
    freshCallbackAt: undefined,
    lateRequest: undefined,
    endedAt: now,
  };
}

/** The grant while its hub is requested to unsubscribe. */
export function unsubscribingGrant(grant: GrantRecord, now: number, isSuperseded: boolean): GrantRecord {
  return {
    ...withDenialCounted(grant),
    state: 'unsubscribing',
    pending: undefined,
    attempts: 0,
    isRenewalStarted: undefined,
    freshCallbackAt: undefined,
    deniedUnsolicited: undefined,
    lateRequest: undefined,
    ...inFlightGuard(now + SAFETY_DELAY_MS),
    superseded: isSuperseded || grant.superseded,
  };
}

/**
 * Starts discovery once the callback is free. Until then, another subscription's hub may still deliver to the callback.
 */
export function startDiscovery(
  record: SubscriptionRecord,
  { now, callbackReservedUntil }: TransitionContext,
): Transition {
  if (callbackReservedUntil !== undefined) return withoutEffects({ ...record, nextAttemptAt: callbackReservedUntil });
  return { record: { ...record, ...inFlightGuard(now + SAFETY_DELAY_MS) }, effects: [{ type: 'discover' }] };
}

/**
 * Starts the renewal of a working grant. Discovery decides the hub and topic of the renewal (PROTOCOL D10). If
 * discovery takes longer than the verify timeout (at most a minute), the grant is renewed at its current hub.
 */
export function startRenewal(
  record: SubscriptionRecord,
  grantId: string,
  { now, rules }: TransitionContext,
): Transition {
  const renewing = (grant: GrantRecord): GrantRecord => {
    const timeoutMs = Math.min(SAFETY_DELAY_MS, verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
    return { ...grant, isRenewalStarted: true, ...inFlightGuard(now + timeoutMs) };
  };
  // Each renewal checks again whether the topic itself can be read.
  const { topicSource: _over, ...known } = record;
  return {
    record: withGrant(record.topicSource === undefined ? record : known, grantId, renewing),
    effects: [{ type: 'discover' }],
  };
}

/** Sends a request for one grant. */
export function startRequest(
  record: SubscriptionRecord,
  grantId: string,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): Transition {
  return {
    record: withGrant(record, grantId, (grant) => ({
      ...grant,
      isRenewalStarted: undefined,
      ...inFlightGuard(now + SAFETY_DELAY_MS),
    })),
    effects: [{ type: 'request', grantId, mode }],
  };
}

/** Stores a failure. The failure does not count as a failed attempt. */
export function withFailure(record: SubscriptionRecord, failure: FailureRecord): SubscriptionRecord {
  const { cause, at, message } = failure;
  const count = (record.failures?.[cause]?.count ?? 0) + 1;
  return { ...record, lastError: failure, failures: { ...record.failures, [cause]: { count, lastAt: at, message } } };
}

/**
 * Stores a failure and counts a failed attempt, at `grantId` if a hub was requested. The subscription stops after
 * `maxAttempts`, unless another grant is active.
 */
export function withFailedAttempt(
  record: SubscriptionRecord,
  failure: FailureRecord,
  rules: SubscriptionRules,
  grantId?: string,
): SubscriptionRecord {
  return withAttemptCounted(withFailure(record, failure), rules, grantId);
}

/** Like {@link withFailedAttempt}, for a failure already stored. */
export function withAttemptCounted(
  record: SubscriptionRecord,
  { maxAttempts }: SubscriptionRules,
  grantId?: string,
): SubscriptionRecord {
  const attempts = record.attempts + 1;
  // A grant with an unsolicited denial still counts as active: anyone may have sent the denial.
  const isOtherActive = record.grants.some(
    ({ id, state, superseded }) => id !== grantId && state === 'active' && superseded !== true,
  );
  const gaveUp = isEnabled(record) && attempts - (record.attemptsKept ?? 0) >= maxAttempts && !isOtherActive;
  return { ...record, attempts, stoppedBecause: gaveUp ? 'gave-up' : record.stoppedBecause };
}
