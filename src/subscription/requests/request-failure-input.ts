import { SubscriptionInitiationError } from '../../errors.js';
import { isSameTopic } from '../../protocol/hub-query.js';
import type { TransitionInput } from '../machine/transition-types.js';
import { failureOf } from '../record/failure.js';
import type { FailureRecord } from '../record/record.js';
import type { SubscriptionTarget } from '../record/snapshot.js';

/** The input that reports a failed request to its subscription. */
export function requestFailureInput(error: unknown, grantId: string, requestId: string, now: number): TransitionInput {
  const failed = (cause: FailureRecord['cause']) => ({ grantId, requestId, failure: failureOf(error, cause, now) });
  if (!(error instanceof SubscriptionInitiationError)) return { type: 'refused', ...failed('configuration') };
  const { reason, retryAfterSeconds, status } = error;
  if (reason === 'unreachable') return { type: 'unreachable', ...failed('unreachable') };
  if (reason === 'temporary') {
    // Without a status, the request was not sent: the function `auth.bearer` failed.
    const cause = status === undefined ? 'configuration' : 'hub-error';
    return { type: 'unreachable', ...failed(cause), retryAfterSeconds, status };
  }
  return { type: 'refused', ...failed(reason === 'refused' ? 'refused' : 'configuration'), retryAfterSeconds, status };
}

/** Adds to a hub's refusal where the topic comes from, if the topic differs from the target. */
export function withTopicExplanation(error: unknown, target: SubscriptionTarget): unknown {
  if (!(error instanceof SubscriptionInitiationError) || error.reason !== 'refused') return error;
  const { message, reason, hub, topic, status, retryAfterSeconds, cause } = error;
  if (typeof target !== 'string' || topic === undefined || isSameTopic(target, topic)) return error;
  const origin =
    `${target} names this topic as its own URL (rel=self). ` +
    'If the hub needs another topic, set target: { hub, topic }.';
  return new SubscriptionInitiationError(`${message} ${origin}`, {
    reason,
    hub,
    topic,
    status,
    retryAfterSeconds,
    cause,
  });
}
