import type { GrantRecord, SubscriptionRecord } from './record.js';

/** Whether a sweep changes a subscription: a grant ended before `endedBefore`, or the whole record can be removed. */
export function shouldSweep(record: SubscriptionRecord, endedBefore: number): boolean {
  return record.grants.some((grant) => isOld(grant, endedBefore)) || isRemovable(record);
}

/** The record without grants that ended before a time. Undefined if the whole record can be removed. */
export function withoutOldGrants(record: SubscriptionRecord, endedBefore: number): SubscriptionRecord | undefined {
  const remaining = { ...record, grants: record.grants.filter((grant) => !isOld(grant, endedBefore)) };
  return isRemovable(remaining) ? undefined : remaining;
}

function isOld({ endedAt }: GrantRecord, endedBefore: number): boolean {
  return endedAt !== undefined && endedAt < endedBefore;
}

/** Whether neither code nor user wants the subscription, and no grant is left. */
function isRemovable({ declared, desired, grants }: SubscriptionRecord): boolean {
  return !declared && desired === 'unsubscribed' && grants.length === 0;
}
