import type { GrantRecord, SubscriptionRecord } from './record.js';
import type { SubscriptionState } from './snapshot.js';

const BY_PRECEDENCE: readonly SubscriptionState[] = ['active', 'unsubscribing', 'expired', 'verifying'];

/** Where a subscription stands: follows from its grants, and from what is wanted of it. */
export function stateOf(record: SubscriptionRecord): SubscriptionState {
  for (const state of BY_PRECEDENCE) if (record.grants.some((grant) => grant.state === state)) return state;
  if (record.hold === 'denied') return 'denied';
  if (record.hold === 'handler-refused' || record.hold === 'gave-up') return 'failed';
  if (record.desired === 'unsubscribed') return 'unsubscribed';
  if (record.attempts > 0) return 'failed';
  const last = record.grants.at(-1);
  return last?.state === 'unsubscribed' ? 'unsubscribed' : 'requested';
}

/** Whether a hub may deliver under this grant at this moment, as far as we know. */
export function isHeld(grant: GrantRecord): boolean {
  return grant.state === 'active' || grant.state === 'unsubscribing';
}

/** Whether the grant is over: its callback answers content with 410. */
export function isOver(grant: GrantRecord): boolean {
  return grant.state === 'denied' || grant.state === 'unsubscribed';
}
