import type { TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';

/** The wait before a hub is requested again for a topic. */
export interface Cooldown {
  /** Epoch milliseconds; 0 if the hub may be requested now. */
  readonly until: number;
  /** Denials and refusals in a row. */
  readonly refusals: number;
}

type HubTopicPair = Pick<GrantRecord, 'advertisedHub' | 'topic'>;

/**
 * The cooldown of a hub after its denials and refusals, across all grants (PROTOCOL N2). Answers for callbacks that are
 * no longer ours do not count.
 */
export function cooldownOf(
  { grants }: SubscriptionRecord,
  pair: HubTopicPair,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): Cooldown {
  const refused = grants.filter(
    (grant) => isSameHubTopic(grant, pair) && hasRefused(grant) && grant.callback === callbackOf(grant.path),
  );
  return {
    until: Math.max(0, ...refused.map(({ notBefore = 0 }) => notBefore)),
    refusals: Math.max(0, ...refused.map(refusalsOf)),
  };
}

/** Denials and refusals in a row at the grant's hub, including a new one for this grant. */
export function nextRefusalCount(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): number {
  const others = record.grants.filter(({ id }) => id !== grant.id);
  return Math.max(grant.refusals ?? 0, cooldownOf({ ...record, grants: others }, grant, context).refusals) + 1;
}

/** Counts the denial of an open request as a refusal. */
export function withDenialCounted(grant: GrantRecord): GrantRecord {
  return grant.pending?.denied === true ? { ...grant, refusals: refusalsOf(grant), wasLastRequestDenied: true } : grant;
}

/** An idle grant that stores its hub's refusals; undefined without refusals. */
export function coolingDownGrant(grant: GrantRecord): GrantRecord | undefined {
  const refused = withDenialCounted(grant);
  if (!hasRefused(refused)) return undefined;
  const idle = { pending: undefined, nextAttemptAt: undefined, deniedAt: undefined, lateUntil: undefined };
  return { ...refused, ...idle, state: 'failed' };
}

/**
 * Forgets a hub's refusals after the hub granted a request. A grant for a callback that is no longer ours says nothing
 * about our current callbacks.
 */
export function withoutRefusals(
  record: SubscriptionRecord,
  granted: GrantRecord,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): SubscriptionRecord {
  const isOurs = ({ callback, path }: GrantRecord): boolean => callback === callbackOf(path);
  return changeRefusedGrants(record, granted, (grant) =>
    isOurs(grant) === isOurs(granted) ? { ...grant, refusals: undefined, notBefore: undefined } : grant,
  );
}

/**
 * Ends a hub's cooldown, for a request now. The refusals stay counted: if the hub refuses again, the next wait still
 * grows.
 */
export function withoutCooldown(record: SubscriptionRecord, pair: HubTopicPair): SubscriptionRecord {
  return changeRefusedGrants(record, pair, (grant) => ({ ...grant, notBefore: undefined }));
}

function changeRefusedGrants(
  record: SubscriptionRecord,
  pair: HubTopicPair,
  change: (grant: GrantRecord) => GrantRecord,
): SubscriptionRecord {
  const isAffected = (grant: GrantRecord): boolean => isSameHubTopic(grant, pair) && hasRefused(grant);
  if (!record.grants.some(isAffected)) return record;
  return { ...record, grants: record.grants.map((grant) => (isAffected(grant) ? change(grant) : grant)) };
}

function hasRefused(grant: GrantRecord): boolean {
  return refusalsOf(grant) > 0;
}

function refusalsOf({ refusals = 0, pending }: GrantRecord): number {
  return pending?.denied === true ? refusals + 1 : refusals;
}

function isSameHubTopic({ advertisedHub, topic }: HubTopicPair, pair: HubTopicPair): boolean {
  return advertisedHub === pair.advertisedHub && topic === pair.topic;
}
