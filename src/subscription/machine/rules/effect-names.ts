import type { Effect, NamedEffect, NamedTransition, Transition, TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isOver } from '../state.js';

/**
 * Gives requests and discoveries their ids, and stores these as the current ones. A request whose reason has gone loses
 * its id, so it is never sent: the grant failed, was verified, moved, ended, or has another schedule now.
 */
export function withEffectNames(
  before: SubscriptionRecord,
  { record, effects }: Transition,
  { newRequestId }: Pick<TransitionContext, 'newRequestId'>,
): NamedTransition {
  if (record === before && effects.length === 0) return { record, effects: [] };
  const requestIds = new Map<string, string>();
  // A discovery in flight also serves those who want one now.
  const discoveryId = record.currentDiscovery ?? (effects.some(isDiscovery) ? newRequestId() : undefined);
  const named = effects.map((effect): NamedEffect => {
    if (effect.type === 'discover') return { ...effect, discoveryId: discoveryId ?? newRequestId() };
    if (effect.type !== 'request') return effect;
    const requestId = unsentRequest(before, effect) ?? newRequestId();
    requestIds.set(effect.grantId, requestId);
    return { ...effect, requestId };
  });
  const currentRequestOf = (grant: GrantRecord): string | undefined =>
    requestIds.get(grant.id) ?? (isStillWanted(before, record, grant) ? grant.currentRequest : undefined);
  const withRequests = record.grants.every((grant) => grant.currentRequest === currentRequestOf(grant))
    ? record
    : {
        ...record,
        grants: record.grants.map((grant) => {
          const currentRequest = currentRequestOf(grant);
          return grant.currentRequest === currentRequest ? grant : { ...grant, currentRequest };
        }),
      };
  const currentDiscovery = isEnabled(record) ? discoveryId : undefined;
  if (record.currentDiscovery === currentDiscovery) return { record: withRequests, effects: named };
  return { record: { ...withRequests, currentDiscovery }, effects: named };
}

/** The id of the grant's request that was wanted before and is not sent yet, if it has the same mode. */
function unsentRequest(
  { grants }: SubscriptionRecord,
  { grantId, mode }: Extract<Effect, { type: 'request' }>,
): string | undefined {
  const { currentRequest, state } = grants.find(({ id }) => id === grantId) ?? {};
  return (state === 'unsubscribing') === (mode === 'unsubscribe') ? currentRequest : undefined;
}

function isDiscovery({ type }: Effect): boolean {
  return type === 'discover';
}

/** Whether nothing else was planned for the grant since its current request was wanted. */
function isStillWanted({ grants }: SubscriptionRecord, record: SubscriptionRecord, grant: GrantRecord): boolean {
  if (grant.currentRequest === undefined || grant.nextAttemptAt === undefined || isOver(grant)) return false;
  const before = grants.find(({ id }) => id === grant.id);
  if (before === grant) return grant.state === 'unsubscribing' || isEnabled(record);
  if (before === undefined || before.currentRequest !== grant.currentRequest) return false;
  const isSamePlan =
    before.nextAttemptAt === grant.nextAttemptAt &&
    before.guardedUntil === grant.guardedUntil &&
    (before.state === 'unsubscribing') === (grant.state === 'unsubscribing');
  return isSamePlan && (grant.state === 'unsubscribing' || (isEnabled(record) && grant.superseded !== true));
}
