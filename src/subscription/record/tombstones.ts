import type { GrantRecord, SubscriptionRecord } from './record.js';

/** Whether a sweep changes a subscription: a grant ended before `endedBefore`, or the whole record can be removed. */
export function shouldSweep(record: SubscriptionRecord, endedBefore: number, isServed: boolean): boolean {
  return record.grants.some((grant) => isOld(grant, endedBefore)) || isRemovable(record, isServed);
}

/** The record without grants that ended before a time. Undefined if the whole record can be removed. */
export function withoutOldGrants(
  record: SubscriptionRecord,
  endedBefore: number,
  isServed: boolean,
): SubscriptionRecord | undefined {
  const remaining = { ...record, grants: record.grants.filter((grant) => !isOld(grant, endedBefore)) };
  return isRemovable(remaining, isServed) ? undefined : remaining;
}

function isOld({ endedAt }: GrantRecord, endedBefore: number): boolean {
  return endedAt !== undefined && endedAt < endedBefore;
}

/**
 * Whether neither code nor user wants the subscription, and no grant is left. The code wants nothing for a service that
 * does not run.
 */
function isRemovable({ declared, desired, grants }: SubscriptionRecord, isServed: boolean): boolean {
  return !(declared && isServed) && desired === 'unsubscribed' && grants.length === 0;
}
