import { withGrant } from './changes.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isWorking } from './state.js';

/** The grant that works and whose place another one was to take, where that one was never verified. */
export function predecessorOf(
  { grants }: SubscriptionRecord,
  { replaces, verifiedAt }: GrantRecord,
): GrantRecord | undefined {
  return verifiedAt === undefined ? grants.find((other) => other.id === replaces && isWorking(other)) : undefined;
}

/**
 * The hub denied or refused the grant that was to take another's place. It is forgotten, and the other one goes on: a
 * refusal of the same hub all the same, which is not asked before `again` (PROTOCOL N2).
 */
export function withoutSuccessor(
  record: SubscriptionRecord,
  successor: GrantRecord,
  predecessor: GrantRecord,
  again: number,
): SubscriptionRecord {
  const grants = record.grants.filter(({ id }) => id !== successor.id);
  const { refusals } = successor;
  return notBefore({ ...record, grants }, { ...predecessor, refusals }, again);
}

/** What works is not renewed before a time. */
export function notBefore(record: SubscriptionRecord, working: GrantRecord, time: number): SubscriptionRecord {
  const planned = working.nextAttemptAt ?? working.renewsAt ?? time;
  const nextAttemptAt = planned < time ? time : working.nextAttemptAt;
  return withGrant(record, working.id, () => ({ ...working, nextAttemptAt }));
}
