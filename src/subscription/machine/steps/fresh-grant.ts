import { startRequest } from '../record-changes.js';
import type { Transition, TransitionContext } from '../transition-types.js';
import { reusableGrantAt, hasFixedCallback, keptForCooldown, withTakenOverCallback } from '../rules/reusable-grant.js';
import { isCurrent } from '../rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { cooldownOf } from '../rules/refusal-cooldown.js';
import { isOver, isWorking } from '../state.js';

/** Whether the grant's hub can be requested under another callback, and no such request is in progress or granted. */
export function canRequestFreshGrant(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): boolean {
  const isInProgress = record.grants.some((other) => {
    if (other.replaces !== grant.id || isOver(other)) return false;
    const isGranted = isWorking(other) && other.provisional !== true;
    return isGranted || (other.pending ?? other.nextAttemptAt) !== undefined;
  });
  return !hasFixedCallback(grant, context) && !isInProgress && isCurrent(record, grant, context);
}

/**
 * Requests a hub under the callback of a new grant. If `predecessor` is given, the new grant replaces that grant at the
 * same hub.
 */
export function requestFreshGrant(
  record: SubscriptionRecord,
  hub: string,
  context: TransitionContext,
  predecessor?: GrantRecord,
): Transition {
  const { topic = '' } = record;
  const { refusals = 0 } = predecessor ?? reusableGrantAt(record, hub, context) ?? {};
  const known = predecessor === undefined ? cooldownOf(record, { advertisedHub: hub, topic }, context).refusals : 0;
  const { id, path, verifyToken } = context.newGrantIdentity();
  // Unsolicited verifications bring a renewal forward at most once an hour. This limit also applies to a hub that was
  // unsubscribed and is used again.
  const last = record.grants.findLast((other) => other.advertisedHub === hub && other.topic === topic);
  const grant: GrantRecord = {
    id,
    advertisedHub: hub,
    hub,
    hasHubAccepted: false,
    topic,
    callback: context.callbackOf(path),
    path,
    verifyToken,
    state: 'requested',
    secrets: [],
    attempts: 0,
    broughtForwardAt: (predecessor ?? last)?.broughtForwardAt,
    refusals: Math.max(refusals, known) || undefined,
    ...(predecessor === undefined
      ? {}
      : {
          hub: predecessor.hub,
          hasHubAccepted: predecessor.hasHubAccepted,
          replaces: predecessor.id,
          attempts: predecessor.attempts,
        }),
  };
  const isStale = (other: GrantRecord): boolean =>
    other.verifiedAt === undefined && !isOver(other) && !isCurrent(record, other, context);
  // A callback serves one grant. If there is only one callback, the new grant takes the callback over.
  const previous = record.grants.findLast((other) => other.path === path);
  const grants = record.grants.flatMap((other) => {
    if (isStale(other) || (other.path === path && other.advertisedHub === hub)) return [];
    return other === previous ? keptForCooldown(record, previous, context) : other;
  });
  grants.push(previous === undefined ? grant : withTakenOverCallback(grant, previous));
  return startRequest({ ...record, grants }, id, 'subscribe', context.now);
}
