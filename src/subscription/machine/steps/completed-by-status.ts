import { isAlreadyEnded } from '../../../protocol/hub-status.js';
import { onAnswered, onVerified } from './on-verified.js';
import { andThen, unchanged } from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import type { PendingRequest, SubscriptionRecord } from '../../record/record.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/**
 * A 204 says that the hub has done what it was asked for: it ended the subscription, or subscribes us without having called
 * the callback (PROTOCOL S3, S4).
 *
 * Quirk(PubSubHubbub 0.3): `sync` hubs answer 204 when they have verified, and some never call the callback. If none came, we
 * take the 204 as the verification.
 */
export function completeByStatus(
  record: SubscriptionRecord,
  { grantId, requestId, isDone }: EventOf<'accepted'>,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  const pending = grant?.pending;
  if (isDone !== true || grant === undefined || pending?.id !== requestId) return unchanged(record);
  if (pending.mode === 'unsubscribe') {
    return onVerified(record, { type: 'verified', grantId, mode: 'unsubscribe' }, context);
  }
  if (isDecided(pending)) return unchanged(record);
  const { leaseSeconds = Infinity, defaultLeaseSeconds } = context.rules;
  const lease = Math.min(leaseSeconds, defaultLeaseSeconds);
  const granted = onVerified(
    record,
    { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: String(lease) },
    context,
  );
  if (granted.record === record) return granted;
  // There is no answer that the hub may have missed.
  const settled = andThen(granted, (reached) => onAnswered(reached, { type: 'answered', grantId }));
  if (grant.verifiedAt !== undefined) return settled;
  const warning: Effect = {
    type: 'warn',
    grantId,
    message: `hub ${grant.hub} subscribed us without calling the callback: whether it can reach it shows when content comes; the lease is taken as ${lease} s`,
  };
  return { record: settled.record, effects: [...settled.effects, warning] };
}

/** Whether the hub came to the callback for it, and what it was told counts. */
function isDecided({ cameBack, verified, denied }: PendingRequest): boolean {
  return cameBack === true || verified === true || denied === true;
}

/** A refusal to end a subscription says that there is none where the hub has reason to think so (PROTOCOL S3). */
export function endByRefusal(
  record: SubscriptionRecord,
  event: EventOf<'refused'> | EventOf<'unreachable'>,
  context: TransitionContext,
): Transition | undefined {
  const { grantId, status } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (event.type !== 'refused' || status === undefined || grant?.pending?.mode !== 'unsubscribe') return undefined;
  const isEndExpected = record.stoppedBecause === 'deleted' || grant.deniedAt !== undefined;
  if (!isAlreadyEnded(status, isEndExpected)) return undefined;
  return onVerified(record, { type: 'verified', grantId, mode: 'unsubscribe' }, context);
}
