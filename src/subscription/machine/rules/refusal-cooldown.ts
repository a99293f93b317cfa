import type { TransitionContext } from '../events.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';

/** How a hub is to be left alone for a topic. */
export interface Cooldown {
  /** Epoch milliseconds; 0 where it may be asked. */
  readonly until: number;
  /** Denials and refusals in a row. */
  readonly refusals: number;
}

/** A hub and a topic. */
type HubTopicPair = Pick<GrantRecord, 'advertisedHub' | 'topic'>;

/**
 * How long a hub is not to be asked after its denials and refusals, for whichever grant they came (PROTOCOL N2). Answers for
 * callbacks that are no longer ours do not count.
 */
export function cooldownOf(
  { grants }: SubscriptionRecord,
  place: HubTopicPair,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): Cooldown {
  const refused = grants.filter(
    (grant) => isSameHubTopic(grant, place) && hasRefused(grant) && grant.callback === callbackOf(grant.path),
  );
  return {
    until: Math.max(0, ...refused.map(({ notBefore = 0 }) => notBefore)),
    refusals: Math.max(0, ...refused.map(refusalsOf)),
  };
}

/** Denials and refusals in a row at the hub of a grant, with one more for this grant. */
export function nextRefusalCount(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): number {
  const others = record.grants.filter(({ id }) => id !== grant.id);
  return Math.max(grant.refusals ?? 0, cooldownOf({ ...record, grants: others }, grant, context).refusals) + 1;
}

/** The grant with a denial counted that its open request was to fail by. */
export function withDenialCounted(grant: GrantRecord): GrantRecord {
  return grant.pending?.denied === true ? { ...grant, refusals: refusalsOf(grant), isDenied: true } : grant;
}

/** A grant that never worked, as it is kept because its hub denied or refused it; undefined where it did neither. */
export function coolingDownGrant(grant: GrantRecord): GrantRecord | undefined {
  const refused = withDenialCounted(grant);
  if (!hasRefused(refused)) return undefined;
  const idle = { pending: undefined, nextAttemptAt: undefined, deniedAt: undefined, lateUntil: undefined };
  return { ...refused, ...idle, state: 'failed' };
}

/** The record when a hub has granted what it was asked for: nothing is held against it there any more. */
export function withoutRefusals(record: SubscriptionRecord, place: HubTopicPair): SubscriptionRecord {
  return changeRefusedGrants(record, place, (grant) => ({ ...grant, refusals: undefined, notBefore: undefined }));
}

/** The record when a hub is to be asked at once; if it refuses again, the next wait is longer all the same. */
export function withoutCooldown(record: SubscriptionRecord, place: HubTopicPair): SubscriptionRecord {
  return changeRefusedGrants(record, place, (grant) => ({ ...grant, notBefore: undefined }));
}

function changeRefusedGrants(
  record: SubscriptionRecord,
  place: HubTopicPair,
  change: (grant: GrantRecord) => GrantRecord,
): SubscriptionRecord {
  const isAffected = (grant: GrantRecord): boolean => isSameHubTopic(grant, place) && hasRefused(grant);
  if (!record.grants.some(isAffected)) return record;
  return { ...record, grants: record.grants.map((grant) => (isAffected(grant) ? change(grant) : grant)) };
}

function hasRefused(grant: GrantRecord): boolean {
  return refusalsOf(grant) > 0;
}

function refusalsOf({ refusals = 0, pending }: GrantRecord): number {
  return pending?.denied === true ? refusals + 1 : refusals;
}

function isSameHubTopic({ advertisedHub, topic }: HubTopicPair, place: HubTopicPair): boolean {
  return advertisedHub === place.advertisedHub && topic === place.topic;
}
