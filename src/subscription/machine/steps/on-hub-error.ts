import { MIN_WAIT_MS } from '../../retry-policy.js';
import { withoutEffects, withGrant } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { failRequest } from './on-request-result.js';
import { hasPendingSubscribe, isWaitingToRetry, isWorking } from '../state.js';

/** A hub error within this many milliseconds after a verification makes it a failed attempt (PROTOCOL N3). */
const AFTER_VERIFICATION_MS = 60_000;

/** Whether a hub error now turns the last verification into a failed attempt. At most once per verification. */
export function isVerificationUndone(grant: GrantRecord, now: number): boolean {
  const { grantedAt = -Infinity, hubErrorAt = -Infinity } = grant;
  const elapsedMs = now - grantedAt;
  return (
    isWorking(grant) &&
    !hasPendingSubscribe(grant) &&
    elapsedMs >= 0 &&
    elapsedMs <= AFTER_VERIFICATION_MS &&
    hubErrorAt < grantedAt
  );
}

/**
 * The hub verified a request and then could not serve the subscription. The hub is requested again, and its content is
 * still accepted.
 *
 * Quirk(Ballerina): reports an error with `hub.mode=hub-error`, an extension. Soon after a verification, we count the
 * error as a failed attempt (PROTOCOL N3).
 */
export function onHubErrorReported(
  record: SubscriptionRecord,
  { grantId, failure }: InputOf<'hub-error'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isVerificationUndone(grant, context.now)) return withoutEffects(record);
  const reported = withGrant(record, grantId, (one) => ({ ...one, hubErrorAt: context.now }));
  // Anyone who knows the callback may have sent the error. The error must never make us give up.
  const attemptsKept = (record.attemptsKept ?? 0) + 1;
  const unlimited = { ...context, rules: { ...context.rules, maxAttempts: Infinity } };
  const { record: failed, effects } = failRequest({ ...reported, attemptsKept }, grantId, { failure }, unlimited);
  // A longer wait, as after a refused renewal, is kept. A planned renewal is not postponed.
  const earliest = isWaitingToRetry(grant) ? (grant.nextAttemptAt ?? 0) : 0;
  const isPlanned = grant.nextAttemptAt === undefined && grant.freshCallbackAt === undefined;
  const latest = isPlanned ? Math.max(grant.renewsAt ?? Infinity, context.now + MIN_WAIT_MS) : Infinity;
  const updated = withGrant(failed, grantId, (one) =>
    one.nextAttemptAt === undefined
      ? one
      : { ...one, nextAttemptAt: Math.max(Math.min(one.nextAttemptAt, latest), earliest) },
  );
  return { record: updated, effects };
}
