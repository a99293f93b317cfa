import { isAlreadyEnded } from '../../../protocol/hub-status.js';
import { onAnswered, onVerified } from './on-verified.js';
import { andThen, withoutEffects } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { PendingRequest, SubscriptionRecord } from '../../record/record.js';

/**
 * A 204 means success: the hub ended the subscription, or subscribed us without calling the callback (PROTOCOL S3, S4).
 *
 * Quirk(PubSubHubbub 0.3): `sync` hubs answer 204 after they verified, and some never call the callback. If no
 * verification came, the 204 counts as the verification.
 */
export function completeByStatus(
  record: SubscriptionRecord,
  { grantId, requestId, isDone }: InputOf<'accepted'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  const pending = grant?.pending;
  if (isDone !== true || grant === undefined || pending?.id !== requestId) return withoutEffects(record);
  if (pending.mode === 'unsubscribe') {
    return onVerified(record, { type: 'verified', grantId, requestId, mode: 'unsubscribe' }, context);
  }
  if (hasCallbackResult(pending)) return withoutEffects(record);
  const { leaseSeconds = Infinity, defaultLeaseSeconds } = context.rules;
  const lease = Math.min(leaseSeconds, defaultLeaseSeconds);
  const granted = onVerified(
    record,
    { type: 'verified', grantId, requestId, mode: 'subscribe', leaseSeconds: String(lease) },
    context,
  );
  if (granted.record === record) return granted;
  // No verification came, so no answer to one is outstanding.
  const settled = andThen(granted, (updated) => onAnswered(updated, { type: 'answered', grantId, requestId }));
  if (grant.verifiedAt !== undefined) return settled;
  const warning: Effect = {
    type: 'log',
    event: 'subscription.unverified',
    grantId,
    leaseSeconds: lease,
  };
  return { record: settled.record, effects: [...settled.effects, warning] };
}

/** Whether the hub sent a verification or a denial for this request. A 204 then proves nothing. */
function hasCallbackResult({ hasUnconfirmedVerification, verified, denied }: PendingRequest): boolean {
  return hasUnconfirmedVerification === true || verified === true || denied === true;
}

/**
 * Ends the grant if a refused unsubscribe request means that no subscription exists (PROTOCOL S3). Undefined otherwise.
 */
export function endByRefusal(
  record: SubscriptionRecord,
  input: InputOf<'refused'> | InputOf<'unreachable'>,
  context: TransitionContext,
): Transition | undefined {
  const { grantId, requestId, status } = input;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (input.type !== 'refused' || status === undefined || grant?.pending?.mode !== 'unsubscribe') return undefined;
  const isEndExpected = record.stoppedBecause === 'deleted' || grant.deniedAt !== undefined;
  if (!isAlreadyEnded(status, isEndExpected)) return undefined;
  return onVerified(record, { type: 'verified', grantId, requestId, mode: 'unsubscribe' }, context);
}
