import type { GrantRecord, SubscriptionRecord } from './record.js';

/** Whether something of a subscription ended before a time, or nothing of it is of any use. */
export function shouldSweep(record: SubscriptionRecord, endedBefore: number): boolean {
  return record.grants.some((grant) => isOld(grant, endedBefore)) || isRemovable(record);
}

/** The record without what ended before a time; undefined where nothing is lost with the rest of it. */
export function withoutOldGrants(record: SubscriptionRecord, endedBefore: number): SubscriptionRecord | undefined {
  const remaining = { ...record, grants: record.grants.filter((grant) => !isOld(grant, endedBefore)) };
  return isRemovable(remaining) ? undefined : remaining;
}

function isOld({ endedAt }: GrantRecord, endedBefore: number): boolean {
  return endedAt !== undefined && endedAt < endedBefore;
}

/** Whether neither code nor user wants it, and no callback is known for it. */
function isRemovable({ declared, desired, grants }: SubscriptionRecord): boolean {
  return !declared && desired === 'unsubscribed' && grants.length === 0;
}
