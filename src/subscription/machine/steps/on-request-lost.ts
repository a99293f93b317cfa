import { startRequest, withoutEffects, withGrant } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { grantOf, isEnabled } from '../state.js';

/**
 * The process that was sending a request is gone, and the hub has not accepted the request. Nobody knows whether the hub
 * got it, so it is sent again at once. That is no failure. A denied request keeps its deadline: the hub has answered.
 */
export function onRequestLost(
  record: SubscriptionRecord,
  { grantId, requestId }: Pick<InputOf<'request-lost'>, 'grantId' | 'requestId'>,
  context: TransitionContext,
): Transition {
  const { pending } = grantOf(record, grantId) ?? {};
  if (pending?.id !== requestId || pending.accepted || pending.denied === true) return withoutEffects(record);
  if (pending.mode === 'subscribe' && !isEnabled(record)) return withoutEffects(record);
  // The hub may have got the request to unsubscribe, and confirm it.
  const lateRequest = pending.mode === 'unsubscribe' ? pending.id : undefined;
  const closed = withGrant(record, grantId, (grant) => ({ ...grant, pending: undefined, lateRequest }));
  return startRequest(closed, grantId, pending.mode, context.now);
}
