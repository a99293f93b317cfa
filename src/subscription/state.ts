import type { GrantRecord, SubscriptionRecord } from './record.js';
import type { SubscriptionState } from './snapshot.js';

/** Where a subscription stands: follows from its grants, and from what is wanted of it. */
export function stateOf(record: SubscriptionRecord): SubscriptionState {
  const isWanted = record.desired === 'subscribed';
  // What another grant has taken the place of says nothing of what is wanted; it does of what still ends.
  const grants = isWanted ? record.grants.filter(({ superseded }) => superseded !== true) : record.grants;
  const has = (state: SubscriptionState): boolean => grants.some((grant) => grant.state === state);
  if (has('active')) return 'active';
  if (has('unsubscribing')) return 'unsubscribing';
  if (!isWanted) return 'unsubscribed';
  if (record.hold === 'denied') return 'denied';
  if (record.hold !== undefined) return 'failed';
  if (has('expired')) return 'expired';
  if (has('verifying')) return 'verifying';
  if (record.attempts > 0) return 'failed';
  const isLeft = has('unsubscribed') && grants.every(isOver) && record.nextAttemptAt === undefined;
  return isLeft ? 'unsubscribed' : 'requested';
}

/** Whether anything may be asked for on its behalf. */
export function isAsking(record: SubscriptionRecord): boolean {
  return record.desired === 'subscribed' && record.hold === undefined;
}

/** Whether a hub is being asked to subscribe, and has not come back. */
export function isAsked(grant: GrantRecord): boolean {
  return grant.pending?.mode === 'subscribe' && !isOver(grant);
}

/** Whether a hub delivers under the grant, and it is to go on. */
export function isWorking(grant: GrantRecord): boolean {
  return grant.state === 'active' && grant.superseded !== true;
}

/** Whether something is to be asked at some time for what does not work yet. */
export function isScheduled(record: SubscriptionRecord): boolean {
  const isGrantScheduled = (grant: GrantRecord): boolean =>
    grant.nextAttemptAt !== undefined && !isOver(grant) && !isHeld(grant);
  return record.nextAttemptAt !== undefined || record.grants.some(isGrantScheduled);
}

/** Whether a hub may deliver under this grant at this moment, as far as we know. */
export function isHeld(grant: GrantRecord): boolean {
  return grant.state === 'active' || grant.state === 'unsubscribing';
}

/** Whether the grant is over: its callback answers content with 410. */
export function isOver(grant: GrantRecord): boolean {
  return grant.state === 'denied' || grant.state === 'unsubscribed';
}

/** Whether no hub was ever told of the grant's callback: nothing is to be expected there yet. */
export function isUnasked(grant: GrantRecord): boolean {
  return grant.state === 'requested' && grant.verifiedAt === undefined;
}
