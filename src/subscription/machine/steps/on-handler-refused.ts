import { canConfirm, isSettled } from './on-verified.js';
import { withFailure, withoutEffects, withGrant } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isOver } from '../state.js';

/**
 * The service's handler refused. After a refused subscribe, nothing more is requested, and a working grant continues
 * until its lease ends. After a refused unsubscribe, the grant stays.
 */
export function onHandlerRefused(
  record: SubscriptionRecord,
  input: InputOf<'handler-refused'>,
  context: TransitionContext,
): Transition {
  const { failure, grantId, mode } = input;
  const grant = record.grants.find(({ id }) => id === grantId);
  // The grant may have changed while the handler was running.
  if (grant === undefined || isOver(grant) || !canConfirm(record, grant, mode, context)) return withoutEffects(record);
  const isKept = mode === 'unsubscribe';
  // The verification was unsolicited: anyone may have sent it (PROTOCOL V9).
  if (!isKept && input.requestId === undefined) return withoutEffects(record);
  if (isSettled(grant, input, context.now)) return withoutEffects(record);
  const stopped = withGrant(record, grantId, () => ({
    ...grant,
    pending: undefined,
    nextAttemptAt: undefined,
    isRenewalStarted: undefined,
    state: isKept ? 'active' : grant.state === 'verifying' ? 'failed' : grant.state,
  }));
  const effects: readonly Effect[] = [{ type: 'hook', name: 'failed', grantId, failure }];
  // A superseded grant continues until its lease ends, and nothing else changes.
  if (isKept && grant.superseded === true) return { record: withFailure(stopped, failure), effects };
  const stopReason = isKept ? (record.desired === 'subscribed' ? record.stoppedBecause : undefined) : 'handler-refused';
  return {
    record: {
      ...withFailure(stopped, failure),
      desired: 'subscribed',
      stoppedBecause: stopReason,
      nextAttemptAt: undefined,
    },
    effects,
  };
}
