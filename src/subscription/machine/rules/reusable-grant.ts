import { endsWithCallbackToken } from '../../registry/callback-key.js';
import type { TransitionContext } from '../transition-types.js';
import { isCurrent } from './current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasUnsolicitedDenial, isLive, isOver } from '../state.js';

/** The grant to request again at a hub, under the same callback. */
export function reusableGrantAt(
  { grants, topic }: SubscriptionRecord,
  hub: string,
  { callbackOf, hasOneCallback }: Pick<TransitionContext, 'callbackOf' | 'hasOneCallback'>,
): GrantRecord | undefined {
  const isUsable = (grant: GrantRecord): boolean => {
    const { state, verifiedAt, superseded, deniedAt } = grant;
    if (superseded === true) return false;
    // A stranger may know this callback.
    if (hasUnsolicitedDenial(grant) && !hasFixedCallback(grant, { hasOneCallback })) return false;
    if (isOver(grant) && deniedAt !== undefined) return false;
    if (isLive(grant)) return grant.callback === callbackOf(grant.path);
    return state !== 'unsubscribed' || verifiedAt !== undefined;
  };
  const usable = grants.filter((grant) => grant.advertisedHub === hub && grant.topic === topic && isUsable(grant));
  // An ended grant is reused only if no other grant is usable. Otherwise both would be requested.
  return usable.findLast((grant) => !isOver(grant)) ?? usable.at(-1);
}

/** Whether the grant cannot get another callback. */
export function hasFixedCallback(
  { path }: GrantRecord,
  { hasOneCallback }: Pick<TransitionContext, 'hasOneCallback'>,
): boolean {
  return hasOneCallback === true || !endsWithCallbackToken(path);
}

/**
 * The new grant that takes over a callback. If the previous grant was verified and is not over, the new one gets its
 * lease and secrets, so that content from the previous hub is still accepted.
 */
export function withTakenOverCallback(grant: GrantRecord, previous: GrantRecord): GrantRecord {
  if (previous.verifiedAt === undefined || isOver(previous)) return grant;
  const { verifiedAt, expiresAt, secrets } = previous;
  return { ...grant, state: 'expired', verifiedAt, expiresAt, secrets };
}

/**
 * The old grant, kept only to store its hub's cooldown after another hub took the callback. Empty without a cooldown,
 * or if the old grant is over or not current.
 */
export function keptForCooldown(
  record: SubscriptionRecord,
  previous: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): readonly GrantRecord[] {
  const { pending, refusals = 0, notBefore } = previous;
  if (notBefore === undefined || isOver(previous) || !isCurrent(record, previous, context)) return [];
  const { verifiedAt: _verifiedAt, expiresAt: _expiresAt, renewsAt: _renewsAt, ...known } = previous;
  return [
    {
      ...known,
      state: 'failed',
      secrets: [],
      pending: undefined,
      nextAttemptAt: undefined,
      deniedUnsolicited: undefined,
      refusals: pending?.denied === true ? refusals + 1 : previous.refusals,
      wasLastRequestDenied: pending?.denied === true ? true : previous.wasLastRequestDenied,
    },
  ];
}
